"""Ready-made rows that a run starts from: a version, a data file, a folder or a dataset on the Hub.

Rows in the layout of the reference are understood: seeds with `content`, `sha1`, `id`; SFT rows with `instruction`,
`response`, `seed`, `concepts`, `sha1` and others; and conversations of one turn, as `messages` or as `prompt` and
`completion`. A column has its name or an alias that its stage declares. Columns that no stage knows are carried along.

Each row gets an id from its place and its texts; the id that it had is its `source_id`. A row that can't be read has a
reject_reason that names the column; it goes to the rejected rows of the first stage's version.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from datasets import ClassLabel, Dataset, Features, Json, LargeList, List, Value

from sca_hf.errors import InputError
from sca_hf.identity import digest, row_id
from sca_hf.pipeline.cells import Reader, cell_reader, from_json, said
from sca_hf.pipeline.input_files import Loaded
from sca_hf.stage import REJECT_REASON, Column, Stage, Unreadable, fit
from sca_hf.store import Version
from sca_hf.wording import counted

SOURCE_ID = "source_id"

# What is said in a conversation of one turn: column, who says it, the columns that hold conversations.
_SAID = {"instruction": ("user", ("prompt", "messages")), "response": ("assistant", ("completion", "messages"))}
_CARRIED = (ClassLabel, Json, LargeList, List, Value, dict)  # no pictures or sounds


@dataclass(frozen=True)
class ReadyMade:
    """`rows` as the first stage reads them; `sha` (64 hex digits) of their content; where they were loaded.

    They have a `reject_reason` if some of them can't be read. `notes`: for people, what of the input is left out.
    """

    rows: Dataset
    sha: str
    loaded: Loaded
    notes: tuple[str, ...] = ()

    @property
    def parents(self) -> tuple[Version, ...]:
        """The version that the rows are, if they are one."""
        return () if self.loaded.version is None else (self.loaded.version,)

    def readable(self, limit: int) -> int:
        """Return how many of the first `limit` rows can be read."""
        first = self.rows.select(range(limit))
        if REJECT_REASON not in first.column_names:
            return limit
        reasons: list[str | None] = first.with_format("arrow")[REJECT_REASON][:].to_pylist()
        return reasons.count(None)


def first_stage(loaded: Loaded, chain: Sequence[Stage], end: int) -> str:
    """Return the name of the stage in `chain` that reads such rows, in a run up to the stage at `end`.

    It is the one after the stage that made them, if they are a version; else the first that they fit, after the last
    stage that adds one of their columns. Raises InputError if their columns don't tell, or nothing comes after them.
    """
    names, ids = [stage.name for stage in chain], _ids(chain)
    made_by = loaded.version.lineage.stage if loaded.version else None
    if made_by in names[:-1]:
        return names[names.index(made_by) + 1]
    places = {place for name in _meant(loaded) if (place := _place(chain, name)) is not None}
    if made_by != names[-1] and len(chain) not in places:
        for place in sorted(places, reverse=True):
            for number in range(place, end + 1):
                needed = _needed(chain[number : end + 1])
                if all(column in ids or _source(loaded, column, chain) for column in needed):
                    return names[number]
    reads = {
        name: ", ".join(column for column in _needed(chain[number : end + 1]) if column not in ids)
        for number, name in enumerate(names[: end + 1])
    }
    known = "; ".join(f"{name} reads {columns}" for name, columns in reads.items())
    raise InputError(
        f"--input {loaded.where}: its columns {', '.join(loaded.rows.column_names)} don't tell which stage reads them "
        f"({known}); rename columns, or give --from STAGE"
    )


def read_input(loaded: Loaded, chain: Sequence[Stage], start: int, end: int) -> ReadyMade:
    """Return the rows as the stages from `start` to `end` read them, with ids and all columns that can be carried.

    Raises InputError if they lack a column that one of the stages needs, or no row can be read.
    """
    layout = _Layout.of(loaded, chain, start, end)
    own = ", ".join(loaded.rows.column_names)
    fit(chain[start : end + 1], [*layout.columns.values()], chain, f"--input {loaded.where}", own)
    features = {name: column.feature for name, column in layout.columns.items()}
    try:
        rows = loaded.rows.map(
            layout.read,
            batched=True,
            with_indices=True,
            remove_columns=loaded.rows.column_names,
            features=Features({**features, REJECT_REASON: Value("string")}),
            load_from_cache_file=False,
            desc="input",
        )
    except UnicodeDecodeError:
        raise InputError(f"--input {loaded.where} has text that is not UTF-8; save it as UTF-8") from None
    reasons: list[str | None] = rows.with_format("arrow")[REJECT_REASON][:].to_pylist()
    notes = _notes(loaded, layout.dropped, reasons)
    if not any(reasons):
        rows = rows.remove_columns(REJECT_REASON)
    elif all(reasons):
        raise InputError(f"{notes[-1]}; correct these columns, or give --from STAGE with another stage")
    return ReadyMade(rows, _content(rows), loaded, tuple(notes))


@dataclass(frozen=True)
class _Layout:
    """How rows are read: the `columns` that they get, the `sources` of these in the input, and the readers of cells.

    `own`: columns whose cells make the id of a row; `dropped`: columns of the input that are not carried.
    """

    first: str
    columns: Mapping[str, Column]
    sources: Mapping[str, str | None]
    readers: Mapping[str, Reader]
    own: Sequence[str]
    dropped: Sequence[str]
    ids: frozenset[str]

    @classmethod
    def of(cls, loaded: Loaded, chain: Sequence[Stage], start: int, end: int) -> "_Layout":
        stages, ids, features = chain[start : end + 1], _ids(chain), loaded.rows.features
        declared = {column.name: column for stage in chain for column in stage.adds}
        needed = _needed(stages)
        sources = {name: source for name in needed if (source := _source(loaded, name, chain)) or name in ids}
        if loaded.version is None and "id" in features and "id" in needed:
            sources["id"] = None  # its own are not unique
            sources[SOURCE_ID] = SOURCE_ID if SOURCE_ID in features else "id"
        made = {column.name for stage in stages for column in (*stage.adds, *stage.measured)} | {REJECT_REASON}
        known = {column.name for stage in chain[:start] for column in stage.adds} | {*stages[0].optional}
        for name, feature in features.items():
            is_free = isinstance(feature, _CARRIED) and name not in made and name not in sources.values()
            if name not in sources and (name in known if stages[0].origin else is_free):
                sources[name] = name
        ordered = dict.fromkeys((*features, *sources))  # as in the input
        sources = {name: sources[name] for name in ordered if name in sources}
        columns = {
            name: declared.get(name) or Column(name, _plain(features[str(source)], stages[0], name in needed), "")
            for name, source in sources.items()
            if name != SOURCE_ID
        }
        if SOURCE_ID in sources:
            columns[SOURCE_ID] = Column(SOURCE_ID, Value("string"), "")
        readers: dict[str, Reader] = {}
        if loaded.version is None:
            for name in columns.keys() - ids - {SOURCE_ID}:
                if name in declared or name in needed:
                    shape = next((stage.reads[name] for stage in stages if name in stage.reads), None)
                    readers[name] = cell_reader(columns[name], name in needed, shape)
                if name in _SAID and sources[name] in _SAID[name][1]:
                    readers[name] = _after(_conversation(name, str(sources[name])), readers[name])
        used = {*sources.values(), "id"}
        own = [str(sources[name]) for name in needed if name not in ids and sources.get(name)]
        dropped = [name for name in features if name not in used]
        return cls(stages[0].name, columns, sources, readers, own, dropped, frozenset(ids))

    def read(self, batch: Mapping[str, Sequence[Any]], numbers: Sequence[int]) -> dict[str, list[Any]]:
        """Return a batch of rows, each with its reject_reason, None where it can be read."""
        reasons: list[str | None] = [None] * len(numbers)
        own = [list(map(str, cells)) for cells in zip(*(batch[name] for name in self.own), strict=True)]
        own = own or [[] for _ in numbers]
        values: dict[str, list[Any]] = {}
        for name, column in self.columns.items():
            source = self.sources[name]
            cells = batch[source] if source else [None] * len(numbers)
            if name in self.ids:
                values[name] = [
                    _id_text(cell) or row_id("input", self.first, name, number, *texts)
                    for cell, number, texts in zip(cells, numbers, own, strict=True)
                ]
            elif name == SOURCE_ID:
                values[name] = list(map(_id_text, cells))
            elif reader := self.readers.get(name):
                values[name] = [_read(reader, cell, str(source), reasons, row) for row, cell in enumerate(cells)]
            elif column.feature == Value("string"):
                values[name] = [cell if cell is None or isinstance(cell, str) else _json(cell) for cell in cells]
            else:
                values[name] = list(cells)
        return values | {REJECT_REASON: reasons}


def _read(reader: Reader, cell: Any, source: str, reasons: list[str | None], row: int) -> Any:
    """Return the value of a cell; None, with the reason of its row, if it can't be read."""
    try:
        return reader(cell)
    except Unreadable as error:
        reasons[row] = reasons[row] or f"{source}-{error}"
        return None


def _conversation(column: str, source: str) -> Reader:
    read = said(_SAID[column][0])
    return _after(from_json, read) if source == "messages" else read


def _after(first: Reader, second: Reader) -> Reader:
    return lambda cell: second(first(cell))


def _plain(feature: Any, first: Stage, needed: bool) -> Any:
    """The feature of a column that no stage declares: text where the file has JSON of several kinds, or nothing."""
    dtype = getattr(feature, "dtype", "")
    if first.origin and needed:  # source files
        return Value("binary" if "binary" in dtype else "string")
    return Value("string") if isinstance(feature, Json) or dtype in {"null", "large_string"} else feature


def _notes(loaded: Loaded, dropped: Sequence[str], reasons: Sequence[str | None]) -> list[str]:
    notes: list[str] = []
    if dropped:
        names = ", ".join(map(repr, dropped))
        notes.append(f"--input {loaded.where}: column {names} is left out; to carry it, give it another name")
    if counts := Counter(filter(None, reasons)):
        told = "; ".join(
            f"{reason}: {count}, first in row {reasons.index(reason) + 1}" for reason, count in counts.most_common()
        )
        notes.append(
            f"--input {loaded.where}: {counts.total()} of {counted(len(reasons), 'row')} can't be read ({told})"
        )
    return notes


def _source(loaded: Loaded, column: str, chain: Sequence[Stage]) -> str | None:
    """Return the name under which the rows have a column, if they do."""
    aliases = [alias for stage in chain for added in stage.adds if added.name == column for alias in added.aliases]
    conversations = _SAID[column][1] if column in _SAID and loaded.version is None else ()
    return next((name for name in (column, *aliases, *conversations) if name in loaded.rows.column_names), None)


def _meant(loaded: Loaded) -> list[str]:
    """The columns that the rows have; in the place of conversations, what is said in them."""
    if loaded.version is not None:
        return list(loaded.rows.column_names)
    spoken = {name: [each for each, (_, names) in _SAID.items() if name in names] for name in loaded.rows.column_names}
    return [column for name, columns in spoken.items() for column in columns or [name]]


def _needed(stages: Sequence[Stage]) -> list[str]:
    """Return the columns that stages use and none of them makes before; and an id, which every row of a version has."""
    needed: dict[str, None] = {} if stages[0].origin else {"id": None}
    added: set[str] = set()
    for stage in stages:
        needed |= dict.fromkeys(name for name in stage.uses if name not in added)
        added |= {column.name for column in stage.adds}
    return list(needed)


def _ids(chain: Sequence[Stage]) -> set[str]:
    return {"id", *(stage.parent_id for stage in chain if stage.parent_id)}


def _place(chain: Sequence[Stage], column: str) -> int | None:
    """The place of the first stage that could read rows because they have this column; None if it tells nothing."""
    if column in _ids(chain):
        return None
    for place, stage in enumerate(chain):
        if stage.origin is not None and column in {*stage.uses, *stage.optional}:
            return place
    for name_of in (lambda added: (added.name,), lambda added: added.aliases):
        for place, stage in enumerate(chain):
            if any(column in name_of(added) for added in stage.adds):
                return place if column in stage.uses else place + 1
    return None


def _id_text(cell: Any) -> str | None:
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)  # CSV has no integers where a cell of the column is empty
    return str(cell).strip() or None if isinstance(cell, str | int | float) else None


def _content(rows: Dataset) -> str:
    """Return a sha of the rows' content, whatever files they came from."""
    parts = (
        _json(row)
        for batch in rows.with_format(None).iter(batch_size=1_000)
        for row in (dict(zip(batch, values, strict=True)) for values in zip(*batch.values(), strict=True))
    )
    return digest(*parts)


def _json(value: Iterable[Any]) -> str:
    def named(value: Any) -> str:
        return value.hex() if isinstance(value, bytes) else str(value)

    return json.dumps(value, ensure_ascii=True, sort_keys=True, default=named)
