"""The selected rows in the shape that trainers read."""

from datasets import Dataset, Value
from pydantic import Field

from sca_hf.identity import row_random
from sca_hf.prompts.chat import CHAT_TEMPLATE
from sca_hf.prompts.code_blocks import code_blocks, fenced
from sca_hf.prompts.ready_made import as_markdown, with_code
from sca_hf.settings import Settings
from sca_hf.stage import REJECT_REASON, Column, Stage
from sca_hf.stages.context import Context, Row
from sca_hf.stages.formats import FORMATS, MESSAGES


class SftSettings(Settings):
    """What is put together for trainers.

    `tests_probability`: how often short tests join their instruction (the paper: one half). `max_tests_lines`: longest
    tests that may (the paper: 5).
    """

    tests_probability: float = Field(default=0.5, ge=0.0, le=1.0)
    max_tests_lines: int = Field(default=5, ge=1)


def sft(selected: Dataset, settings: SftSettings, context: Context) -> Dataset:
    """Return a row a selected row, with `messages` (user, assistant). Rows without tests keep their instruction."""

    def prompt(row_id: str, instruction: str, answer_tests: str | None) -> str:
        tests = "\n".join(code_blocks(answer_tests or "")).strip()
        short = bool(tests) and len(tests.splitlines()) <= settings.max_tests_lines
        random = row_random(context.seed, "tests in the instruction", row_id)
        if short and random.random() < settings.tests_probability:
            return f"{instruction}\n\nYour code should pass these tests:\n\n{fenced(tests)}"
        return instruction

    def conversations(batch: Row) -> Row:
        count = len(batch["id"])
        tests = batch.get("tests") or [""] * count
        prompts = map(prompt, batch["id"], batch["instruction"], tests)
        return {
            "messages": [
                [{"role": "user", "content": user}, {"role": "assistant", "content": assistant}]
                for user, assistant in zip(prompts, batch["response"], strict=True)
            ],
            REJECT_REASON: [None] * count,
        }

    return context.map_batches(STAGE, selected, conversations)


STAGE = Stage(
    name="sft",
    version=3,
    title="The selected rows as conversations for supervised fine-tuning.",
    uses=("id", "instruction", "response"),
    optional=("tests", "failed_response", "pass_rate"),
    reads={"response": as_markdown, "tests": with_code},
    adds=(
        Column("id", Value("string"), "hash of the selected row's id and the stage"),
        Column("select_id", Value("string"), "id of the selected row"),
        Column(
            "messages",
            MESSAGES,
            "the conversation: user (instruction, sometimes with its tests), then assistant (response)",
        ),
    ),
    parent_id="select_id",
    settings=SftSettings,
    run=sft,
    draws=True,
    shows=("instruction", "response", "tests"),
    formats=FORMATS,
    beside={"chat_template.jinja": CHAT_TEMPLATE},
)
