"""The engine and the jails of a run: started when a stage first needs them, ended with the run."""

from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Self

from sca_hf.engines import Engine
from sca_hf.journal import Journal, JournaledEngine, JournaledJails
from sca_hf.recipe import Recipe


class Resources:
    """Lends the engine and the jails, each behind the journal of the store at `root`."""

    def __init__(self, recipe: Recipe, root: Path) -> None:
        self._recipe = recipe
        self._journal = Journal(root / "journal.sqlite")
        self._engine: JournaledEngine | None = None
        self._jails: JournaledJails | None = None

    def engine(self) -> Engine:
        """The engine of the recipe. The model is loaded at the first call that the journal does not hold."""
        if self._engine is None:
            from sca_hf.engines.vllm import VllmEngine

            settings = self._recipe.engine
            engine = VllmEngine(
                self._recipe.model,
                dtype=settings.dtype,
                max_model_len=settings.max_model_len,
                max_prompt_tokens=settings.max_prompt_tokens,
                max_num_seqs=settings.max_num_seqs,
                gpu_memory_utilization=settings.gpu_memory_utilization,
                options=settings.options,
            )
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

    def jails(self) -> JournaledJails:
        """The jail pool. The engine is ended first: no stage after this one needs it, and memory is scarce."""
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
