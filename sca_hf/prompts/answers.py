"""Completions of I->R: the response, and the tests below the label `[Tests]`.

The model writes both in one completion, which is taken apart, or each in one of its own.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markdown_it.token import Token

from sca_hf.prompts.build import CUT, OPENING_FENCE
from sca_hf.prompts.code_blocks import CodeBlock, blocks_of, closed, code_blocks, fenced, markdown_tokens, normal_text
from sca_hf.prompts.cut_tests import whole_tests
from sca_hf.prompts.only_tests import only_tests

# On a line of its own: with blanks, a colon, in bold; the parser takes the marks of a heading, list or quote off.
_LABEL = re.compile(r"[*_]*\[ *tests *\][*_]* *:? *[*_]*", re.IGNORECASE)


@dataclass(frozen=True)
class Answer:
    """Both parts of a completion. `reject_reason` is null when both are there and hold Python code.

    `tests_inferred`: there was no label, and the last code blocks were taken for the tests. `tests_cut`: the tests were
    cut off, and are what was whole of them.
    """

    response: str
    tests: str
    tests_inferred: bool
    reject_reason: str | None
    tests_cut: bool = False


def parse_answer(completion: str, finish_reason: str, *, infer_tests: bool, cut_tests: bool) -> Answer:
    """Take a completion of I->R apart. What was cut off keeps its text, for people to look at.

    One that was cut off behind its tests, a closed block of Python below the label, counts as ended there; with
    `cut_tests`, one that was cut off within them counts as ended where their last whole statement does.

    Reasons: `cut-off`, `repetition`, `no-response`, `no-tests`, `several-tests`, `no-code`.
    """
    lines = normal_text(completion).split("\n")
    tokens = markdown_tokens("\n".join(lines))
    starts, inferred = _starts_of_tests(lines, tokens, infer_tests)
    block = _tests_block(tokens, starts[0][1]) if finish_reason in CUT and starts and not inferred else None
    whole = _whole(block, finish_reason) if cut_tests else None
    if block is not None and block.is_closed:
        finish_reason, lines, starts = "stop", lines[: block.end], starts[:1]
    elif block is not None and whole is not None:
        finish_reason, lines, starts = "stop", [*lines[: block.line], *whole.split("\n")], starts[:1]
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
    return Answer(response, "\n\n".join(tests), inferred, reason, tests_cut=whole is not None)


def parse_response(completion: str, finish_reason: str, *, infer_tests: bool) -> tuple[str, str | None]:
    """Return the response in a completion that was to end where the tests begin, and why it is rejected.

    Where it went on, with another label or with code that only tests, it is cut there, and came to its end.

    Reasons: `cut-off-response`, `repetition`, `no-response`, `no-code`.
    """
    response = _trimmed(normal_text(completion).split("\n"))
    lines = response.split("\n")
    starts, _ = _starts_of_tests(lines, markdown_tokens(response), infer_tests)
    if starts:
        finish_reason, response = "stop", _trimmed(lines[: starts[0][0]])
    if finish_reason in CUT:
        return response, _cut_part(finish_reason, "response")
    if not response:
        return response, "no-response"
    response = closed(response)
    return response, None if code_blocks(response) else "no-code"


def parse_tests(completion: str, finish_reason: str, *, cut_tests: bool) -> tuple[str, bool, str | None]:
    """Return the tests whose code a completion goes on with behind their opening fence, whether they were cut off and
    are what was whole of them (`cut_tests`), and why they are rejected.

    Reasons: `cut-off-tests`, `repetition`, `no-code`.
    """
    text = OPENING_FENCE + normal_text(completion)
    block = next(blocks_of(markdown_tokens(text)))
    whole = _whole(block, finish_reason) if cut_tests else None
    if whole is not None:
        return whole, True, None
    tests = "\n".join(text.split("\n")[: block.end]).rstrip() + ("" if block.is_closed else "\n```")
    if finish_reason in CUT and not block.is_closed:
        return tests, False, _cut_part(finish_reason, "tests")
    return tests, False, None if block.is_python else "no-code"


def _whole(block: CodeBlock | None, finish_reason: str) -> str | None:
    """The whole statements of a block that was cut off, as a block; None if it was not, or if they check nothing."""
    if block is None or block.is_closed or finish_reason not in CUT:
        return None
    whole = whole_tests(block.code, repeats=finish_reason == "repetition")
    return None if whole is None else fenced(whole)


def _cut_part(finish_reason: str, part: str) -> str:
    """The reject reason of one part: a repetition is one wherever it is."""
    return f"{CUT[finish_reason]}-{part}" if finish_reason == "length" else CUT[finish_reason]


def _starts_of_tests(
    lines: Sequence[str], tokens: Sequence[Token], infer_tests: bool
) -> tuple[list[tuple[int, int]], bool]:
    """The lines where tests are announced and where they begin, and whether that was inferred."""
    labels = list(_labels(tokens))
    inferred = _first_line_of_tests(lines, tokens) if infer_tests and not labels else None
    return (labels, False) if inferred is None else ([(inferred, inferred)], True)


def _tests_block(tokens: Sequence[Token], begin: int) -> CodeBlock | None:
    """The first block of Python from line `begin` on, None if there is none."""
    return next((block for block in blocks_of(tokens) if block.is_python and block.line >= begin), None)


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
