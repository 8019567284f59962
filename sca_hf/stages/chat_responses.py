"""Distillation: a chat model, as a rule a stronger one than is to be tuned, answers each instruction.

It is asked without tests; stage `chat_tests` asks for these, of the same model or of another.
"""

import asyncio

from datasets import Dataset, Value
from pydantic import Field

from sca_hf.engines import RowFailure
from sca_hf.prompts.build import chat_response
from sca_hf.prompts.chat_answers import read_response
from sca_hf.stage import REJECT_REASON, Column, Stage, written_by
from sca_hf.stages.chat import ChatSettings, chat_step
from sca_hf.stages.context import Context, Row
from sca_hf.stages.few_shot import Part


class ChatResponsesSettings(ChatSettings):
    """How responses are asked for. `samples`: responses an instruction."""

    samples: int = Field(default=1, ge=1, le=10_000)


def chat_responses(instructions: Dataset, settings: ChatResponsesSettings, context: Context) -> Dataset:
    """Return `samples` rows an instruction, with `sample`, `response` and `reasoning`.

    Reasons: `cut-off-reasoning`, `cut-off-response`, `repetition`, `no-response`, `refusal` (it says that it won't
    answer), `other-language` (of its prose, by that of the instruction), `other-programming-language`, `no-code`,
    `copied-exemplar-<number>`, `prompt-too-long`, `engine-error`.
    """
    step = chat_step(context, settings, STAGE.name, chat_response)
    part = Part(STAGE.name, (), settings.max_tokens)

    async def sample_of(instruction: Row, index: int) -> Row:
        response, reasoning, reason = "", "", None
        conversation = step.prompt(instruction["id"], instruction["instruction"])
        try:
            text, finish_reason = await step.sample(part, conversation, instruction["id"], index)
            response, reasoning, reason = read_response(text, finish_reason, instruction["instruction"])
        except RowFailure as failure:
            reason = failure.reason
        reason = reason or step.copied("response", response, instruction["id"])
        return {
            "sample": index,
            "response": response,
            "reasoning": reasoning,
            "response_by": context.writer,
            REJECT_REASON: reason,
        }

    async def samples_of(instruction: Row) -> list[Row]:
        return await asyncio.gather(*(sample_of(instruction, index) for index in range(settings.samples)))

    return context.map_rows(STAGE, instructions, samples_of, step.order(instructions))


STAGE = Stage(
    name="chat_responses",
    version=1,
    title="A chat model answers each instruction (distillation).",
    uses=("id", "instruction"),
    adds=(
        Column("id", Value("string"), "hash of the instruction's id, the stage and the sample's index"),
        Column("instruction_id", Value("string"), "id of the instruction"),
        Column("sample", Value("int32"), "index of the sample among those of its instruction, from 0"),
        Column("response", Value("string"), "the answer: natural language with fenced code", aliases=("output",)),
        Column("reasoning", Value("string"), "what the model thought before its answer; empty if it doesn't tell"),
        written_by("response"),
    ),
    parent_id="instruction_id",
    settings=ChatResponsesSettings,
    run=chat_responses,
    needs="engine",
    calls=lambda settings: int(settings.samples),
    most_rows=lambda settings: int(settings.samples),
    draws=True,
    step="chat:I->R",
)
