"""What the three few-shot stages share: settings of a step, its prompts, and one sample of it."""

from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Generic, Literal, Self, TypeVar

from datasets import Dataset
from pydantic import Field, model_validator

from sca_hf.engines import Sampling
from sca_hf.engines.repetition import RepetitionDetection, ends_in_repetition
from sca_hf.errors import ScaError
from sca_hf.identity import row_seed
from sca_hf.prompts.build import STOP
from sca_hf.prompts.decks import Decks
from sca_hf.prompts.few_shot import Exemplar, FewShot
from sca_hf.settings import Settings
from sca_hf.stages.context import Context

Open = TypeVar("Open")


class RepetitionSettings(Settings):
    """When a completion that repeats itself is ended (see `RepetitionDetection`).

    With the defaults a loop of a few words is ended after 88 tokens, and a table of ten equal rows, as code may well
    hold, is none. At `min_count` 6 two of 30 responses of a 0.5B model that reached the jail were ended, at 11 none.
    """

    max_pattern_size: int = Field(default=64, ge=1)
    min_pattern_size: int = Field(default=8, ge=1)
    min_count: int = Field(default=11, ge=2)

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        if self.min_pattern_size > self.max_pattern_size:
            raise ValueError(
                f"min_pattern_size {self.min_pattern_size} is above max_pattern_size {self.max_pattern_size}; lower it"
            )
        return self

    @property
    def detection(self) -> RepetitionDetection:
        """For the engine."""
        return RepetitionDetection(**self.model_dump())


class ShotSettings(Settings):
    """How one few-shot step is sampled: exemplars a prompt, temperature, longest completion in tokens.

    `decks`: the rows share this many fixed hands of exemplars, which a prefix cache can serve; "per-row" draws
    exemplars for each row, as the paper does. `repetition_detection`: end a completion that repeats itself where the
    engine can (vLLM), with the reason `repetition`; null: it goes on to `max_tokens`, and is `cut-off`.
    """

    shots: int = Field(default=8, ge=0, le=100)
    decks: Annotated[int, Field(ge=1, le=10_000)] | Literal["per-row"] = 64
    temperature: float = Field(default=0.7, ge=0.0, le=2.0)
    top_p: float = Field(default=1.0, gt=0.0, le=1.0)
    max_tokens: int = Field(default=1536, ge=1)
    repetition_detection: RepetitionSettings | None = RepetitionSettings()


class FewShotCalls(Generic[Open]):
    """The calls of one step of a run. `prompt_of`: makes a prompt of system text, exemplars and an open row."""

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
        """Return prompt and sampling of sample `index` of a row. All samples of a row have the same exemplars."""
        settings = self._settings
        exemplars = [self._few_shot.exemplars[number] for number in self.decks.of(parent_id)]
        sampling = Sampling(
            temperature=settings.temperature,
            top_p=settings.top_p,
            max_tokens=settings.max_tokens,
            stop=STOP,
            seed=row_seed(self._run_seed, self._stage, parent_id, index),
            repetition_detection=settings.repetition_detection.detection if settings.repetition_detection else None,
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
        self._calls = FewShotCalls(context.few_shot, settings, context.seed, stage, prompt_of)

    async def sample(self, parent_id: str, open_row: Open, index: int = 0) -> tuple[str, str]:
        """Return text and finish reason of sample `index` of a row."""
        prompt, sampling = self._calls.of(parent_id, open_row, index)
        text, finish_reason = await self._context.complete(prompt, sampling)
        return text, ended(text, finish_reason, sampling)

    def order(self, rows: Dataset) -> Sequence[int] | None:
        """Return the order in which to send the rows, deck by deck; None where they share no decks."""
        order: Sequence[int] | None = self._calls.decks.order(_ids(rows))
        return order


def ended(text: str, finish_reason: str, sampling: Sampling) -> str:
    """Return the finish reason, "repetition" also where the engine did not see it and max_tokens cut the text off."""
    repeats = sampling.repetition_detection and finish_reason == "length" and ends_in_repetition(text)
    return "repetition" if repeats else finish_reason


def _ids(rows: Dataset) -> Iterator[str]:
    """Read in parts: all ids of a million rows would take 100 MB."""
    for batch in rows.select_columns(["id"]).iter(batch_size=1_000):
        yield from batch["id"]
