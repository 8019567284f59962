"""The engine and the jails of a run: started when a stage first needs them, ended with the run."""

from collections import Counter
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Self

from sca_hf.engines.registry import make_engine
from sca_hf.pipeline.journal import Journal, JournaledEngine, JournaledJails
from sca_hf.recipe import Recipe
from sca_hf.stage import Stage


def journal_path(recipe: Recipe, root: Path) -> Path:
    """Return where the journal of a run over the store at `root` is."""
    return root / "journal.sqlite" if recipe.run.journal is None else Path(recipe.run.journal).expanduser()


class Resources:
    """Lends the engine and the jails, each behind the journal at `journal`."""

    def __init__(self, recipe: Recipe, journal: Path) -> None:
        self._recipe = recipe
        self._journal = Journal(journal)
        self._engine: JournaledEngine | None = None
        self._jails: dict[str, JournaledJails] = {}

    def engine(self) -> JournaledEngine:
        """Return the engine of the recipe. The model is loaded at the first call that the journal does not hold."""
        if self._engine is None:
            engine = make_engine(self._recipe.model, self._recipe.engine)
            self._engine = JournaledEngine(engine, self._journal)
        return self._engine

    def calls(self) -> Counter[str]:
        """Count completions and programs so far: `made` by the engine or a jail, `reused` from the journal, and of
        these the `earlier` ones, which an earlier run had left there."""
        return Counter(
            {name: sum(getattr(each, name) for each in self._lent) for name in ("made", "reused", "earlier")}
        )

    def calls_used(self) -> AbstractContextManager[bytearray]:
        """Gather the digests of the calls that are made or found meanwhile; see `Journal.calls_used`."""
        return self._journal.calls_used()

    def earlier_calls(self, *, engine: bool) -> int:
        """Return how many completions (else: programs) so far an earlier run had left in the journal."""
        return sum(each.earlier for each in self._lent if (each is self._engine) == engine)

    @property
    def _lent(self) -> list[JournaledEngine | JournaledJails]:
        return [each for each in (self._engine, *self._jails.values()) if each is not None]

    @property
    def starting_seconds(self) -> float:
        """Seconds that it took so far to get the engine ready."""
        usage = self._engine.usage if self._engine is not None else None
        return usage.starting_seconds if usage is not None else 0.0

    @property
    def written(self) -> int:
        """Tokens that the engine wrote so far; none of them come from the journal."""
        usage = self._engine.usage if self._engine is not None else None
        return usage.completion_tokens if usage is not None else 0

    def jails(self, stage: Stage, *, beside_engine: bool = False) -> JournaledJails:
        """Return the jails of a stage. Unless both are needed at once, the engine is ended first: memory is scarce."""
        assert stage.jails is not None
        if not beside_engine:
            self._end_engine()
        if stage.name not in self._jails:
            jails = stage.jails(self._recipe[stage.name], self._recipe.run.jails)
            self._jails[stage.name] = JournaledJails(jails, self._journal)
        return self._jails[stage.name]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_engine()
        for jails in self._jails.values():
            jails.close()
        self._journal.close()

    def _end_engine(self) -> None:
        if self._engine is not None:
            self._engine.close()
