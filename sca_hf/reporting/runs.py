"""A run as it lies in a store: the versions of its stages, first to last, read by names of columns."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.dataset as pa_dataset

from sca_hf.errors import StoreError
from sca_hf.store import Store, Version
from sca_hf.store.history import ancestors, named
from sca_hf.store.lineage import Lineage

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Step:
    """The version of one stage of a run."""

    version: Version

    @property
    def name(self) -> str:
        """`dataset/fingerprint`."""
        return f"{self.version.dataset}/{self.version.fingerprint}"

    @property
    def stage(self) -> str:
        """Name of the stage that made it."""
        return self.lineage.stage

    @property
    def lineage(self) -> Lineage:
        """Its lineage."""
        return self.version.lineage

    @property
    def counts(self) -> Mapping[str, Any]:
        """`rows_in`, `judged`, `kept`, and `rejected` by reason."""
        return asdict(self.lineage.counts)

    @cached_property
    def timings(self) -> Mapping[str, Any]:
        """What its making took: `seconds` and others. Empty where the version has no such file."""
        try:
            return self.version.timings
        except FileNotFoundError:
            return {}

    def has(self, *columns: str, folder: str = "data") -> bool:
        """Whether the rows of a folder have all of these columns."""
        return set(columns) <= set(self._names(folder))

    def batches(self, columns: Sequence[str], folder: str = "data") -> Iterator[dict[str, list[Any]]]:
        """The rows of a folder in parts, those of the columns that there are. Nothing where there is no such folder."""
        names = [name for name in columns if name in self._names(folder)]
        if names:
            for batch in self._files(folder).to_batches(columns=names, batch_size=10_000):
                yield batch.to_pydict()

    def where(self, column: str, values: Collection[str], folder: str = "data") -> list[Row]:
        """The rows whose `column` has one of `values`; none where there is no such column."""
        if not values or column not in self._names(folder):
            return []
        rows: list[Row] = self._files(folder).to_table(filter=pc.field(column).isin(list(values))).to_pylist()
        return rows

    def rows(self, ids: Collection[str], folder: str = "data") -> dict[str, Row]:
        """The rows of these ids, by id."""
        return {row["id"]: row for row in self.where("id", ids, folder)}

    def every(self, folder: str) -> list[Row]:
        """All rows of a small folder, such as `rejected`."""
        rows: list[Row] = self._files(folder).to_table().to_pylist() if self._names(folder) else []
        return rows

    def ids(self, prefix: str, columns: Iterable[str], folder: str = "data") -> set[tuple[str, str]]:
        """Columns and ids that begin with `prefix`."""
        found = set()
        for column in columns:
            if column in self._names(folder):
                wanted = pc.starts_with(pc.field(column), prefix)
                table = self._files(folder).to_table(columns=[column], filter=wanted)
                found |= {(column, value) for value in table[column].to_pylist()}
        return found

    def id_columns(self, folder: str = "data") -> list[str]:
        """The columns with ids of rows: their own, and those that they were made from."""
        return [name for name in self._names(folder) if name == "id" or name.endswith("_id")]

    def _names(self, folder: str) -> list[str]:
        return list(self._files(folder).schema.names)

    def _files(self, folder: str) -> Any:
        files = sorted(map(str, (self.version.path / folder).glob("train-*.parquet")))
        return pa_dataset.dataset(files, format="parquet")


@dataclass(frozen=True)
class Run:
    """The versions of a run that are in the store, first stage first."""

    steps: tuple[Step, ...]

    @property
    def last(self) -> Step:
        """The version that the others led to."""
        return self.steps[-1]

    @property
    def name(self) -> str:
        """Name of its recipe, or of its last dataset."""
        return str(self.last.lineage.recipe.get("name") or self.last.version.dataset)

    @property
    def funnel(self) -> Sequence[Mapping[str, Any]]:
        """Counts stage by stage, those included whose versions are elsewhere."""
        return [step.model_dump() for step in self.last.lineage.funnel]

    def step(self, stage: str) -> Step | None:
        """The version of a stage, if the run has it."""
        return next((step for step in self.steps if step.stage == stage), None)

    def first_with(self, *columns: str) -> Step | None:
        """The first version whose rows have all of these columns."""
        return next((step for step in self.steps if step.has(*columns)), None)

    def parent_column(self, step: Step) -> str:
        """The column of a version with the ids of the rows that its own were made from.

        It is `id` for a stage that keeps the ids of its rows, as judge and mutants do.
        """
        if step.lineage.parent_id is not None:
            return step.lineage.parent_id
        names = step.id_columns()  # of a version that recorded none
        for earlier in reversed(self.steps[: self.steps.index(step)]):
            column = id_column(earlier.stage, names)
            if column is not None:
                return column
            if earlier is self.steps[0] or self.parent_column(earlier) != "id":
                break  # it made ids, and this one has no other column for them
        return "id"

    def id_column(self, stage: str, row: Iterable[str]) -> str | None:
        """Return the column of a row that holds the id of what a stage of the run made of it, None if none does."""
        step, names = self.step(stage), set(row)
        later = self.steps[self.steps.index(step) + 1 :] if step is not None else ()
        column = next((parent for each in later if (parent := self.parent_column(each)) != "id"), None)
        return column if column in names else id_column(stage, names)


def id_column(stage: str, row: Iterable[str]) -> str | None:
    """The column of a row that holds the id of what a stage made of it: `execute_id`, `instruction_id`."""
    names = set(row)
    return next((name for name in (f"{stage}_id", f"{stage.removesuffix('s')}_id") if name in names), None)


def run_of(store: Store, version: Version) -> Run:
    """The run that led to a version."""
    line = [found for _, found in ancestors(store, version) if found is not None]
    return Run(tuple(Step(each) for each in [*reversed(line), version]))


def run_named(store: Store, name: str | None) -> Run:
    """The run that led to `dataset/fingerprint`, to the latest version of `dataset`, or to the newest one of all.

    Raises StoreError if there is none.
    """
    return run_of(store, newest(store) if name is None else named(store, name))


def newest(store: Store) -> Version:
    """The version that a run wrote or used last. Raises StoreError if the store has none."""
    links = sorted(store.root.glob("*/latest"), key=lambda link: link.lstat().st_mtime_ns)
    version = store.latest(links[-1].parent.name) if links else None
    if version is None:
        raise StoreError(f"there is no version in {store.root}; give the folder of a store with --store")
    return version


def journal_in(root: Path) -> Path | None:
    """The journal of a store's calls, if it is there."""
    path = root / "journal.sqlite"
    return path if path.is_file() else None
