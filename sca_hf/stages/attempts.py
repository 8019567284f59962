"""Columns of an attempt that an answer of the model makes, for the stages that write attempts."""

from datasets import List, Value

from sca_hf.prompts.answers import Answer
from sca_hf.prompts.forgotten_imports import with_forgotten_imports
from sca_hf.stage import REJECT_REASON, Column, written_by
from sca_hf.stages.context import Row

TESTS = (
    Column("tests", Value("string"), "the model's own tests of the answer: fenced code"),
    Column("tests_inferred", Value("bool"), "whether the tests had no label, but are the last code of the answer"),
    Column("tests_imports", List(Value("string")), "modules whose import the tests had forgotten, and were given"),
    Column("tests_cut", Value("bool"), "whether the tests were cut off, and end with their last whole statement"),
    written_by("response"),
    written_by("tests"),
)
"""What `written` gives a row beside `response`."""


def written(answer: Answer, writer: str | None, *, infer_imports: bool) -> Row:
    """Return the columns of an attempt that the model `writer` wrote, and why it is rejected."""
    tests, imports = answer.tests, tuple[str, ...]()
    if infer_imports and answer.reject_reason is None:
        tests, imports = with_forgotten_imports(answer.response, answer.tests)
    return {
        "response": answer.response,
        "tests": tests,
        "tests_inferred": answer.tests_inferred,
        "tests_imports": list(imports),
        "tests_cut": answer.tests_cut,
        "response_by": writer,
        "tests_by": writer,
        REJECT_REASON: answer.reject_reason,
    }
