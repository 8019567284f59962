"""Runs the stages of a recipe in order. A stage whose version is in the store is not run again."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from sca_hf import __version__
from sca_hf.command import command
from sca_hf.context import Context
from sca_hf.errors import HubError, InputError
from sca_hf.file_stream import FileStream
from sca_hf.inputs import load_input, read_input
from sca_hf.journal import JournaledJails
from sca_hf.plan import (
    COLUMNS,
    MAKERS,
    NAMES,
    Intents,
    Planned,
    StageInput,
    calls_a_row,
    from_version,
    most_kept,
    stages_of,
)
from sca_hf.progress import Progress, WatchedJails
from sca_hf.recipe import Recipe
from sca_hf.resources import Resources
from sca_hf.stage import Stage, check_columns, judge
from sca_hf.stages import execute, responses
from sca_hf.store import Build, Store, Version
from sca_hf.store.hub import Hub
from sca_hf.store.shelf import Shelf

Watch = Callable[[str, Progress], AbstractContextManager[None]]

_PACKAGES = ("datasets", "huggingface_hub", "pyarrow")


@dataclass(frozen=True)
class Outcome:
    """One stage of a run: its version, whether it was there already, and where it is on the Hub ("repo@tag")."""

    stage: Stage
    version: Version
    cached: bool
    published: str | None = None


class Pipeline:
    """A recipe over a store. `first`, `last`: the stages to run; `limit`: at most so many seeds, or rows of `first`.

    With `first`, its input is the latest version of the stage before it, as it lies in the store; or, with `revision`,
    that of the Hub. `rows`: a folder, file or dataset repository that `first` reads instead (see `sca_hf.inputs`).
    With `hub`, a version that is there is pulled and not made, and one that is not is pushed.
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
        stages = stages_of(recipe)
        loaded = load_input(rows) if rows is not None else None
        if loaded is not None and first is None:
            first = loaded.first_stage([stage.name for stage in stages])
        start, end = (_place(name, stages) for name in (first or NAMES[0], last or NAMES[-1]))
        if start > end:
            order = " -> ".join(stage.name for stage in stages)
            raise InputError(f"--from {first} comes after --to {last}; the order is {order}")
        if limit is not None and start == 0 and loaded is None:
            seed_count = min(limit, recipe.seeds.count or limit)
            recipe = recipe.model_copy(update={"seeds": recipe.seeds.model_copy(update={"count": seed_count})})
            limit = None
        self.recipe, self.store, self.limit = recipe, store, limit
        self._shelf, self._revision = Shelf(store, hub), revision
        self.stages = stages[start : end + 1]
        self._before = stages[start - 1] if start else None
        self._given = read_input(loaded, self.stages[0], COLUMNS) if loaded is not None else None
        self._intents = Intents(recipe)

    def plan(self) -> list[Planned]:
        """What a run would do, without doing any of it."""
        planned: list[Planned] = []
        try:
            given: StageInput | None = self._input(fetch=False)
        except HubError:
            if self._before is not None:
                raise
            given = None  # the source's commit is not known without the Hub
        most_rows = given.rows if given else None
        for stage in self.stages:
            key = self._intents.fingerprint(stage, given) if given else None
            cached = self._shelf.look(stage, self._dataset(stage), key) if key else None
            calls = None if most_rows is None else most_rows * calls_a_row(self.recipe, stage)
            planned.append(Planned(stage, self._dataset(stage), key, cached, most_rows, calls))
            given = from_version(cached) if cached else None
            most_rows = cached.counts.kept if cached else most_kept(self.recipe, stage, most_rows)
        return planned

    def run(
        self, announce: Callable[[Stage, Version | None], None], watch: Watch = lambda _, __: nullcontext()
    ) -> list[Outcome]:
        """Run the stages. `announce` is told of each stage before it runs, with its version if it is there already.

        A stage that needs an engine or a sandbox runs inside `watch`, given its name and its progress.
        """
        outcomes: list[Outcome] = []
        given = self._input(fetch=True)
        with ExitStack() as stack:
            resources = stack.enter_context(Resources(self.recipe, self.store.root))
            for stage in self.stages:
                key = self._intents.fingerprint(stage, given)
                cached = self._shelf.find(stage, self._dataset(stage), key)
                announce(stage, cached)
                made = cached or self._make(stage, given, key, resources, watch)
                outcomes.append(Outcome(stage, made, cached is not None, self._shelf.keep(made)))
                given = from_version(made)
                if not given.rows:
                    reasons = ", ".join(f"{reason}: {count}" for reason, count in made.counts.rejected.items())
                    raise InputError(
                        f"no row left after stage {stage.name!r} ({reasons or 'it got none'}); "
                        f"loosen its settings, or look at the rejected rows in {made.path}"
                    )
        return outcomes

    def _make(self, stage: Stage, given: StageInput, key: str, resources: Resources, watch: Watch) -> Version:
        self._shelf.check_writable()
        rows = given.load()
        check_columns(stage, rows, MAKERS)
        with self.store.scratch() as scratch:
            engine = resources.engine() if stage.needs == "engine" else None
            jails = self._jails(stage, resources)
            progress = Progress(
                usage=engine.usage if engine else None,
                slots=self.recipe.engine.max_num_seqs * max(1, len(self.recipe.engine.urls)),
                jails=self.recipe.run.jails if jails else 0,
            )
            context = Context(
                recipe=self.recipe,
                scratch=scratch,
                engine=engine,
                jails=WatchedJails(jails, progress) if jails else None,
                few_shot=self._intents.few_shot,
                progress=progress,
            )
            with _measured(resources) as timings, watch(stage.name, progress) if stage.needs else nullcontext():
                made = stage.run(rows, context)
            judged = judge(stage, rows.files if isinstance(rows, FileStream) else len(rows), made)
            lineage = {
                "sca_hf": __version__,
                "recipe": self.recipe.published(),
                "stage": stage.name,
                "stage_version": stage.version,
                "fingerprint": key,
                "intent": self._intents.of(stage, given),
                "parents": [
                    {"dataset": parent.dataset, "fingerprint": parent.fingerprint, "manifest_sha": parent.manifest_sha}
                    for parent in given.parents
                ],
                "input": given.name,
                "command": command(self.recipe, stage.name, self._start()),
                "model": self._intents.engine().published() if stage.needs == "engine" else None,
                "packages": _packages(),
                "counts": judged.counts.published(),
                "tokens": {"prompt": context.tokens.prompt, "completion": context.tokens.completion},
            }
            return self.store.write(
                self._dataset(stage),
                key,
                Build(stage, judged, lineage, timings, [parent.lineage for parent in given.parents]),
            )

    def _input(self, fetch: bool) -> StageInput:
        """What the first stage is made from. `fetch`: have it in the store, if it is on the Hub."""
        first = self.stages[0]
        if self._given is not None:
            given = self._given
            count = len(given.rows) if self.limit is None else min(self.limit, len(given.rows))
            return StageInput(
                lambda: given.rows.select(range(count)), given.sha, count, given.parents, self.limit, given.loaded.name
            )
        if self._before is None:
            source = self.recipe.seeds.open(patient=fetch)
            files = None if isinstance(source.rows, FileStream) else len(source.rows)
            return StageInput(lambda: source.rows, source.sha, files, (), name=source.name)
        dataset = self._dataset(self._before)
        parent = self._shelf.before(self._before, dataset, self._revision)
        if parent is None:
            raise InputError(
                f"--from {first.name}: no version of {dataset} in {self.store.root}; run without --from first"
            )
        return from_version(self._shelf.fetched(parent, dataset) if fetch else parent, self.limit)

    def _jails(self, stage: Stage, resources: Resources) -> JournaledJails | None:
        """Also for responses that are to run in this run: they do so while others are drawn."""
        if stage is responses.STAGE and (execute.STAGE in self.stages or self.recipe.responses.until != "all"):
            return resources.jails(beside_engine=True)
        return resources.jails() if stage.needs == "sandbox" else None

    def _start(self) -> list[str]:
        """Arguments of the run that made a stage from rows which the recipe alone does not lead to."""
        start = [] if self.limit is None else [f"--limit {self.limit}"]
        start += [] if self._given is None else [f"--input {self._given.loaded.name}"]
        return [f"--from {self.stages[0].name}", *start] if start else []

    def _dataset(self, stage: Stage) -> str:
        return f"{self.recipe.name}-{stage.name}"


def _place(name: str, stages: Sequence[Stage]) -> int:
    """The place of a stage among those of a recipe."""
    names = [stage.name for stage in stages]
    if name not in names:
        raise InputError(f"the recipe has no stage {name!r}; add its section: --set {name}={{}}")
    return names.index(name)


@contextmanager
def _measured(resources: Resources) -> Iterator[dict[str, Any]]:
    """What one stage took: `seconds`, of these `starting` (loading the model), calls `made`, calls `reused` from the
    journal."""
    timings: dict[str, Any] = {}
    calls, starting, began = resources.calls(), resources.starting_seconds, time.monotonic()
    yield timings
    after = resources.calls()
    timings |= {"seconds": round(time.monotonic() - began, 3)} | {name: after[name] - calls[name] for name in after}
    timings["starting"] = round(resources.starting_seconds - starting, 3)


def _packages() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
