"""Two runs side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sca_hf.reporting.figures import Passes, Rate, passes
from sca_hf.reporting.runs import Run
from sca_hf.store.history import difference

# The intent repeats what the recipe says.
_SETTINGS = ("recipe.", "model.", "packages.", "sca_hf")
_REJECTED = "rejected: "


@dataclass(frozen=True)
class Line:
    """One figure of both runs; None where a run doesn't have it. `reason`: it counts rejected rows."""

    stage: str
    label: str
    before: int | None
    after: int | None
    reason: bool

    @property
    def change(self) -> int:
        """From before to after."""
        return (self.after or 0) - (self.before or 0)


@dataclass(frozen=True)
class Comparison:
    """From the run `against` to the one of the report. `rates`: by title and label, those of `against`."""

    against: Run
    lines: Sequence[Line]
    settings: Mapping[str, tuple[Any, Any]]
    gone: int
    added: int
    changed: int
    passes: Passes | None
    rates: Mapping[tuple[str, str], Rate]


def compare(run: Run, against: Run) -> Comparison:
    """What differs. Raises StoreError if the rows of one were changed."""
    rows = difference(against.last.version, run.last.version)
    earlier = passes(against)
    groups = earlier.groups if earlier else {}
    return Comparison(
        against,
        _lines(against, run),
        {name: values for name, values in rows.settings.items() if name.startswith(_SETTINGS)},
        len(rows.gone),
        len(rows.added),
        len(rows.changed),
        earlier,
        {(title, rate.label): rate for title, rates in groups.items() for rate in rates},
    )


def _lines(against: Run, run: Run) -> list[Line]:
    before, after = ({counts["stage"]: counts for counts in each.funnel} for each in (against, run))
    lines: list[Line] = []
    for stage in [*after, *(stage for stage in before if stage not in after)]:
        old, new = (_flat(each.get(stage)) for each in (before, after))
        names = ["kept"] if old == new else list(dict.fromkeys([*old, *new]))  # of what is the same one line says all
        lines += [
            Line(stage, name.removeprefix(_REJECTED), old.get(name), new.get(name), name.startswith(_REJECTED))
            for name in names
        ]
    return lines


def _flat(counts: Mapping[str, Any] | None) -> dict[str, int]:
    """Counts of a stage by name, those of its reasons behind the others; empty where a run doesn't have the stage."""
    if counts is None:
        return {}
    reasons = {f"{_REJECTED}{reason}": rows for reason, rows in counts["rejected"].items()}
    return {"judged": counts["judged"], "kept": counts["kept"], **reasons}
