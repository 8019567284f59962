"""What a running stage is given besides its rows, and the one way in which rows are mapped."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import datasets
from datasets import Dataset, Features

from sca_hf.engines import Engine, Sampling
from sca_hf.errors import ScaError
from sca_hf.prompts.few_shot import FewShot
from sca_hf.sandbox import Program, Verdict

if TYPE_CHECKING:  # a recipe holds the stages' settings, and stages are given a context
    from sca_hf.recipe import Recipe

Row = dict[str, Any]
"""A row, or a batch of rows by column. Of the lazy ones that `datasets` gives, `|` would lose what was not read yet."""


class Runner(Protocol):
    """Runs programs in jails: `sca_hf.sandbox.Jails`, or the journal before it."""

    async def run(self, program: Program) -> Verdict: ...


@dataclass
class Tokens:
    """Tokens of all completions that a stage used, those replayed from the journal included."""

    prompt: int = 0
    completion: int = 0


@dataclass(frozen=True)
class Context:
    """`scratch`: a folder for the Arrow files of one stage, which its owner removes.

    `engine`, `few_shot` and `jails` are there for the stages that declare to need them.
    """

    recipe: "Recipe"
    scratch: Path
    engine: Engine | None = None
    jails: Runner | None = None
    few_shot: FewShot | None = None
    tokens: Tokens = field(default_factory=Tokens)

    async def complete(self, prompt: str, sampling: Sampling) -> tuple[str, str]:
        """Text and finish reason of one sample. Raises RowFailure for this call, EngineUnavailable for all."""
        if self.engine is None:
            raise ScaError("this stage needs an engine, and the context has none; give Context(engine=…)")
        completion = await self.engine.complete(prompt, sampling)
        self.tokens.prompt += completion.prompt_tokens
        self.tokens.completion += completion.completion_tokens
        return completion.text, completion.finish_reason

    def map_rows(
        self, rows: Dataset, function: Callable[[Row], Awaitable[Row]], features: Features, title: str
    ) -> Dataset:
        """`Dataset.map` of an async function of one row, at most `run.concurrency` rows in the works.

        The result has `features`' columns only, in the order of `rows`. Works inside a running event loop too
        (a notebook), where `Dataset.map` itself refuses.
        """
        concurrency = self.recipe.run.concurrency

        def mapped() -> Dataset:
            with _async_tasks(concurrency):
                return self._map(rows, _bounded(function, concurrency), features, title)

        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return mapped()
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(mapped).result()

    def map_batches(self, rows: Dataset, function: Callable[[Row], Row], features: Features, title: str) -> Dataset:
        """Batched `Dataset.map` of a CPU function, which may return more or fewer rows than it got."""

        def plain(batch: Row) -> Row:
            return function(dict(batch))

        return self._map(rows, plain, features, title, batched=True, batch_size=self.recipe.run.batch_size)

    def _map(
        self, rows: Dataset, function: Callable[[Row], Any], features: Features, title: str, **how: Any
    ) -> Dataset:
        name = title.replace(" ", "-")
        if not len(rows):  # `map` gives an empty dataset back as it is, without `features`
            return Dataset.from_dict({column: [] for column in features}, features=features)
        return rows.map(
            function,
            remove_columns=rows.column_names,
            features=features,
            desc=title,
            writer_batch_size=self.recipe.run.batch_size,
            load_from_cache_file=False,
            cache_file_name=str(self.scratch / f"{name}.arrow"),
            new_fingerprint=name,
            **how,
        )


def _bounded(function: Callable[[Row], Awaitable[Row]], concurrency: int) -> Callable[[Row], Awaitable[Row]]:
    """`function`, held back while its row is `concurrency` or more ahead of the first unfinished row.

    `datasets` bounds the pending rows alone: behind one slow row it would start all others, and hold their results in
    memory, since rows are written in order.
    """
    started = 0
    finished: set[int] = set()
    head = 0
    moved = asyncio.Condition()

    @wraps(function)
    async def bounded(row: Row) -> Row:
        nonlocal started, head
        index = started
        started += 1
        if index - head >= concurrency:
            async with moved:
                await moved.wait_for(lambda: index - head < concurrency)
        result = await function(dict(row))
        finished.add(index)
        if head in finished:
            while head in finished:
                finished.remove(head)
                head += 1
            async with moved:
                moved.notify_all()
        return result

    assert inspect.iscoroutinefunction(bounded)  # `datasets` awaits nothing else
    return bounded


@contextmanager
def _async_tasks(concurrency: int) -> Iterator[None]:
    """The number of pending tasks of `Dataset.map`, for the time of one map."""
    before = datasets.config.MAX_NUM_RUNNING_ASYNC_MAP_FUNCTIONS_IN_PARALLEL
    datasets.config.MAX_NUM_RUNNING_ASYNC_MAP_FUNCTIONS_IN_PARALLEL = concurrency
    try:
        yield
    finally:
        datasets.config.MAX_NUM_RUNNING_ASYNC_MAP_FUNCTIONS_IN_PARALLEL = before
