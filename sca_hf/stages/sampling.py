"""What the three LLM stages share: settings of a few-shot step, its prompts, and one sample of it."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Annotated, Generic, Literal, TypeVar

from datasets import Dataset, Features
from pydantic import Field

from sca_hf.ahead import Row, Worked
from sca_hf.context import Context
from sca_hf.engines import Sampling
from sca_hf.errors import ScaError
from sca_hf.identity import row_seed
from sca_hf.prompts.build import STOP
from sca_hf.prompts.decks import Decks
from sca_hf.prompts.few_shot import Exemplar, FewShot
from sca_hf.settings import Settings

Open = TypeVar("Open")


class ShotSettings(Settings):
    """How one few-shot step is sampled: exemplars a prompt, temperature, longest completion in tokens.

    `decks`: rows share so many fixed hands of exemplars, which a prefix cache can serve; "per-row" draws exemplars for
    each row, as the paper does.
    """

    shots: int = Field(default=8, ge=0, le=100)
    decks: Annotated[int, Field(ge=1, le=10_000)] | Literal["per-row"] = 64
    temperature: float = Field(default=0.7, ge=0.0, le=2.0)
    top_p: float = Field(default=1.0, gt=0.0, le=1.0)
    max_tokens: int = Field(default=1536, ge=1)


class FewShotCalls(Generic[Open]):
    """The calls of one step of a run: prompts of system text, exemplars and an open row, made by `prompt_of`."""

    def __init__(
        self,
        few_shot: FewShot,
        settings: ShotSettings,
        run_seed: int,
        stage: str,
        prompt_of: Callable[[FewShot, Sequence[Exemplar], Open], str],
    ) -> None:
        self.decks = Decks(
            exemplars=len(few_shot.exemplars),
            shots=settings.shots,
            count=None if settings.decks == "per-row" else settings.decks,
            run_seed=run_seed,
            stage=stage,
        )
        self._few_shot, self._settings, self._run_seed, self._stage = few_shot, settings, run_seed, stage
        self._prompt_of = prompt_of

    def of(self, parent_id: str, open_row: Open, index: int = 0) -> tuple[str, Sampling]:
        """Prompt and sampling of sample `index` of a row. It has exemplars once a row, a seed once a sample."""
        exemplars = [self._few_shot.exemplars[number] for number in self.decks.of(parent_id)]
        sampling = Sampling(
            temperature=self._settings.temperature,
            top_p=self._settings.top_p,
            max_tokens=self._settings.max_tokens,
            stop=STOP,
            seed=row_seed(self._run_seed, self._stage, parent_id, index),
        )
        return self._prompt_of(self._few_shot, exemplars, open_row), sampling


class FewShotStep(Generic[Open]):
    """One step of a run: its calls, made by the engine of a context."""

    def __init__(
        self,
        context: Context,
        settings: ShotSettings,
        stage: str,
        prompt_of: Callable[[FewShot, Sequence[Exemplar], Open], str],
    ) -> None:
        if context.few_shot is None:
            raise ScaError(f"stage {stage!r} needs exemplars, and the context has none; give Context(few_shot=…)")
        self._context = context
        self._stage = stage
        self._calls = FewShotCalls(context.few_shot, settings, context.recipe.seed, stage, prompt_of)

    async def sample(self, parent_id: str, open_row: Open, index: int = 0) -> tuple[str, str]:
        """Text and finish reason of sample `index` of a row."""
        return await self._context.complete(*self._calls.of(parent_id, open_row, index))

    def map_rows(self, rows: Dataset, function: Callable[[Row], Awaitable[Worked]], features: Features) -> Dataset:
        """`function` of each row, sent deck by deck; the result is in the order of `rows`."""
        order = self._calls.decks.order(_ids(rows))
        return self._context.map_rows(rows, function, features, self._stage, order)


def _ids(rows: Dataset) -> Iterator[str]:
    """Read in parts: all ids of a million rows would take 100 MB."""
    for batch in rows.select_columns(["id"]).iter(batch_size=1_000):
        yield from batch["id"]
