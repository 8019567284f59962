"""What a stage is: a function of rows, settings and a context, and a declaration next to it.

    def brevity(rows: Dataset, settings: BrevitySettings, context: Context) -> Dataset: ...

    STAGE = Stage(name="brevity", version=1, uses=("response",), adds=(Column(...),), settings=BrevitySettings, ...)

The function uses some columns, adds others and leaves the rest as they are. It returns every row that it judged, with a
`reject_reason` (null: kept). `split` parts them, so that kept + rejected per reason = judged, exactly.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from datasets import Dataset, Features, Value

from sca_hf.errors import InputError
from sca_hf.settings import Settings

REJECT_REASON = "reject_reason"

Step = Literal["S->C", "C->I", "I->R", "S->I", "chat:I->R", "chat:IR->T"]
"""Few-shot steps: seed to concepts, concepts to instruction, instruction to response; seed straight to instruction;
and, of a chat model, instruction to response, and both to tests."""


class Unreadable(ValueError):
    """A cell of ready-made rows that can't be read. Its text says why, and becomes part of a row's reject_reason."""


@dataclass(frozen=True)
class Column:
    """A column: its name, its `datasets` feature, and what it means (for cards).

    `aliases`: names under which ready-made rows may have it; `parse`: its value from theirs, which may raise
    Unreadable.
    """

    name: str
    feature: Any
    meaning: str
    aliases: tuple[str, ...] = ()
    parse: Callable[[Any], Any] | None = None


BENCHMARK_ROW = Column(
    "benchmark_row", Value("string"), "texts of benchmarks that it contains, one a line: benchmark, row, column, text"
)
SECRET_KIND = Column("secret_kind", Value("string"), "kinds of secrets that it contained")


def written_by(column: str) -> Column:
    """Return the column that says which model wrote another `column` of a row."""
    return Column(
        f"{column}_by",
        Value("string"),
        f"model that wrote its {column}: a Hub id with its commit, or the hash of a local model's content",
    )


@dataclass(frozen=True)
class Format:
    """A shape of a stage's kept rows for a kind of reader: a config of its versions, next to `default`.

    `make(row)`: the row in this shape, with `features`; None if it has none. `needs`: columns that it can't do without.
    `meaning`: Markdown for cards.
    """

    name: str
    features: Features
    make: Callable[[Mapping[str, Any]], Mapping[str, Any] | None]
    meaning: str
    needs: tuple[str, ...] = ()


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


@dataclass(frozen=True)
class Origin:
    """How a stage that makes rows from a source, and not from another stage's rows, gets and counts them.

    `open(settings, patient)`: the source (see `sca_hf.corpus.sources.Source`). `limited(settings, rows)`: settings that
    keep at most this many rows. `most_rows(settings)`: rows that it can keep, None if only a run can tell.
    `all_rows(settings, counts, limit)`: rows that a run without a limit would keep, from the counts of a run with one.
    """

    open: Callable[[Any, bool], Any]
    limited: Callable[[Any, int], Any]
    most_rows: Callable[[Any], int | None]
    all_rows: Callable[[Any, Counts, int | None], int]


def _one(settings: Any) -> int:
    return 1


@dataclass(frozen=True)
class Stage:
    """Declaration of a stage: all that others need to know of it.

    `run(rows, settings, context)` returns the judged rows: the columns of `rows`, `adds`, `reject_reason`, and
    `measured` columns, which are not part of a row's identity and go to a side file of the version.

    `uses`: columns that it must be given; `optional`: columns that it also uses where they are there. What it
    uses may be among `adds` too: the stage gives it new values.
    `reads`: by columns, how it wants the values of ready-made rows; each may raise Unreadable.
    `parent_id`: column of `adds` that keeps the id of the row that a row was made from; None: rows keep their ids.
    `settings`: type of its section in a recipe, which has the stage's name. All of it enters the fingerprint.
    `needs`: what its rows call. `calls`: how many calls a row makes at most, or programs if it needs a sandbox;
    `most_rows`: how many rows it becomes at most; both by its settings. `draws`: whether chance has a part in it, so
    that the run's seed enters the fingerprint.
    `compares`: whether a row's fate depends on other rows (duplicates, a choice among attempts), so that parts of a run
    end before it.
    `step`: the few-shot step whose prompts it sends. `writes`: whether what its model says becomes part of the rows.
    `origin`: for a stage that reads a source. Its rows have the columns `adds` alone.
    `check(settings)`: raises InputError before a run if the settings name something that is not there.
    `jails(settings, workers)`: the pool of jails that a stage which needs a sandbox runs its programs in.
    `pass_rule(settings)`: the rule by which an executed attempt passes (see `sca_hf.stages.pass_rules`).
    `until_pass(settings)`: for a stage that writes attempts, whether it goes on until one passes. It may run them while
    it writes: it is lent the jails of the stage that executes them, and the rule of the stage that has one.
    `warning(counts)`: what a summary says of the rows it judged if something is odd about them, else None.
    `shows`: columns to print as an example when a run ends with this stage.
    `formats`: shapes of the kept rows that versions hold next to them. `beside`: files of text in a version's folder.
    `card`: Markdown on what its rows are, for a stage that has no template in `cards/`.
    """

    name: str
    version: int
    title: str
    uses: tuple[str, ...]
    adds: tuple[Column, ...]
    settings: type[Settings]
    run: Callable[[Any, Any, Any], Dataset]
    optional: tuple[str, ...] = ()
    reads: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    parent_id: str | None = None
    needs: Literal["engine", "sandbox"] | None = None
    calls: Callable[[Any], int] = _one
    most_rows: Callable[[Any], int] = _one
    compares: bool = False
    draws: bool = False
    step: Step | None = None
    writes: bool = True
    measured: tuple[Column, ...] = ()
    origin: Origin | None = None
    check: Callable[[Any], object] | None = None
    jails: Callable[[Any, int], Any] | None = None
    pass_rule: Callable[[Any], Any] | None = None
    until_pass: Callable[[Any], bool] | None = None
    warning: Callable[[Counts], str | None] | None = None
    shows: tuple[str, ...] = ()
    formats: tuple[Format, ...] = ()
    beside: Mapping[str, str] = field(default_factory=dict)
    card: str = ""

    def columns(self, before: Sequence[Column] = ()) -> tuple[Column, ...]:
        """Return the columns of its kept rows, made from rows with the columns `before`: those, then the added ones."""
        carried = () if self.origin else before
        return tuple({column.name: column for column in (*carried, *self.adds)}.values())

    def features(self, rows: Mapping[str, Any]) -> Features:
        """Return the features of its judged rows, from those of the rows that it is given."""
        carried = {} if self.origin else dict(rows)
        added = {column.name: column.feature for column in self.adds}
        measured = {column.name: column.feature for column in self.measured}
        return Features({**carried, **added, REJECT_REASON: Value("string"), **measured})


@dataclass(frozen=True)
class Judged:
    """A stage's rows, split. `rejected` has the columns of `kept` and `reject_reason`.

    `measured`: id, `reject_reason` and measured columns of all rows; of the rejected ones where nothing is measured.
    """

    kept: Dataset
    rejected: Dataset
    measured: Dataset | None
    counts: Counts


def split(stage: Stage, rows_in: int, rows: Dataset) -> Judged:
    """Split the judged rows of a stage on `reject_reason`."""
    reasons = rows.with_format("arrow")[REJECT_REASON][:].to_pylist() if len(rows) else []
    indices = [index for index, reason in enumerate(reasons) if reason is None]
    rejected = [index for index, reason in enumerate(reasons) if reason is not None]
    measured = [column.name for column in stage.measured]
    names = [name for name in rows.column_names if name not in {REJECT_REASON, *measured}]
    noted = rows if measured else rows.select(rejected)
    return Judged(
        kept=rows.select(indices).select_columns(names),
        rejected=rows.select(rejected).select_columns([*names, REJECT_REASON]),
        measured=noted.select_columns(["id", REJECT_REASON, *measured]) if measured or rejected else None,
        counts=Counts(rows_in, len(rows), len(indices), dict(sorted(Counter(filter(None, reasons)).items()))),
    )


def fit(
    stages: Sequence[Stage], before: Sequence[Column], makers: Sequence[Stage], what: str, there: str = ""
) -> list[list[Column]]:
    """Return the columns of each stage's rows, from those of the rows that the first one is given.

    Raises InputError that names the column, the stage that needs it and the stages among `makers` that make it, where
    the columns don't fit; `what` names the rows or the recipe, `there` the columns that one could have meant, where it
    is not those of the rows.
    """
    columns = list(before)
    all_columns: list[list[Column]] = []
    for stage in stages:
        names = {column.name for column in columns}
        missing = [name for name in stage.uses if name not in names] if not (stage.origin and not columns) else []
        if missing:
            needed = ", ".join(f"{name!r}{_made_by(name, makers)}" for name in missing)
            raise InputError(
                f"{what}: stage {stage.name!r} needs column {needed}; there is {there or _listed(columns)}"
            )
        twice = [
            column.name
            for column in stage.adds
            if column.name in names - {"id", *stage.uses, *stage.optional} and not stage.origin
        ]
        if twice:
            raise InputError(
                f"{what}: stage {stage.name!r} adds column {', '.join(map(repr, twice))}, which is there before it; "
                "take one of the stages that make it out"
            )
        columns = list(stage.columns(columns))
        all_columns.append(columns)
    return all_columns


def _made_by(column: str, makers: Sequence[Stage]) -> str:
    adding = [stage for stage in makers if any(added.name == column for added in stage.adds)]
    names = [stage.name for stage in adding if column not in {*stage.uses, *stage.optional}]
    return f" (made by stage {', '.join(dict.fromkeys(names))})" if names and column != "id" else ""


def _listed(columns: Sequence[Column]) -> str:
    return ", ".join(column.name for column in columns) or "no column before it"
