"""C->I: the model writes one task from a seed's concepts and properties drawn at random."""

import re

from datasets import Dataset, Value
from pydantic import Field, field_validator

from sca_hf.engines import RowFailure
from sca_hf.identity import row_random
from sca_hf.prompts.build import CUT, INSTRUCTION_STOP, instruction_prompt
from sca_hf.prompts.few_shot import PARTS, Property
from sca_hf.settings import Weights
from sca_hf.stage import REJECT_REASON, Column, Stage, written_by
from sca_hf.stages.context import Context, Row
from sca_hf.stages.few_shot import FewShotStep, Part, ShotSettings, WritingSettings

_LABEL = re.compile(r"^\[(" + "|".join(PARTS) + r")\]", re.MULTILINE)


class InstructionsSettings(WritingSettings):
    """How instructions are asked for.

    `categories`, `difficulties`: what a prompt asks for, drawn for each row by these relative weights (the paper's
    categories are 2:1:1). `languages`: those in which a response can be executed, which is Python.
    """

    categories: Weights = Field(
        default={"function implementation": 2, "class implementation": 1, "program implementation": 1}
    )
    difficulties: Weights = Field(default={"easy": 1, "medium": 1, "hard": 1})
    languages: Weights = Field(default={"Python": 1})

    @field_validator("languages")
    @classmethod
    def _executable(cls, weights: dict[str, int]) -> dict[str, int]:
        if others := sorted(weights.keys() - {"Python"}):
            raise ValueError(f"responses in {', '.join(others)} can't be executed; give {{Python: 1}}")
        return weights


def instructions(concepts: Dataset, settings: InstructionsSettings, context: Context) -> Dataset:
    """Return a row a row of concepts, with the properties drawn and `instruction`.

    Reasons: `no-instruction` (empty), `cut-off` (max_tokens reached), `repetition` (it repeats itself),
    `not-an-instruction` (other parts of an exemplar in it), `copied-exemplar-<number>` (of its own prompt),
    `prompt-too-long`, `engine-error`.
    """
    step = FewShotStep(context, settings, "instructions", instruction_prompt)
    part = part_of(settings)

    async def instruction_of(row: Row) -> Row:
        wanted = draw_property(settings, context.seed, row["id"], row["concepts"])
        asked: Row = {"category": wanted.category, "language": wanted.language, "difficulty": wanted.difficulty}
        asked["instruction_by"] = context.writer
        try:
            text, finish_reason = await step.sample(part, step.prompt(row["id"], wanted), row["id"])
        except RowFailure as failure:
            return asked | {"instruction": "", REJECT_REASON: failure.reason}
        instruction = text.strip()
        reason = reject_reason(instruction, finish_reason) or step.copied("instruction", instruction, row["id"])
        return asked | {"instruction": instruction, REJECT_REASON: reason}

    return context.map_rows(STAGE, concepts, instruction_of, step.order(concepts))


def part_of(settings: ShotSettings) -> Part:
    """Return what the step asks for."""
    return Part("instructions", INSTRUCTION_STOP, settings.max_tokens)


def draw_property(settings: InstructionsSettings, run_seed: int, concepts_id: str, concepts: list[str]) -> Property:
    """Return the properties of one row's task, from the weights of the settings and the row's id alone."""
    random = row_random(run_seed, "properties", concepts_id)
    category, language, difficulty = (
        random.choices(list(weights), list(weights.values()))[0]
        for weights in (settings.categories, settings.languages, settings.difficulties)
    )
    return Property(category, language, difficulty, tuple(concepts))


def reject_reason(instruction: str, finish_reason: str) -> str | None:
    """Return why the text of a completion is no instruction, None if it is one."""
    if finish_reason in CUT:
        return CUT[finish_reason]
    if not instruction:
        return "no-instruction"
    return "not-an-instruction" if _LABEL.search(instruction) else None


STAGE = Stage(
    name="instructions",
    version=4,
    title="The base model writes a task in which the concepts come up, with a category and a difficulty (C->I).",
    uses=("id", "concepts"),
    adds=(
        Column("id", Value("string"), "hash of the concepts' id and the stage"),
        Column("concepts_id", Value("string"), "id of the row of concepts"),
        Column("category", Value("string"), "kind of task asked for: function, class or program implementation"),
        Column("language", Value("string"), "programming language asked for"),
        Column("difficulty", Value("string"), "difficulty asked for: easy, medium or hard"),
        Column("instruction", Value("string"), "the task, as the model wrote it"),
        written_by("instruction"),
    ),
    parent_id="concepts_id",
    settings=InstructionsSettings,
    run=instructions,
    needs="engine",
    draws=True,
    step="C->I",
)
