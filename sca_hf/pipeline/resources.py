"""The engines and the jails of a run: started when a stage first needs them, ended with the run."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from sca_hf.engines.registry import make_engine
from sca_hf.pipeline.journal import Journal, JournaledEngine, JournaledJails
from sca_hf.recipe import Recipe
from sca_hf.sandbox.ray_jails import RayJails
from sca_hf.stage import Stage


def journal_path(recipe: Recipe, root: Path) -> Path:
    """Return where the journal of a run over the store at `root` is."""
    return root / "journal.sqlite" if recipe.run.journal is None else Path(recipe.run.journal).expanduser()


@dataclass(frozen=True)
class Answers:
    """Calls of the model, or programs: those `made` by an engine or a jail, those `reused` from the journal, and of
    these the `earlier` ones, which an earlier run had left there."""

    made: int = 0
    reused: int = 0
    earlier: int = 0

    def __sub__(self, other: "Answers") -> "Answers":
        return Answers(self.made - other.made, self.reused - other.reused, self.earlier - other.earlier)


class Resources:
    """Lends the engines and the jails, each behind the journal at `journal`."""

    def __init__(self, recipe: Recipe, journal: Path) -> None:
        self._recipe = recipe
        self._journal = Journal(journal)
        self._engines: dict[tuple[str, str], JournaledEngine] = {}
        self._ended: list[JournaledEngine] = []
        self._jails: dict[str, JournaledJails] = {}

    def engine(self, stage: Stage) -> JournaledEngine:
        """Return the engine that a stage asks. Its model is loaded at the first call that the journal does not hold.

        That of another stage is ended first, unless it is the same: two models may not fit into memory at once.
        """
        model, settings = self._recipe.asked(stage)
        key = model, settings.model_dump_json()
        if key not in self._engines:
            self._end_engines()
            self._engines[key] = JournaledEngine(make_engine(model, settings), self._journal)
        return self._engines[key]

    @property
    def calls(self) -> Answers:
        """Calls of the model so far."""
        return _sum(self._all_engines)

    @property
    def programs(self) -> Answers:
        """Programs so far."""
        return _sum(self._jails.values())

    def calls_used(self) -> AbstractContextManager[bytearray]:
        """Gather the digests of the calls that are made or found meanwhile; see `Journal.calls_used`."""
        return self._journal.calls_used()

    @property
    def starting_seconds(self) -> float:
        """Seconds that it took so far to get the engines ready."""
        return sum(engine.usage.starting_seconds for engine in self._all_engines if engine.usage is not None)

    @property
    def written(self) -> int:
        """Tokens that the engines wrote so far; none of them come from the journal."""
        return sum(engine.usage.completion_tokens for engine in self._all_engines if engine.usage is not None)

    def jails(self, stage: Stage, *, beside_engine: bool = False) -> JournaledJails:
        """Return the jails of a stage. Unless both are needed at once, the engine is ended first: memory is scarce."""
        assert stage.jails is not None
        if not beside_engine:
            self._end_engines()
        if stage.name not in self._jails:
            run = self._recipe.run
            jails = stage.jails(self._recipe[stage.name], run.jails)
            there = RayJails(jails, run.jails) if run.jails_on == "ray" else jails
            self._jails[stage.name] = JournaledJails(there, self._journal)
        return self._jails[stage.name]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_engines()
        for jails in self._jails.values():
            jails.close()
        self._journal.close()

    @property
    def _all_engines(self) -> list[JournaledEngine]:
        return [*self._ended, *self._engines.values()]

    def _end_engines(self) -> None:
        for engine in self._engines.values():
            engine.close()
            self._ended.append(engine)
        self._engines.clear()


def _sum(lent: Iterable[JournaledEngine | JournaledJails]) -> Answers:
    counts = [(each.made, each.reused, each.earlier) for each in lent]
    return Answers(*map(sum, zip(*counts, strict=True)))
