"""A chat model writes tests for each response: the model that wrote it, or another one."""

from datasets import Dataset, List, Value
from pydantic import Field

from sca_hf.engines import RowFailure
from sca_hf.prompts.build import chat_tests as conversation_of
from sca_hf.prompts.chat_answers import read_tests
from sca_hf.prompts.forgotten_imports import with_forgotten_imports
from sca_hf.stage import REJECT_REASON, Column, Stage, written_by
from sca_hf.stages.chat import ChatSettings, chat_step
from sca_hf.stages.context import Context, Row
from sca_hf.stages.few_shot import Part


class ChatTestsSettings(ChatSettings):
    """How tests are asked for. `infer_imports`: tests that forget to import a module of the standard library, or
    pytest, get the import."""

    shots: int = Field(default=1, ge=0, le=100)
    infer_imports: bool = True


def chat_tests(responses: Dataset, settings: ChatTestsSettings, context: Context) -> Dataset:
    """Return a row a response, with `tests`, `tests_imports` and `tests_reasoning`.

    Reasons: `cut-off-reasoning`, `cut-off-tests`, `repetition`, `refusal`, `no-tests`, `repeats-response` (all code of
    the answer defines again what the response defines), `copied-exemplar-<number>`, `prompt-too-long`, `engine-error`.
    """
    step = chat_step(context, settings, STAGE.name, conversation_of)
    part = Part(STAGE.name, (), settings.max_tokens)

    async def tests_of(row: Row) -> Row:
        tests, reasoning, imports, reason = "", "", tuple[str, ...](), None
        conversation = step.prompt(row["id"], (row["instruction"], row["response"]))
        try:
            text, finish_reason = await step.sample(part, conversation, row["id"])
            tests, reasoning, reason = read_tests(text, finish_reason, row["response"])
        except RowFailure as failure:
            reason = failure.reason
        if reason is None:
            reason = step.copied("tests", tests, row["id"])
            if settings.infer_imports:
                tests, imports = with_forgotten_imports(row["response"], tests)
        return {
            "tests": tests,
            "tests_imports": list(imports),
            "tests_reasoning": reasoning,
            "tests_by": context.writer,
            REJECT_REASON: reason,
        }

    return context.map_rows(STAGE, responses, tests_of, step.order(responses))


STAGE = Stage(
    name="chat_tests",
    version=1,
    title="A chat model writes tests for each response.",
    uses=("id", "instruction", "response"),
    adds=(
        Column("tests", Value("string"), "tests of the response: fenced code"),
        Column("tests_imports", List(Value("string")), "modules whose import the tests had forgotten, and were given"),
        Column("tests_reasoning", Value("string"), "what the model thought before it wrote the tests"),
        written_by("tests"),
    ),
    settings=ChatTestsSettings,
    run=chat_tests,
    needs="engine",
    draws=True,
    step="chat:IR->T",
)
