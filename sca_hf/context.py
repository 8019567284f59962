"""What a running stage is given besides its rows, and the one way in which rows are mapped."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from datasets import Dataset, Features

from sca_hf.ahead import AHEAD, Row, Worked, WorkedAhead
from sca_hf.engines import Engine, Sampling
from sca_hf.errors import ScaError
from sca_hf.order import put_back
from sca_hf.progress import Progress
from sca_hf.prompts.few_shot import FewShot
from sca_hf.sandbox import Program, Verdict

if TYPE_CHECKING:  # a recipe holds the stages' settings, and stages are given a context
    from sca_hf.recipe import Recipe

__all__ = ["Context", "Row", "Runner", "Tokens"]


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
    progress: Progress = field(default_factory=Progress)

    async def complete(self, prompt: str, sampling: Sampling) -> tuple[str, str]:
        """Text and finish reason of one sample. Raises RowFailure for this call, EngineUnavailable for all."""
        if self.engine is None:
            raise ScaError("this stage needs an engine, and the context has none; give Context(engine=…)")
        self.progress.calls += 1
        try:
            completion = await self.engine.complete(prompt, sampling)
        finally:
            self.progress.calls -= 1
        self.tokens.prompt += completion.prompt_tokens
        self.tokens.completion += completion.completion_tokens
        return completion.text, completion.finish_reason

    def map_rows(
        self,
        rows: Dataset,
        function: Callable[[Row], Awaitable[Worked]],
        features: Features,
        title: str,
        order: Sequence[int] | None = None,
    ) -> Dataset:
        """`Dataset.map` of an async function of one row, which gives a row or a list of them.

        At most `run.concurrency` rows are in the works, started in `order` (indices of all rows; None: as they are).
        The result has `features`' columns only, in the order of `rows`, whatever `order` is. Works inside a running
        event loop too (a notebook). The first exception of the function ends the map.
        """
        if not len(rows):
            return _empty(features)
        run = self.recipe.run
        self.progress.rows = len(rows)

        async def counted(row: Row) -> Worked:
            worked = await function(row)
            self.progress.rows_done += 1
            return worked

        with WorkedAhead(rows, counted, run.concurrency, order) as ahead:

            def results(indices: list[int]) -> Row:
                worked = ahead.take(len(indices))
                return {name: [row[name] for row in worked] for name in features}

            # Each write costs memory for good, so they aren't small; and no more than is worked on ahead.
            batch_size = min(run.batch_size, AHEAD // 4 * run.concurrency)
            mapped = self._map(
                rows, results, features, title, batched=True, batch_size=batch_size, with_indices=True, input_columns=[]
            )
        return mapped if order is None else put_back(mapped, order, ahead.counts, self.scratch)

    def map_batches(self, rows: Dataset, function: Callable[[Row], Row], features: Features, title: str) -> Dataset:
        """Batched `Dataset.map` of a CPU function, which may return more or fewer rows than it got."""

        def plain(batch: Row) -> Row:
            return function(dict(batch))  # of the lazy one, `|` would lose what was not read yet

        return self._map(rows, plain, features, title, batched=True, batch_size=self.recipe.run.batch_size)

    def _map(self, rows: Dataset, function: Callable[..., Row], features: Features, title: str, **how: Any) -> Dataset:
        name = title.replace(" ", "-")
        if not len(rows):
            return _empty(features)
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


def _empty(features: Features) -> Dataset:
    """What `map` does not give: of an empty dataset it keeps the old features."""
    return Dataset.from_dict({column: [] for column in features}, features=features)
