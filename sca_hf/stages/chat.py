"""What the stages share that ask a chat model: settings, and how a conversation is made."""

from collections.abc import Callable, Sequence
from typing import Literal

from pydantic import Field

from sca_hf.engines import Conversation
from sca_hf.prompts.build import in_first_message
from sca_hf.prompts.few_shot import Exemplar, FewShot
from sca_hf.stages.context import Context
from sca_hf.stages.few_shot import FewShotStep, Open, WritingSettings


class ChatSettings(WritingSettings):
    """How a chat model is asked. `shots`: exemplars that come before the task as turns of the conversation.

    `system`: whether what is asked for goes to the role of the system, or begins the first message of the user, for
    models whose chat template knows no system.
    """

    shots: int = Field(default=0, ge=0, le=100)
    system: Literal["role", "first-message"] = "role"


def chat_step(
    context: Context,
    settings: ChatSettings,
    stage: str,
    conversation_of: Callable[[FewShot, Sequence[Exemplar], Open], Conversation],
) -> FewShotStep[Open, Conversation]:
    """Return a step that asks a chat model. `conversation_of`: makes the conversation about an open row."""

    def asked(few_shot: FewShot, exemplars: Sequence[Exemplar], open_row: Open) -> Conversation:
        conversation = conversation_of(few_shot, exemplars, open_row)
        return conversation if settings.system == "role" else in_first_message(conversation)

    return FewShotStep(context, settings, stage, asked)
