"""Two runs side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sca_hf.reporting.figures import Passes, Rate, passes
from sca_hf.reporting.runs import Run
from sca_hf.store.lineage import difference

# The intent repeats what the recipe says.
_SETTINGS = ("recipe.", "model.", "packages.", "sca_hf")


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
    lines = []
    for stage in [*after, *(stage for stage in before if stage not in after)]:
        old, new = before.get(stage), after.get(stage)
        if old == new:  # then one line says all
            lines.append(Line(stage, "kept", old and old["kept"], new and new["kept"], reason=False))
            continue
        for name in ("judged", "kept"):
            lines.append(Line(stage, name, old and old[name], new and new[name], reason=False))
        reasons = sorted({*(old or {}).get("rejected", {}), *(new or {}).get("rejected", {})})
        for reason in reasons:
            lines.append(
                Line(
                    stage,
                    reason,
                    old and old["rejected"].get(reason, 0),
                    new and new["rejected"].get(reason, 0),
                    reason=True,
                )
            )
    return lines
