"""A stage at work on rows: what it is lent for it, and what came of them. Nothing is written to the store here."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from datasets import Dataset

from sca_hf.corpus.hub import FileStream
from sca_hf.pipeline.journal import JournaledJails
from sca_hf.pipeline.plan import Intents, executing
from sca_hf.pipeline.resources import Resources
from sca_hf.pipeline.unreadable import parted, with_unreadable
from sca_hf.recipe import Recipe
from sca_hf.stage import Column, Judged, Stage, fit, split
from sca_hf.stages.context import Context, Tokens
from sca_hf.stages.progress import Progress

_LEAST_CONCURRENCY = 512

Watch = Callable[[str, Progress], AbstractContextManager[None]]
"""Given a stage's name and its progress: what it runs inside of."""


@dataclass(frozen=True)
class Worked:
    """What became of the rows of a stage. `columns`: of those kept; `timings`: see `_measured`; `calls`: of `Build`."""

    judged: Judged
    columns: tuple[Column, ...]
    tokens: Tokens
    timings: dict[str, Any]
    calls: bytes


class StageWork:
    """Runs `stages` of a recipe, one by one, each inside `watch`."""

    def __init__(
        self, recipe: Recipe, stages: Sequence[Stage], intents: Intents, resources: Resources, watch: Watch
    ) -> None:
        self._recipe, self._stages, self._intents, self._resources = recipe, stages, intents, resources
        self._watch = watch

    def run(self, stage: Stage, loaded: Dataset | FileStream, scratch: Path) -> Worked:
        """Return what became of the rows. They lie in `scratch`, and are there as long as it is."""
        rows, unreadable = (loaded, None) if isinstance(loaded, FileStream) else parted(loaded)
        before = self._recipe.chain[: self._recipe.place(stage.name)]
        fit([stage], _columns(rows, before), self._recipe.chain, f"recipe {self._recipe.name!r}")
        context = self._context(stage, scratch)
        with (
            _measured(self._resources) as timings,
            self._resources.calls_used() as calls,
            self._watch(stage.name, context.progress),
        ):
            judged_rows = stage.run(rows, self._recipe[stage.name], context)
        judged_rows = with_unreadable(stage, judged_rows, unreadable)
        rows_in = rows.files if isinstance(rows, FileStream) else len(rows) + len(unreadable or ())
        judged = split(stage, rows_in, judged_rows)
        return Worked(judged, _columns(judged.kept, [*before, stage]), context.tokens, timings, bytes(calls))

    def _context(self, stage: Stage, scratch: Path) -> Context:
        run, settings = self._recipe.run, self._recipe[stage.name]
        resources, asks_model = self._resources, stage.needs == "engine"

        def earlier_answers() -> int:
            return (resources.calls if asks_model else resources.programs).earlier

        earlier = earlier_answers()
        engine = resources.engine(stage) if asks_model else None
        slots = self._recipe.asked(stage)[1].slots
        jails = self._jails(stage)
        until_pass = stage.until_pass is not None and stage.until_pass(settings)
        execution: dict[str, Any] = {}
        if jails and stage.until_pass is not None:
            executor = self._recipe[executing(self._recipe, stage).name]
            execution = {"give_up_after": executor.give_up_after, "status_of": executor.status_of}
        return Context(
            seed=self._recipe.seed,
            scratch=scratch,
            engine=engine,
            jails=jails,
            few_shot=self._intents.few_shot,
            pass_rule=self._intents.pass_rule(stage) if until_pass else None,
            **execution,
            concurrency=run.concurrency or max(_LEAST_CONCURRENCY, 2 * slots),
            batch_size=run.batch_size,
            workers=run.workers,
            checkpoints=scratch.parent,
            progress=Progress(
                usage=engine.usage if engine else None,
                fleet=engine.fleet if engine else None,
                slots=slots,
                calls_per_row=stage.calls(settings) if asks_model else 0,
                earlier=lambda: earlier_answers() - earlier,
                jails=run.jails if jails else 0,
            ),
        )

    def _jails(self, stage: Stage) -> JournaledJails | None:
        """Also for attempts that are to run in this run: they do so while others are written."""
        if stage.jails is not None:
            return self._resources.jails(stage)
        if stage.until_pass is None:
            return None
        runs_later = any(later.jails is not None for later in self._stages[self._stages.index(stage) :])
        if runs_later or stage.until_pass(self._recipe[stage.name]):
            return self._resources.jails(executing(self._recipe, stage), beside_engine=True)
        return None


def _columns(rows: Dataset | FileStream, stages: Sequence[Stage]) -> tuple[Column, ...]:
    """Return the columns of rows that `stages` made, as they declare them."""
    declared = {column.name: column for stage in stages for column in stage.adds}
    features = {} if isinstance(rows, FileStream) else rows.features
    return tuple(
        declared.get(name) or Column(name, features.get(name), "carried along from the rows that were read")
        for name in rows.column_names
    )


@contextmanager
def _measured(resources: Resources) -> Iterator[dict[str, Any]]:
    """Measure what one stage takes: `seconds`, of these `starting` (loading the model), tokens `written` by the engine,
    `calls` of the model and `programs`, each as in Answers."""
    timings: dict[str, Any] = {}
    calls, programs, written = resources.calls, resources.programs, resources.written
    starting, began = resources.starting_seconds, time.monotonic()
    yield timings
    timings["seconds"] = round(time.monotonic() - began, 3)
    timings["starting"] = round(resources.starting_seconds - starting, 3)
    timings["written"] = resources.written - written
    timings["calls"] = asdict(resources.calls - calls)
    timings["programs"] = asdict(resources.programs - programs)
