"""Completions of I->R, taken apart: the response, and the tests below the label `[Tests]`."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markdown_it.token import Token

from sca_hf.prompts.build import CUT
from sca_hf.prompts.code_blocks import blocks_of, code_blocks, markdown_tokens, normal_text
from sca_hf.prompts.only_tests import only_tests

# On a line of its own: with blanks, a colon, in bold; the parser takes the marks of a heading, list or quote off.
_LABEL = re.compile(r"[*_]*\[ *tests *\][*_]* *:? *[*_]*", re.IGNORECASE)


@dataclass(frozen=True)
class Answer:
    """Both parts of a completion. `reject_reason` is null when both are there and hold Python code.

    `tests_inferred`: there was no label, and the last code blocks were taken for the tests.
    """

    response: str
    tests: str
    tests_inferred: bool
    reject_reason: str | None


def parse_answer(completion: str, finish_reason: str, *, infer_tests: bool) -> Answer:
    """Take a completion of I->R apart. What was cut off keeps its text, for people to look at.

    Reasons: `cut-off`, `repetition`, `no-response`, `no-tests`, `several-tests`, `no-code`.
    """
    lines = normal_text(completion).split("\n")
    tokens = markdown_tokens("\n".join(lines))
    labels = list(_labels(tokens))
    inferred = _first_line_of_tests(lines, tokens) if infer_tests and not labels else None
    starts = labels if inferred is None else [(inferred, inferred)]
    begins = [0, *(end for _, end in starts)]
    ends = [*(begin for begin, _ in starts), len(lines)]
    response, *tests = (_trimmed(lines[begin:end]) for begin, end in zip(begins, ends, strict=True))
    if finish_reason in CUT:
        reason: str | None = CUT[finish_reason]
    elif not response:
        reason = "no-response"
    elif len(tests) != 1:
        reason = "several-tests" if tests else "no-tests"
    else:
        reason = None if code_blocks(response) and code_blocks(tests[0]) else "no-code"
    return Answer(response, "\n\n".join(tests), inferred is not None, reason)


def _labels(tokens: Sequence[Token]) -> Iterator[tuple[int, int]]:
    """Yield the first line of each label and the line after it. Code is no paragraph or heading, so holds none."""
    for before, token in pairwise(tokens):
        if token.type != "inline" or token.map is None or before.map is None:
            continue
        texts = token.content.split("\n")
        for number, text in enumerate(texts, start=1):
            if _LABEL.fullmatch(text.strip()):
                line = token.map[0] + number
                is_last = number == len(texts)
                yield line - 1, before.map[1] if is_last else line  # a heading may be underlined


def _first_line_of_tests(lines: Sequence[str], tokens: Sequence[Token]) -> int | None:
    """The line where the last code blocks that only test begin, with what announces them; None if none does so, or
    no other code is there."""
    first = None
    for block in reversed([block for block in blocks_of(tokens) if block.is_python]):
        if not only_tests(block.code):
            return None if first is None else _with_announcement(lines, tokens, first)
        first = block.line
    return None


def _with_announcement(lines: Sequence[str], tokens: Sequence[Token], first: int) -> int:
    """The line where the headings above a block, and the line above it that ends in a colon, begin."""
    while True:
        above = first
        while above and not lines[above - 1].strip():
            above -= 1
        heading = next(
            (token.map[0] for token in tokens if token.type == "heading_open" and token.map and token.map[1] == above),
            None,
        )
        if heading is not None:
            first = heading
        elif above and lines[above - 1].rstrip(" *_").endswith(":"):
            first = above - 1
        else:
            return first


def _trimmed(lines: Sequence[str]) -> str:
    """Without blank lines around; the indentation of a first fence stays."""
    text = "\n".join(lines).rstrip()
    return re.sub(r"\A(?:[ \t]*\n)+", "", text)
