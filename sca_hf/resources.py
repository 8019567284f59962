"""The engine and the jails of a run: started when a stage first needs them, ended with the run."""

from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Self

from sca_hf.engines.chosen import chosen_engine
from sca_hf.journal import Journal, JournaledEngine, JournaledJails
from sca_hf.recipe import Recipe


class Resources:
    """Lends the engine and the jails, each behind the journal of the store at `root`."""

    def __init__(self, recipe: Recipe, root: Path) -> None:
        self._recipe = recipe
        self._journal = Journal(root / "journal.sqlite")
        self._engine: JournaledEngine | None = None
        self._jails: JournaledJails | None = None

    def engine(self) -> JournaledEngine:
        """The engine of the recipe. The model is loaded at the first call that the journal does not hold."""
        if self._engine is None:
            engine = chosen_engine(self._recipe.model, self._recipe.engine)
            self._engine = JournaledEngine(engine, self._journal)
        return self._engine

    def calls(self) -> Counter[str]:
        """Completions and programs so far: `made` by the engine or a jail, `reused` from the journal."""
        return Counter(
            {
                name: sum(getattr(lent, name) for lent in (self._engine, self._jails) if lent is not None)
                for name in ("made", "reused")
            }
        )

    @property
    def starting_seconds(self) -> float:
        """What it took so far to get the engine ready."""
        usage = self._engine.usage if self._engine is not None else None
        return usage.starting_seconds if usage is not None else 0.0

    def jails(self, *, beside_engine: bool = False) -> JournaledJails:
        """The jail pool. Unless both are needed at once, the engine is ended first: memory is scarce."""
        if not beside_engine:
            self._end_engine()
        if self._jails is None:
            execute = self._recipe.execute
            self._jails = JournaledJails(self._recipe.run.jails, execute.limits, self._journal, execute.repeat)
        return self._jails

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_engine()
        if self._jails is not None:
            self._jails.close()
        self._journal.close()

    def _end_engine(self) -> None:
        if self._engine is not None:
            self._engine.close()
