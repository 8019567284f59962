"""Runs the stages of a recipe in order. A stage whose version is in the store is not run again."""

from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from importlib.metadata import PackageNotFoundError, version

from sca_hf import __version__
from sca_hf.corpus.hub import FileStream
from sca_hf.errors import HubError, InputError
from sca_hf.pipeline.input_files import load_input
from sca_hf.pipeline.inputs import first_stage, read_input
from sca_hf.pipeline.outcome import NoRowsLeft, Outcome
from sca_hf.pipeline.part import Part, PartOutcome, run_part, stages_of_a_part
from sca_hf.pipeline.plan import Intents, Planned, StageInput, from_version, most_calls, most_kept
from sca_hf.pipeline.reproduce import command
from sca_hf.pipeline.resources import Resources, journal_path
from sca_hf.pipeline.stage_work import StageWork, Watch
from sca_hf.pipeline.versions import VersionResolver
from sca_hf.recipe import Recipe
from sca_hf.stage import Stage
from sca_hf.store import Build, Store, Version
from sca_hf.store.hub.hub import Hub
from sca_hf.store.lineage import Making, Parent, TokenCounts, Writer

_PACKAGES = ("datasets", "huggingface_hub", "pyarrow")


class Pipeline:
    """A recipe over a store. `first`, `last`: the stages to run; `limit`: at most this many seeds, or rows of `first`.

    With `first`, its input is the latest version of the stage before it in the store; or, with `revision`, that of the
    Hub. `rows`: a folder, file or dataset repository that `first` reads instead (see `sca_hf.pipeline.inputs`). With
    `hub`, a version that is there is pulled and not made, and one that is not is pushed.

    `pilot`: what this run makes is to be looked at, and no later run starts from it. With `apart`, all of it goes into
    that store, and nothing of `store` is used but the input of `first`.
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
        pilot: bool = False,
        apart: Store | None = None,
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
        if apart is not None:
            recipe = recipe.model_copy(update={"run": recipe.run.model_copy(update={"journal": None})})
        self.recipe, self.store, self.limit = recipe, apart or store, limit
        self.stages = chain[start : end + 1]
        self._inputs, self._revision = VersionResolver(store, hub), revision
        self._versions = VersionResolver(self.store, hub, pilot=pilot)
        self._pilot = pilot
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
            if key is None and stage.needs == "engine":
                self._intents.check_weights(stage)
            cached = self._versions.look(stage, self._dataset(stage), key) if key else None
            given = most_rows
            if self._rows is not None and given is not None and stage is self.stages[0]:
                given = self._rows.readable(given)
            calls = most_calls(self.recipe, stage, given)
            planned.append(Planned(stage, self._dataset(stage), key, cached, most_rows, calls))
            source = from_version(cached) if cached else None
            most_rows = cached.counts.kept if cached else most_kept(self.recipe, stage, given)
        return planned

    def run(
        self,
        announce: Callable[[Stage, Version | None], object] = lambda stage, version: None,
        watch: Watch = lambda stage, progress: nullcontext(),
    ) -> list[Outcome]:
        """Run the stages. `announce` is told of each stage before it runs, with its version if it is there already.

        A stage runs inside `watch`, given its name and its progress. Raises NoRowsLeft if a stage keeps none.
        """
        outcomes: list[Outcome] = []
        self.store.check_writable()
        for stage in self.stages:
            if stage.needs == "engine":
                self._intents.engine(stage)  # one that can't be reached is found before hours of other work
        source = self._input(fetch=True)
        with ExitStack() as stack:
            resources = stack.enter_context(Resources(self.recipe, journal_path(self.recipe, self.store.root)))
            work = StageWork(self.recipe, self.stages, self._intents, resources, watch)
            for stage in self.stages:
                key = self._intents.fingerprint(stage, source)
                cached = self._versions.find(stage, self._dataset(stage), key)
                announce(stage, cached)
                version = cached or self._make(stage, source, key, work)
                outcomes.append(Outcome(stage, version, cached is not None, self._versions.keep(version)))
                source = from_version(version)
                if not source.rows:
                    raise NoRowsLeft(outcomes)
        return outcomes

    def run_part(
        self,
        part: Part,
        announce: Callable[[Stage, Version | None], object] = lambda stage, version: None,
        watch: Watch = lambda stage, progress: nullcontext(),
    ) -> PartOutcome:
        """Make the calls of the rows that fall to `part`, into its own journal, and write no version.

        Parts begin at the first stage whose version is not there yet. Raises InputError if no call is left to be made
        before a stage that needs the rows of all parts.
        """
        source = self._input(fetch=True)
        done = 0
        for stage in self.stages:
            cached = self._versions.find(stage, self._dataset(stage), self._intents.fingerprint(stage, source))
            if cached is None:
                break
            announce(stage, cached)
            source, done = from_version(cached), done + 1
        stages = stages_of_a_part(self.stages[done:])
        if not stages:
            names = ", ".join(stage.name for stage in self.stages[done:]) or "all stages are in the store"
            raise InputError(
                f"--part {part.number}/{part.count}: no calls are left for parts ({names}); run without --part"
            )
        whole = journal_path(self.recipe, self.store.root)
        journal = part.journal(whole)
        with Resources(self.recipe, journal) as resources:
            work = StageWork(self.recipe, stages, self._intents, resources, watch)
            loaded = source.load()
            all_rows, outcomes = run_part(part, loaded, stages, work, lambda stage: announce(stage, None))
            calls, programs = resources.calls, resources.programs
        left = self.stages[done + len(stages) :]
        return PartOutcome(journal, whole, all_rows, tuple(outcomes), calls, programs, left)

    def _make(self, stage: Stage, source: StageInput, key: str, work: StageWork) -> Version:
        self._versions.check_writable()
        with self.store.scratch() as scratch:
            worked = work.run(stage, source.load(), scratch)
            making = Making(
                stage=stage.name,
                stage_version=stage.version,
                parent_id=stage.parent_id,
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
                tokens=TokenCounts(prompt=worked.tokens.prompt, completion=worked.tokens.completion),
            )
            build = Build(
                stage,
                worked.columns,
                worked.judged,
                making,
                worked.timings,
                [parent.lineage for parent in source.parents],
                worked.calls,
            )
            return self.store.write(self._dataset(stage), key, build, pilot=self._pilot)

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
        parent = self._inputs.before(self._before, dataset, self._revision)
        if parent is None:
            raise InputError(
                f"--from {first.name}: no version of {dataset} in {self._inputs.store.root}; run without --from first"
            )
        return from_version(self._inputs.fetched(parent, dataset) if fetch else parent, self.limit)

    def _start(self) -> list[str]:
        """Arguments of the run that made a stage from rows which the recipe alone does not lead to."""
        start = [] if self.limit is None else [f"--limit {self.limit}"]
        start += [] if self._rows is None else [f"--input {self._rows.loaded.name}"]
        return [f"--from {self.stages[0].name}", *start] if start else []

    def _dataset(self, stage: Stage) -> str:
        return f"{self.recipe.name}-{stage.name}"


def _packages() -> dict[str, str]:
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions
