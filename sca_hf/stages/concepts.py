"""S->C: the model names the programming concepts that a seed uses."""

from datasets import Dataset, List, Value
from pydantic import Field

from sca_hf.context import Context, Row
from sca_hf.engines import RowFailure
from sca_hf.identity import row_id
from sca_hf.prompts.build import concepts_prompt
from sca_hf.stage import REJECT_REASON, Column, Stage, carried
from sca_hf.stages.sampling import FewShotStep, ShotSettings
from sca_hf.stages.seeds import STAGE as SEEDS

MAX_WORDS = 8  # a longer one is prose, not the name of a concept


class ConceptsSettings(ShotSettings):
    """How concepts are asked for. `max_concepts`: the first so many are kept."""

    max_concepts: int = Field(default=10, ge=1, le=100)


def concepts(seeds: Dataset, context: Context) -> Dataset:
    """One row a seed: `seeds`' columns with `concepts`. Reasons: `no-concepts`, `prompt-too-long`, `engine-error`."""
    settings = context.recipe.concepts
    step = FewShotStep(context, settings, "concepts", concepts_prompt)

    async def concepts_of(seed: Row) -> Row:
        row = {**seed, "id": row_id(seed["id"], "concepts"), "seed_id": seed["id"], "concepts": [], REJECT_REASON: None}
        try:
            text, finish_reason = await step.sample(seed["id"], seed["seed"])
        except RowFailure as failure:
            return row | {REJECT_REASON: failure.reason}
        found = parse_concepts(text, finish_reason)[: settings.max_concepts]
        return row | {"concepts": found, REJECT_REASON: None if found else "no-concepts"}

    return step.map_rows(seeds, concepts_of, STAGE.features)


def parse_concepts(text: str, finish_reason: str) -> list[str]:
    """The distinct concepts of a comma-separated line, in order; what is too long to be one is left out, and the last
    where max_tokens ("length") cut it off."""
    text = text.lstrip()
    line = next(iter(text.rstrip().splitlines()), "")
    names = [name.strip(" \t.`*\"'") for name in line.split(",")]
    if finish_reason == "length" and text.splitlines() == [text]:
        names.pop()
    return list(dict.fromkeys(name for name in names if name and len(name.split()) <= MAX_WORDS))


STAGE = Stage(
    name="concepts",
    version=2,
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
