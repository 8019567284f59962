"""What a stage is: a function from Dataset to Dataset, and its declaration beside it.

A stage that judges gives every row that it was asked about, with a `reject_reason` (null: kept). `judge` splits them,
so that kept + rejected per reason = judged, exactly.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from datasets import Dataset, Features, Value

from sca_hf.errors import InputError
from sca_hf.prompts.few_shot import Step

if TYPE_CHECKING:
    from sca_hf.context import Context
    from sca_hf.file_stream import FileStream

REJECT_REASON = "reject_reason"


@dataclass(frozen=True)
class Column:
    """A column of a stage's result: its name, its `datasets` feature, and what it means (for cards)."""

    name: str
    feature: Any
    meaning: str


@dataclass(frozen=True)
class Stage:
    """Declaration of a stage.

    `reads`: columns that it needs. `columns`: all columns of its rows, in order, `reject_reason` left out.
    `step`: the few-shot step whose prompts it sends. `writes`: whether what its model says becomes part of the data.
    `settings`: name of the recipe's section that it reads, and with it all that enters its fingerprint.
    `run(rows, context)`: gives the judged rows: `columns`, then `reject_reason`, then any `measured` columns, which are
    no part of a row's identity and go to the side file of the version.
    """

    name: str
    version: int
    title: str
    reads: tuple[str, ...]
    columns: tuple[Column, ...]
    needs: Literal["engine", "sandbox"] | None
    settings: str
    run: Callable[[Any, "Context"], Dataset]
    step: Step | None = None
    writes: bool = True
    measured: tuple[Column, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(column.name for column in self.columns)

    @property
    def features(self) -> Features:
        """Features of the judged rows."""
        declared = {column.name: column.feature for column in self.columns}
        measured = {column.name: column.feature for column in self.measured}
        return Features({**declared, REJECT_REASON: Value("string"), **measured})


@dataclass(frozen=True)
class Counts:
    """Rows of one stage. `judged` is what the `rows_in` became (n samples a row, functions of a file)."""

    rows_in: int
    judged: int
    kept: int
    rejected: Mapping[str, int]

    def __post_init__(self) -> None:
        total = self.kept + sum(self.rejected.values())
        if total != self.judged:
            raise AssertionError(
                f"counts don't add up: kept {self.kept} + rejected {dict(self.rejected)} != {self.judged}"
            )

    def published(self) -> dict[str, Any]:
        """For lineage, JSON-able."""
        return {"rows_in": self.rows_in, "judged": self.judged, "kept": self.kept, "rejected": dict(self.rejected)}


@dataclass(frozen=True)
class Judged:
    """A stage's rows, split: `kept` and `rejected` have the declared columns (`rejected` also `reject_reason`)."""

    kept: Dataset
    rejected: Dataset
    measured: Dataset | None
    counts: Counts


def judge(stage: Stage, rows_in: int, rows: Dataset) -> Judged:
    """Split the judged rows of a stage on `reject_reason`."""
    reasons = rows.with_format("arrow")[REJECT_REASON][:].to_pylist() if len(rows) else []
    kept = [index for index, reason in enumerate(reasons) if reason is None]
    rejected = [index for index, reason in enumerate(reasons) if reason is not None]
    names = list(stage.names)
    return Judged(
        kept=rows.select(kept).select_columns(names),
        rejected=rows.select(rejected).select_columns([*names, REJECT_REASON]),
        measured=rows.select_columns(["id", *(column.name for column in stage.measured)]) if stage.measured else None,
        counts=Counts(rows_in, len(rows), len(kept), dict(sorted(Counter(filter(None, reasons)).items()))),
    )


def carried(parent: Stage) -> tuple[Column, ...]:
    """The columns of `parent` that its child keeps: all but the id, which the child keeps under another name."""
    return tuple(column for column in parent.columns if column.name != "id")


def check_columns(stage: Stage, rows: "Dataset | FileStream", makers: Mapping[str, str]) -> None:
    """Raise InputError that names the columns which `stage` lacks in `rows`, and the stage that makes each."""
    missing = [name for name in stage.reads if name not in rows.column_names]
    if missing:
        made_by = ", ".join(f"{name!r} (made by stage {makers.get(name, '?')})" for name in missing)
        raise InputError(f"stage {stage.name!r} needs column {made_by}; the input has {rows.column_names}")
