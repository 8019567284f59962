"""What the stages that ask a chat model share: settings, conversations, and one answer."""

from collections.abc import Callable, Sequence
from typing import Generic, Literal

from datasets import Dataset
from pydantic import Field

from sca_hf.engines import Conversation
from sca_hf.errors import ScaError
from sca_hf.filters.copies import ExemplarCopies, WrittenPart, written_parts
from sca_hf.prompts.build import in_first_message
from sca_hf.prompts.decks import Decks
from sca_hf.prompts.few_shot import Exemplar, FewShot
from sca_hf.stages.context import Context
from sca_hf.stages.few_shot import Open, Part, WritingSettings, ended, ids


class ChatSettings(WritingSettings):
    """How a chat model is asked. `shots`: exemplars that come before the task as turns of the conversation.

    `system`: whether what is asked for goes to the role of the system, or begins the first message of the user, for
    models whose chat template knows no system.
    """

    shots: int = Field(default=0, ge=0, le=100)
    system: Literal["role", "first-message"] = "role"


class ChatStep(Generic[Open]):
    """One step of a run that asks a chat model. `conversation_of`: makes the conversation about an open row."""

    def __init__(
        self,
        context: Context,
        settings: ChatSettings,
        stage: str,
        conversation_of: Callable[[FewShot, Sequence[Exemplar], Open], Conversation],
    ) -> None:
        if context.few_shot is None:
            raise ScaError(f"stage {stage!r} needs prompts, and the context has none; give Context(few_shot=…)")
        self._few_shot, self._settings, self._context = context.few_shot, settings, context
        self._conversation_of = conversation_of
        self._decks = Decks(
            exemplars=len(context.few_shot.exemplars),
            shots=settings.shots,
            count=None if settings.decks == "per-row" else settings.decks,
            run_seed=context.seed,
            stage=stage,
        )
        exemplars = context.few_shot.exemplars
        self._copies = (
            None if settings.max_copied is None else ExemplarCopies(written_parts(exemplars), settings.max_copied)
        )

    def conversation(self, parent_id: str, open_row: Open) -> Conversation:
        """Return the conversation about a row."""
        exemplars = [self._few_shot.exemplars[number] for number in self._decks.of(parent_id)]
        conversation = self._conversation_of(self._few_shot, exemplars, open_row)
        return conversation if self._settings.system == "role" else in_first_message(conversation)

    async def answer(self, part: Part, conversation: Conversation, parent_id: str, index: int = 0) -> tuple[str, str]:
        """Return text and finish reason of sample `index` of the row with id `parent_id`."""
        sampling = self._settings.sampling(part, self._context.seed, parent_id, index)
        text, finish_reason = await self._context.complete(conversation, sampling)
        return text, ended(text, finish_reason, sampling)

    def copied(self, part: WrittenPart, text: str, parent_id: str) -> str | None:
        """Return the reject reason of a text that copies an exemplar of its own conversation."""
        index = self._copies.find(part, text, self._decks.of(parent_id)) if self._copies else None
        return None if index is None else f"copied-exemplar-{index + 1}"

    def order(self, rows: Dataset) -> Sequence[int] | None:
        """Return the order in which to send the rows, deck by deck; None where they share no decks."""
        order: Sequence[int] | None = self._decks.order(ids(rows))
        return order
