"""C->I: the model writes one task from a seed's concepts and properties drawn at random."""

import re

from datasets import Dataset, Value
from pydantic import Field

from sca_hf.context import Context, Row
from sca_hf.engines import RowFailure
from sca_hf.identity import row_id, row_random
from sca_hf.prompts.build import CUT, instruction_prompt
from sca_hf.prompts.few_shot import PARTS, Property
from sca_hf.stage import REJECT_REASON, Column, Stage, carried
from sca_hf.stages.concepts import STAGE as CONCEPTS
from sca_hf.stages.sampling import FewShotStep, ShotSettings

_LABEL = re.compile(r"^\[(" + "|".join(PARTS) + r")\]", re.MULTILINE)


class InstructionsSettings(ShotSettings):
    """How instructions are asked for. The weights of the properties are relative; the paper's categories are 2:1:1."""

    categories: dict[str, int] = Field(
        default={"function implementation": 2, "class implementation": 1, "program implementation": 1}, min_length=1
    )
    difficulties: dict[str, int] = Field(default={"easy": 1, "medium": 1, "hard": 1}, min_length=1)
    languages: dict[str, int] = Field(default={"Python": 1}, min_length=1)


def instructions(rows: Dataset, context: Context) -> Dataset:
    """One row a row of concepts: its columns, the properties drawn, and `instruction`.

    Reasons: `no-instruction` (empty), `cut-off` (max_tokens reached), `repetition` (it repeats itself),
    `not-an-instruction` (other parts of an exemplar in it), `prompt-too-long`, `engine-error`.
    """
    settings = context.recipe.instructions
    step = FewShotStep(context, settings, "instructions", instruction_prompt)

    async def instruction_of(concepts: Row) -> Row:
        wanted = draw_property(settings, context.recipe.seed, concepts["id"], concepts["concepts"])
        row = concepts | {
            "id": row_id(concepts["id"], "instructions"),
            "concepts_id": concepts["id"],
            "category": wanted.category,
            "language": wanted.language,
            "difficulty": wanted.difficulty,
            "instruction": "",
            REJECT_REASON: None,
        }
        try:
            text, finish_reason = await step.sample(concepts["id"], wanted)
        except RowFailure as failure:
            return row | {REJECT_REASON: failure.reason}
        instruction = text.strip()
        return row | {"instruction": instruction, REJECT_REASON: _reject_reason(instruction, finish_reason)}

    return step.map_rows(rows, instruction_of, STAGE.features)


def draw_property(settings: InstructionsSettings, run_seed: int, concepts_id: str, concepts: list[str]) -> Property:
    """The properties of one row's task, from the weights of the settings and the row's id alone."""
    random = row_random(run_seed, "properties", concepts_id)
    category, language, difficulty = (
        random.choices(list(weights), list(weights.values()))[0]
        for weights in (settings.categories, settings.languages, settings.difficulties)
    )
    return Property(category, language, difficulty, tuple(concepts))


def _reject_reason(instruction: str, finish_reason: str) -> str | None:
    if finish_reason in CUT:
        return CUT[finish_reason]
    if not instruction:
        return "no-instruction"
    return "not-an-instruction" if _LABEL.search(instruction) else None


STAGE = Stage(
    name="instructions",
    version=2,
    title="The base model writes a task in which the concepts come up, with a category and a difficulty (C->I).",
    reads=CONCEPTS.names,
    columns=(
        Column("id", Value("string"), "hash of the concepts' id and the stage"),
        Column("concepts_id", Value("string"), "id of the row of concepts"),
        *carried(CONCEPTS),
        Column("category", Value("string"), "kind of task asked for: function, class or program implementation"),
        Column("language", Value("string"), "programming language asked for"),
        Column("difficulty", Value("string"), "difficulty asked for: easy, medium or hard"),
        Column("instruction", Value("string"), "the task, as the model wrote it"),
    ),
    needs="engine",
    step="C->I",
    settings="instructions",
    run=instructions,
)
