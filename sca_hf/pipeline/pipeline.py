"""Runs the stages of a recipe in order. A stage whose version is in the store is not run again."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from datasets import Dataset

from sca_hf import __version__
from sca_hf.corpus.hub import FileStream
from sca_hf.errors import HubError, InputError
from sca_hf.pipeline.input_files import load_input
from sca_hf.pipeline.inputs import first_stage, read_input
from sca_hf.pipeline.journal import JournaledJails
from sca_hf.pipeline.plan import Intents, Planned, StageInput, executing, from_version, most_calls, most_kept
from sca_hf.pipeline.reproduce import command
from sca_hf.pipeline.resources import Resources
from sca_hf.pipeline.unreadable import parted, with_unreadable
from sca_hf.pipeline.versions import VersionResolver
from sca_hf.recipe import Recipe
from sca_hf.stage import Column, Stage, fit, split
from sca_hf.stages.context import Context, Progress
from sca_hf.store import Build, Store, Version
from sca_hf.store.hub.hub import Hub
from sca_hf.store.lineage import Making, Parent, TokenCounts, Writer

Watch = Callable[[str, Progress], AbstractContextManager[None]]

_PACKAGES = ("datasets", "huggingface_hub", "pyarrow")


@dataclass(frozen=True)
class Outcome:
    """One stage of a run: its version, whether it was there already, and where it is on the Hub ("repo@tag")."""

    stage: Stage
    version: Version
    cached: bool
    published: str | None = None


class NoRowsLeft(InputError):
    """A stage kept no row, so that the next one has none to work on. `outcomes`: the run up to that stage."""

    def __init__(self, message: str, outcomes: Sequence[Outcome]) -> None:
        super().__init__(message)
        self.outcomes = outcomes


class Pipeline:
    """A recipe over a store. `first`, `last`: the stages to run; `limit`: at most this many seeds, or rows of `first`.

    With `first`, its input is the latest version of the stage before it in the store; or, with `revision`, that of the
    Hub. `rows`: a folder, file or dataset repository that `first` reads instead (see `sca_hf.pipeline.inputs`). With
    `hub`, a version that is there is pulled and not made, and one that is not is pushed.
    """

    def __init__(
        self,
        recipe: Recipe,
        store: Store,
        *,
        first: str | None = None,
        last: str | None = None,
        limit: int | None = None,
        hub: Hub | None = None,
        revision: str | None = None,
        rows: str | None = None,
    ) -> None:
        chain = recipe.chain
        loaded = load_input(rows) if rows is not None else None
        end = recipe.place(last or chain[-1].name)
        if loaded is not None and first is None:
            first = first_stage(loaded, chain, end)
        start = recipe.place(first or chain[0].name)
        if start > end:
            order = " -> ".join(stage.name for stage in chain)
            raise InputError(f"--from {first} comes after --to {last}; the order is {order}")
        origin = chain[start].origin
        if limit is not None and origin is not None and loaded is None:
            recipe = recipe.with_settings(chain[start].name, origin.limited(recipe[chain[start].name], limit))
            limit = None
        self.recipe, self.store, self.limit = recipe, store, limit
        self.stages = chain[start : end + 1]
        self._versions, self._revision = VersionResolver(store, hub), revision
        if hub is not None:
            for stage in self.stages:
                hub.check_name(stage.name)
        self._before = chain[start - 1] if start else None
        self._rows = read_input(loaded, chain, start, end) if loaded is not None else None
        self._intents = Intents(recipe)

    @property
    def notes(self) -> tuple[str, ...]:
        """What of the ready-made rows is left out, in words."""
        return () if self._rows is None else self._rows.notes

    def plan(self) -> list[Planned]:
        """Return what a run would do, without doing any of it."""
        planned: list[Planned] = []
        try:
            source: StageInput | None = self._input(fetch=False)
        except HubError:
            if self._before is not None:
                raise
            source = None  # the source's commit is not known without the Hub
        most_rows = source.rows if source else None
        for stage in self.stages:
            key = self._intents.fingerprint(stage, source) if source else None
            cached = self._versions.look(stage, self._dataset(stage), key) if key else None
            calls = most_calls(self.recipe, stage, most_rows)
            planned.append(Planned(stage, self._dataset(stage), key, cached, most_rows, calls))
            source = from_version(cached) if cached else None
            most_rows = cached.counts.kept if cached else most_kept(self.recipe, stage, most_rows)
        return planned

    def run(
        self,
        announce: Callable[[Stage, Version | None], object] = lambda stage, version: None,
        watch: Watch = lambda stage, progress: nullcontext(),
    ) -> list[Outcome]:
        """Run the stages. `announce` is told of each stage before it runs, with its version if it is there already.

        A stage that needs an engine or a sandbox runs inside `watch`, given its name and its progress. Raises
        NoRowsLeft if a stage keeps none.
        """
        outcomes: list[Outcome] = []
        source = self._input(fetch=True)
        with ExitStack() as stack:
            resources = stack.enter_context(Resources(self.recipe, self.store.root))
            for stage in self.stages:
                key = self._intents.fingerprint(stage, source)
                cached = self._versions.find(stage, self._dataset(stage), key)
                announce(stage, cached)
                version = cached or self._make(stage, source, key, resources, watch)
                outcomes.append(Outcome(stage, version, cached is not None, self._versions.keep(version)))
                source = from_version(version)
                if not source.rows:
                    reasons = ", ".join(f"{reason}: {count}" for reason, count in version.counts.rejected.items())
                    raise NoRowsLeft(
                        f"no row left after stage {stage.name!r} ({reasons or 'it got none'}); "
                        f"loosen its settings, or look at the rejected rows in {version.path}",
                        outcomes,
                    )
        return outcomes

    def _make(self, stage: Stage, source: StageInput, key: str, resources: Resources, watch: Watch) -> Version:
        self._versions.check_writable()
        loaded = source.load()
        rows, unreadable = (loaded, None) if isinstance(loaded, FileStream) else parted(loaded)
        before = self.recipe.chain[: self.recipe.place(stage.name)]
        fit([stage], _columns(rows, before), self.recipe.chain, f"recipe {self.recipe.name!r}")
        with self.store.scratch() as scratch:
            context = self._context(stage, resources, scratch)
            shown = watch(stage.name, context.progress) if stage.needs else nullcontext()
            with _measured(resources) as timings, shown:
                judged_rows = stage.run(rows, self.recipe[stage.name], context)
            judged_rows = with_unreadable(stage, judged_rows, unreadable)
            judged = split(
                stage, rows.files if isinstance(rows, FileStream) else len(rows) + len(unreadable or ()), judged_rows
            )
            making = Making(
                stage=stage.name,
                stage_version=stage.version,
                sca_hf=__version__,
                recipe=self.recipe.published(),
                intent=self._intents.of(stage, source),
                parents=tuple(
                    Parent(dataset=parent.dataset, fingerprint=parent.fingerprint, manifest_sha=parent.manifest_sha)
                    for parent in source.parents
                ),
                input=source.name,
                command=command(self.recipe, stage.name, self._start()),
                model=Writer(**self._intents.engine(stage).published()) if stage.needs == "engine" else None,
                packages=_packages(),
                tokens=TokenCounts(prompt=context.tokens.prompt, completion=context.tokens.completion),
            )
            build = Build(
                stage,
                _columns(judged.kept, [*before, stage]),
                judged,
                making,
                timings,
                [parent.lineage for parent in source.parents],
            )
            return self.store.write(self._dataset(stage), key, build)

    def _context(self, stage: Stage, resources: Resources, scratch: Path) -> Context:
        run, settings = self.recipe.run, self.recipe[stage.name]
        engine = resources.engine(stage) if stage.needs == "engine" else None
        jails = self._jails(stage, resources)
        until_pass = stage.until_pass is not None and stage.until_pass(settings)
        execution: dict[str, Any] = {}
        if jails and stage.until_pass is not None:
            executor = self.recipe[executing(self.recipe, stage).name]
            execution = {"give_up_after": executor.give_up_after, "status_of": executor.status_of}
        return Context(
            seed=self.recipe.seed,
            scratch=scratch,
            engine=engine,
            jails=jails,
            few_shot=self._intents.few_shot,
            pass_rule=self._intents.pass_rule(stage) if until_pass else None,
            **execution,
            concurrency=run.concurrency,
            batch_size=run.batch_size,
            workers=run.workers,
            checkpoints=scratch.parent,
            progress=Progress(
                usage=engine.usage if engine else None,
                slots=self.recipe.asked(stage)[1].slots,
                jails=run.jails if jails else 0,
            ),
        )

    def _jails(self, stage: Stage, resources: Resources) -> JournaledJails | None:
        """Also for attempts that are to run in this run: they do so while others are written."""
        if stage.jails is not None:
            return resources.jails(stage)
        if stage.until_pass is None:
            return None
        runs_later = any(later.jails is not None for later in self.stages[self.stages.index(stage) :])
        if runs_later or stage.until_pass(self.recipe[stage.name]):
            return resources.jails(executing(self.recipe, stage), beside_engine=True)
        return None

    def _input(self, fetch: bool) -> StageInput:
        """Return what the first stage is made from. `fetch`: have it in the store, if it is on the Hub."""
        first = self.stages[0]
        if self._rows is not None:
            ready = self._rows
            count = len(ready.rows) if self.limit is None else min(self.limit, len(ready.rows))
            return StageInput(
                lambda: ready.rows.select(range(count)), ready.sha, count, ready.parents, self.limit, ready.loaded.name
            )
        if first.origin is not None:
            source = first.origin.open(self.recipe[first.name], fetch)
            files = None if isinstance(source.rows, FileStream) else len(source.rows)
            return StageInput(lambda: source.rows, source.sha, files, (), name=source.name)
        assert self._before is not None
        dataset = self._dataset(self._before)
        parent = self._versions.before(self._before, dataset, self._revision)
        if parent is None:
            raise InputError(
                f"--from {first.name}: no version of {dataset} in {self.store.root}; run without --from first"
            )
        return from_version(self._versions.fetched(parent, dataset) if fetch else parent, self.limit)

    def _start(self) -> list[str]:
        """Arguments of the run that made a stage from rows which the recipe alone does not lead to."""
        start = [] if self.limit is None else [f"--limit {self.limit}"]
        start += [] if self._rows is None else [f"--input {self._rows.loaded.name}"]
        return [f"--from {self.stages[0].name}", *start] if start else []

    def _dataset(self, stage: Stage) -> str:
        return f"{self.recipe.name}-{stage.name}"


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
    """Measure what one stage takes: `seconds`, of these `starting` (loading the model), calls `made`, calls `reused`
    from the journal, and tokens `written` by the engine."""
    timings: dict[str, Any] = {}
    calls, starting, began = resources.calls(), resources.starting_seconds, time.monotonic()
    written = resources.written
    yield timings
    after = resources.calls()
    timings |= {"seconds": round(time.monotonic() - began, 3)} | {name: after[name] - calls[name] for name in after}
    timings["written"] = resources.written - written
    timings["starting"] = round(resources.starting_seconds - starting, 3)


def _packages() -> dict[str, str]:
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions
