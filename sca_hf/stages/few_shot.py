"""What the stages share that ask with exemplars: settings of a step, its prompts, and one sample of a part of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Generic, Literal, Self, TypeVar

from datasets import Dataset
from pydantic import Field, model_validator

from sca_hf.engines import Prompt, Sampling
from sca_hf.engines.repetition import RepetitionDetection, ends_in_repetition
from sca_hf.errors import ScaError
from sca_hf.filters.copies import ExemplarCopies, WrittenPart, written_parts
from sca_hf.identity import row_seed
from sca_hf.prompts.decks import Decks
from sca_hf.prompts.few_shot import Exemplar, FewShot
from sca_hf.settings import Settings
from sca_hf.stages.context import Context
from sca_hf.stages.own_model import ModelSettings
from sca_hf.stages.reading import ids

Open = TypeVar("Open")
Asked = TypeVar("Asked", bound=Prompt)


class RepetitionSettings(Settings):
    """When a completion that repeats itself is ended (see `RepetitionDetection`).

    `min_pattern_size`, `max_pattern_size`: tokens of what is repeated. `min_count`: ended when it was said so often.

    With the defaults a loop of a few words is ended after 88 tokens, and a table of ten equal rows, as code may well
    hold, is none. At a count of 6 two of 30 responses of a 0.5B model that reached the jail were ended, at 11 none.
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


@dataclass(frozen=True)
class Part:
    """What one call asks for. `name` goes into its seed, `stop` ends it, `max_tokens` cuts it off."""

    name: str
    stop: tuple[str, ...]
    max_tokens: int


class SamplingSettings(ModelSettings):
    """How completions are drawn: `temperature`, `top_p`; `max_tokens`: longest one in tokens.

    `repetition_detection`: end a completion that repeats itself where the engine can (vLLM), with the reason
    `repetition`; null: it goes on to `max_tokens`, and is `cut-off`.
    """

    temperature: float = Field(default=0.7, ge=0.0, le=2.0)
    top_p: float = Field(default=1.0, gt=0.0, le=1.0)
    max_tokens: int = Field(default=1536, ge=1)
    repetition_detection: RepetitionSettings | None = RepetitionSettings()

    def sampling(self, part: Part, run_seed: int, parent_id: str, index: int = 0) -> Sampling:
        """Return how sample `index` of a part of the row with id `parent_id` is drawn."""
        return Sampling(
            temperature=self.temperature,
            top_p=self.top_p,
            max_tokens=part.max_tokens,
            stop=part.stop,
            seed=row_seed(run_seed, part.name, parent_id, index),
            repetition_detection=self.repetition_detection.detection if self.repetition_detection else None,
        )


class ShotSettings(SamplingSettings):
    """How one few-shot step is asked for. `shots`: exemplars a prompt.

    `decks`: the rows share this many fixed hands of exemplars, which a prefix cache can serve; "per-row" draws
    exemplars for each row, as the paper does.
    """

    shots: int = Field(default=8, ge=0, le=100)
    decks: Annotated[int, Field(ge=1, le=10_000)] | Literal["per-row"] = 64


class WritingSettings(ShotSettings):
    """A step whose exemplars are whole texts. `max_copied`: the largest share of a text, by its 5-grams of words, that
    may be an exemplar's of its own prompt; null: any."""

    max_copied: float | None = Field(default=0.25, ge=0.0, lt=1.0)


class FewShotCalls(Generic[Open, Asked]):
    """The calls of one step of a run. `prompt_of`: makes a prompt of system texts, exemplars and an open row."""

    def __init__(
        self,
        few_shot: FewShot,
        settings: ShotSettings,
        run_seed: int,
        stage: str,
        prompt_of: Callable[[FewShot, Sequence[Exemplar], Open], Asked],
    ) -> None:
        self.decks = Decks(
            exemplars=len(few_shot.exemplars),
            shots=settings.shots,
            count=None if settings.decks == "per-row" else settings.decks,
            run_seed=run_seed,
            stage=stage,
        )
        self._few_shot, self._settings, self._run_seed = few_shot, settings, run_seed
        self._prompt_of = prompt_of

    def prompt(self, parent_id: str, open_row: Open) -> Asked:
        """Return the prompt of a row. All samples of the row have it, and so the same exemplars."""
        exemplars = [self._few_shot.exemplars[number] for number in self.decks.of(parent_id)]
        return self._prompt_of(self._few_shot, exemplars, open_row)

    def sampling(self, part: Part, parent_id: str, index: int = 0) -> Sampling:
        """Return how sample `index` of a part of the row with id `parent_id` is drawn."""
        return self._settings.sampling(part, self._run_seed, parent_id, index)


class FewShotStep(Generic[Open, Asked]):
    """One step of a run: its calls, made by the engine of a context."""

    def __init__(
        self,
        context: Context,
        settings: ShotSettings,
        stage: str,
        prompt_of: Callable[[FewShot, Sequence[Exemplar], Open], Asked],
    ) -> None:
        if context.few_shot is None:
            raise ScaError(f"stage {stage!r} needs exemplars, and the context has none; give Context(few_shot=…)")
        self._context = context
        self._calls = FewShotCalls(context.few_shot, settings, context.seed, stage, prompt_of)
        max_copied = settings.max_copied if isinstance(settings, WritingSettings) else None
        self._copies = (
            None if max_copied is None else ExemplarCopies(written_parts(context.few_shot.exemplars), max_copied)
        )

    def prompt(self, parent_id: str, open_row: Open) -> Asked:
        """Return the prompt of a row."""
        return self._calls.prompt(parent_id, open_row)

    async def sample(self, part: Part, prompt: Prompt, parent_id: str, index: int = 0) -> tuple[str, str]:
        """Return text and finish reason of one call: sample `index` of a part of the row with id `parent_id`."""
        sampling = self._calls.sampling(part, parent_id, index)
        text, finish_reason = await self._context.complete(prompt, sampling)
        return text, ended(text, finish_reason, sampling)

    def copied(self, part: WrittenPart, text: str, parent_id: str) -> str | None:
        """Return the reject reason of a text that copies an exemplar of its own prompt, by its number in the file."""
        return self._copies.reason(part, text, self._calls.decks.of(parent_id)) if self._copies else None

    def order(self, rows: Dataset) -> Sequence[int] | None:
        """Return the order in which to send the rows, deck by deck; None where they share no decks."""
        order: Sequence[int] | None = self._calls.decks.order(ids(rows))
        return order


def ended(text: str, finish_reason: str, sampling: Sampling) -> str:
    """Return the finish reason, "repetition" also where the engine did not see it and max_tokens cut the text off."""
    repeats = sampling.repetition_detection and finish_reason == "length" and ends_in_repetition(text)
    return "repetition" if repeats else finish_reason
