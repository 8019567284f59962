"""S->C: the model names the programming concepts that a seed uses."""

from typing import Any

from datasets import Dataset, List, Value
from pydantic import Field

from sca_hf.engines import RowFailure
from sca_hf.prompts.build import CONCEPTS_STOP, concepts_prompt
from sca_hf.prompts.concept_lists import parse_concepts
from sca_hf.stage import REJECT_REASON, Column, Stage
from sca_hf.stages.context import Context, Row
from sca_hf.stages.few_shot import FewShotStep, Part, ShotSettings


class ConceptsSettings(ShotSettings):
    """How concepts are asked for. `max_concepts`: keep at most this many."""

    max_concepts: int = Field(default=10, ge=1, le=100)


def concepts(seeds: Dataset, settings: ConceptsSettings, context: Context) -> Dataset:
    """Return a row a seed, with `concepts`.

    Reasons: `no-concepts`, `repetition` (none, and it repeats itself), `prompt-too-long`, `engine-error`.
    """
    step = FewShotStep(context, settings, "concepts", concepts_prompt)
    part = part_of(settings)

    async def concepts_of(seed: Row) -> Row:
        try:
            text, finish_reason = await step.sample(part, step.prompt(seed["id"], seed["seed"]), seed["id"])
        except RowFailure as failure:
            return {"concepts": [], REJECT_REASON: failure.reason}
        names = parse_concepts(text, finish_reason)[: settings.max_concepts]
        none = "repetition" if finish_reason == "repetition" else "no-concepts"
        return {"concepts": names, REJECT_REASON: None if names else none}

    return context.map_rows(STAGE, seeds, concepts_of, step.order(seeds))


def part_of(settings: ShotSettings) -> Part:
    """Return what the step asks for."""
    return Part("concepts", CONCEPTS_STOP, settings.max_tokens)


def _listed(ready_made: Any) -> list[str]:
    """Return concepts of a ready-made row, which may be a text with commas."""
    return [part.strip() for part in ready_made.split(",")] if isinstance(ready_made, str) else ready_made or []


STAGE = Stage(
    name="concepts",
    version=4,
    title="The base model names the programming concepts that each seed uses (S->C).",
    uses=("id", "seed"),
    adds=(
        Column("id", Value("string"), "hash of the seed's id and the stage"),
        Column("seed_id", Value("string"), "id of the seed"),
        Column("concepts", List(Value("string")), "programming concepts, in the model's order", parse=_listed),
    ),
    parent_id="seed_id",
    settings=ConceptsSettings,
    run=concepts,
    needs="engine",
    draws=True,
    step="S->C",
)
