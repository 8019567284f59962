"""The selected rows in the shape that trainers read."""

from datasets import Dataset, List, Value
from pydantic import Field

from sca_hf.context import Context, Row
from sca_hf.identity import row_id, row_random
from sca_hf.prompts.code_blocks import code_blocks, fenced
from sca_hf.settings import Settings
from sca_hf.stage import REJECT_REASON, Column, Stage
from sca_hf.stages.select import STAGE as SELECT

_KEPT = ("execute_id", "response_id", "instruction_id", "concepts_id", "seed_id", "seed", "path", "name", "license")
_WRITTEN = ("concepts", "category", "language", "difficulty", "instruction", "response", "tests", "tests_inferred")


class SftSettings(Settings):
    """Short tests join the instruction with this probability (the paper: one half, at most 5 lines)."""

    tests_probability: float = Field(default=0.5, ge=0.0, le=1.0)
    max_tests_lines: int = Field(default=5, ge=1)


def sft(selected: Dataset, context: Context) -> Dataset:
    """One row a selected row: ids of all its parents, what was written, and `messages` (user, assistant)."""
    settings = context.recipe.sft

    def conversation(row: Row) -> Row:
        prompt = row["instruction"]
        tests = "\n".join(code_blocks(row["tests"])).strip()
        short = len(tests.splitlines()) <= settings.max_tests_lines
        random = row_random(context.recipe.seed, "tests in the instruction", row["id"])
        if short and random.random() < settings.tests_probability:
            prompt += f"\n\nYour code should pass these tests:\n\n{fenced(tests)}"
        messages = [{"role": "user", "content": prompt}, {"role": "assistant", "content": row["response"]}]
        kept = {name: row[name] for name in (*_KEPT, *_WRITTEN)}
        return {
            "id": row_id(row["id"], "sft"),
            "select_id": row["id"],
            **kept,
            "messages": messages,
            REJECT_REASON: None,
        }

    def conversations(batch: Row) -> Row:
        rows = [dict(zip(batch, values, strict=True)) for values in zip(*batch.values(), strict=True)]
        made = [conversation(row) for row in rows]
        return {name: [row[name] for row in made] for name in STAGE.features}

    return context.map_batches(selected, conversations, STAGE.features, "sft")


_SELECTED = {column.name: column for column in SELECT.columns}

STAGE = Stage(
    name="sft",
    version=2,
    title="The selected rows as conversations for supervised fine-tuning.",
    reads=SELECT.names,
    columns=(
        Column("id", Value("string"), "hash of the selected row's id and the stage"),
        Column("select_id", Value("string"), "id of the selected row"),
        *(_SELECTED[name] for name in (*_KEPT, *_WRITTEN)),
        Column(
            "messages",
            List({"role": Value("string"), "content": Value("string")}),
            "the conversation: user (instruction, sometimes with its tests), then assistant (response)",
        ),
    ),
    needs=None,
    settings="sft",
    run=sft,
)
