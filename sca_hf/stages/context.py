"""What a stage is given next to its rows and settings, and the one way in which rows are mapped."""

import atexit
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
from datasets import Dataset, Features

from sca_hf.engines import Completion, Engine, Prompt, Sampling
from sca_hf.errors import SandboxUnavailable, ScaError
from sca_hf.identity import RUN_SEED, row_id
from sca_hf.parallel.ordered_map import AHEAD, OrderedMap, Row
from sca_hf.parallel.restore_order import restore_order
from sca_hf.prompts.few_shot import FewShot
from sca_hf.sandbox import Program, Verdict
from sca_hf.stage import Stage
from sca_hf.stages.progress import Progress, RowCalls, row_calls

__all__ = ["Context", "PassRule", "Row", "Runner", "Tokens"]


class Runner(Protocol):
    """Runs programs in jails: `sca_hf.sandbox.Jails`, or the journal before it."""

    async def run(self, program: Program) -> Verdict: ...


class PassRule(Protocol):
    """Says which attempts pass, before the stage that selects among them is there."""

    def can_pass(self, instruction: str) -> bool:
        """Return whether an attempt at the instruction could pass at all."""
        ...

    def passes(self, attempt: Row) -> bool:
        """Return whether an attempt (`instruction`, `response`, `tests`, `status`) passes."""
        ...


def _own_status(verdict: Verdict) -> str:
    return verdict.status


@dataclass
class Tokens:
    """Tokens of all completions that a stage used, those replayed from the journal included."""

    prompt: int = 0
    completion: int = 0


def _own_folder() -> Path:
    """Return a folder that is gone with this process."""
    folder = Path(tempfile.mkdtemp(prefix="sca-hf-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@dataclass(frozen=True)
class Context:
    """What a stage works with. All of it has a default, for notebooks.

    `seed`: the run's, from which every random choice comes. `scratch`: a folder for Arrow files, which must be there as
    long as the rows that a stage returned. `engine`, `few_shot`, `jails`, `pass_rule`: for stages that need them.
    `give_up_after`, `status_of`: as the stage that executes attempts has them, for one that runs them before.
    `concurrency`: rows in the works at once; `batch_size`: rows a write; `workers`: processes for CPU work.
    `checkpoints`: a folder that keeps the finished parts of a long stage until it is done, so that it can go on.
    """

    seed: int = RUN_SEED
    scratch: Path = field(default_factory=_own_folder)
    engine: Engine | None = None
    jails: Runner | None = None
    few_shot: FewShot | None = None
    pass_rule: PassRule | None = None
    give_up_after: int | None = None
    status_of: Callable[[Verdict], str] = _own_status
    concurrency: int = 512
    batch_size: int = 1000
    workers: int = 1
    checkpoints: Path | None = None
    tokens: Tokens = field(default_factory=Tokens)
    progress: Progress = field(default_factory=Progress)

    @property
    def writer(self) -> str | None:
        """Return the model that `complete` asks, as rows name it; None without an engine."""
        return self.engine.identity.writer if self.engine is not None else None

    async def complete(self, prompt: Prompt, sampling: Sampling) -> tuple[str, str]:
        """Return text and finish reason of one sample. Raises as `completion` does."""
        completion = await self.completion(prompt, sampling)
        return completion.text, completion.finish_reason

    async def completion(self, prompt: Prompt, sampling: Sampling) -> Completion:
        """Return one sample. Raises RowFailure for this call, EngineUnavailable for all."""
        if self.engine is None:
            raise ScaError("this stage needs an engine, and the context has none; give Context(engine=…)")
        progress = self.progress
        progress.calls += 1
        progress.max_tokens = max(progress.max_tokens, sampling.max_tokens)
        if (row := row_calls.get()) is not None:
            row.begun += 1
        try:
            completion = await self.engine.complete(prompt, sampling)
        finally:
            progress.calls -= 1
        progress.calls_done += 1
        progress.tokens_done += completion.completion_tokens
        self.tokens.prompt += completion.prompt_tokens
        self.tokens.completion += completion.completion_tokens
        return completion

    async def execute(self, program: Program, *, is_attempt: bool = True) -> Verdict:
        """Return the verdict on a program. Raises SandboxUnavailable, never for what the program did.

        `is_attempt`: whether the stage's progress counts it among those that passed or not.
        """
        if self.jails is None:
            raise SandboxUnavailable("this stage needs jails, and the context has none; give Context(jails=…)")
        self.progress.programs += 1
        try:
            verdict = await self.jails.run(program)
        finally:
            self.progress.programs -= 1
        self.progress.programs_done += 1
        if is_attempt:
            self.progress.attempts_done += 1
            self.progress.passes += verdict.status == "passed"
        return verdict

    def map_rows(
        self,
        stage: Stage,
        rows: Dataset,
        function: Callable[[Row], Awaitable[Row | list[Row]]],
        order: Sequence[int] | None = None,
    ) -> Dataset:
        """Map an async function over the rows, which returns what `stage` adds to a row, or a list: one a new row. New
        rows get ids by their places in the list, but for those that have one.

        The result has the columns of `rows`, then those that the stage adds, in the order of `rows`. At most
        `concurrency` rows are in the works, started in `order` (indices of all rows; None: as they are). Works inside a
        running event loop too (a notebook). The first exception of the function ends the map.
        """
        features = stage.features(rows.features)
        if not len(rows):
            return _empty(features)
        self.progress.rows = len(rows)

        async def whole(row: Row) -> list[Row]:
            row_calls.set(calls := RowCalls())
            self.progress.rows_begun += 1
            added = await function(row)
            self.progress.rows_done += 1
            self.progress.calls_of_rows_done += calls.begun
            if isinstance(added, list):
                judged = [row | _ids(stage, row, index) | more for index, more in enumerate(added)]
            else:
                ids = _ids(stage, row)
                row |= added
                row |= ids
                judged = [row]
            for each in judged:
                self.progress.judge(each)
            return judged

        with OrderedMap(rows, whole, self.concurrency, order) as ahead:

            def results(indices: list[int]) -> Row:
                mapped = ahead.take(len(indices))
                return {name: [row[name] for row in mapped] for name in features}

            # Each write costs memory for good, so they aren't small; and no more than is worked on ahead.
            batch_size = min(self.batch_size, AHEAD // 4 * self.concurrency)
            mapped = self._map(
                stage, rows, results, features, batch_size=batch_size, with_indices=True, input_columns=[]
            )
        return mapped if order is None else restore_order(mapped, order, ahead.counts, self.scratch)

    def map_batches(self, stage: Stage, rows: Dataset, function: Callable[[Row], Row]) -> Dataset:
        """Map a function over batches, which returns the columns that `stage` adds to a batch, one value a row."""

        self.progress.rows = len(rows)

        def whole(batch: Row) -> Row:
            carried = dict(batch)  # of the lazy one, `|` would lose what was not read yet
            added = function(carried) | _batch_ids(stage, carried)
            self.progress.rows_done += len(next(iter(added.values())))
            return carried | added

        return self._map(stage, rows, whole, stage.features(rows.features), batch_size=self.batch_size)

    def add_columns(self, stage: Stage, rows: Dataset, columns: Mapping[str, Sequence[Any]]) -> Dataset:
        """Return the rows with what `stage` adds to them, one value a row; all else stays in Arrow as it is."""
        features = stage.features(rows.features)
        self.progress.rows = len(rows)

        def whole(batch: pa.Table, indices: list[int]) -> pa.Table:
            here = slice(indices[0], indices[-1] + 1)
            added = {name: values[here] for name, values in columns.items()}
            added |= _batch_ids(stage, batch.select(["id"]).to_pydict())
            arrays = [
                pa.array(added[field.name], field.type) if field.name in added else batch[field.name].cast(field.type)
                for field in features.arrow_schema
            ]
            self.progress.rows_done += len(batch)
            return pa.table(arrays, features.arrow_schema)

        mapped = self._map(
            stage, rows.with_format("arrow"), whole, features, batch_size=self.batch_size, with_indices=True
        )
        return mapped.with_format(None)

    def _map(
        self, stage: Stage, rows: Dataset, function: Callable[..., Any], features: Features, **how: Any
    ) -> Dataset:
        if not len(rows):
            return _empty(features)
        return rows.map(
            function,
            batched=True,
            remove_columns=rows.column_names,
            features=features,
            desc=stage.name,
            writer_batch_size=self.batch_size,
            load_from_cache_file=False,
            cache_file_name=str(self.scratch / f"{stage.name}.arrow"),
            new_fingerprint=stage.name,
            **how,
        )


def _ids(stage: Stage, row: Mapping[str, Any], *sample: int) -> Row:
    """Return the id of a new row, and its parent's under the name that the stage declares."""
    if stage.parent_id is None:
        return {}
    return {"id": row_id(row["id"], stage.name, *sample), stage.parent_id: row["id"]}


def _batch_ids(stage: Stage, batch: Mapping[str, Sequence[str]]) -> Row:
    """Return the same for a batch of rows, each of which becomes one."""
    if stage.parent_id is None:
        return {}
    return {"id": [row_id(parent, stage.name) for parent in batch["id"]], stage.parent_id: batch["id"]}


def _empty(features: Features) -> Dataset:
    """Return a dataset without rows. `map` would keep the features that an empty dataset had."""
    return Dataset.from_dict({column: [] for column in features}, features=features)
