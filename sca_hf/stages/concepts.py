"""S->C: the model names the programming concepts that a seed uses."""

from datasets import Dataset, List, Value
from pydantic import Field

from sca_hf.context import Context, Row
from sca_hf.engines import RowFailure
from sca_hf.identity import row_id
from sca_hf.prompts.build import concepts_prompt
from sca_hf.prompts.concept_lists import parse_concepts
from sca_hf.stage import REJECT_REASON, Column, Stage, carried
from sca_hf.stages.sampling import FewShotStep, ShotSettings
from sca_hf.stages.seeds import STAGE as SEEDS


class ConceptsSettings(ShotSettings):
    """How concepts are asked for. `max_concepts`: the first so many are kept."""

    max_concepts: int = Field(default=10, ge=1, le=100)


def concepts(seeds: Dataset, context: Context) -> Dataset:
    """One row a seed: `seeds`' columns with `concepts`.

    Reasons: `no-concepts`, `repetition` (none, and it repeats itself), `prompt-too-long`, `engine-error`.
    """
    settings = context.recipe.concepts
    step = FewShotStep(context, settings, "concepts", concepts_prompt)

    async def concepts_of(seed: Row) -> Row:
        row = {**seed, "id": row_id(seed["id"], "concepts"), "seed_id": seed["id"], "concepts": [], REJECT_REASON: None}
        try:
            text, finish_reason = await step.sample(seed["id"], seed["seed"])
        except RowFailure as failure:
            return row | {REJECT_REASON: failure.reason}
        found = parse_concepts(text, finish_reason)[: settings.max_concepts]
        none = "repetition" if finish_reason == "repetition" else "no-concepts"
        return row | {"concepts": found, REJECT_REASON: None if found else none}

    return step.map_rows(seeds, concepts_of, STAGE.features)


STAGE = Stage(
    name="concepts",
    version=3,
    title="The base model names the programming concepts that each seed uses (S->C).",
    reads=SEEDS.names,
    columns=(
        Column("id", Value("string"), "hash of the seed's id and the stage"),
        Column("seed_id", Value("string"), "id of the seed"),
        *carried(SEEDS),
        Column("concepts", List(Value("string")), "programming concepts, in the model's order"),
    ),
    needs="engine",
    step="S->C",
    settings="concepts",
    run=concepts,
)
