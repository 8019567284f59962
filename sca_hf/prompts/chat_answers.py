"""What a chat model answers: its answer apart from what it thought, and why it is none.

Reasoning models write what they think before the answer, between `<think>` and `</think>`; some chat templates write
the opening tag themselves, so that the answer has the closing one alone.
"""

import ast
import re
from dataclasses import dataclass

from sca_hf.prompts.answers import parse_response
from sca_hf.prompts.build import CUT
from sca_hf.prompts.code_blocks import code_blocks, fenced, markdown_tokens, normal_text
from sca_hf.prompts.natural_language import language_of
from sca_hf.prompts.syntax import defined_names, parsed, without_definitions

_OPEN = re.compile(r"\A\s*<(think|thinking|thought|reasoning)>", re.IGNORECASE)
_CLOSE = re.compile(r"</(think|thinking|thought|reasoning)>", re.IGNORECASE)
_FENCE = re.compile(r"^\s*(```|~~~)", re.MULTILINE)

_BEGINNING = 400  # characters in which a refusal shows
_CANT = (
    r"(can(?:no|')?t|can not|am unable|'m unable|am not able|'m not able|won't|will not|must decline|have to decline)"
)
_REFUSALS = re.compile(
    rf"\bi {_CANT}( to)? (help|assist|provide|fulfil|comply|answer|write|create|complete|support|continue|engage|do)\b"
    rf"|\bi'm (unable|not able) to\b|\bi (must|have to) (decline|refuse)\b|\bi'd rather not\b"
    rf"|\b(sorry|apologi[sz]e|unfortunately)\b[^.\n]{{0,80}}\b{_CANT}\b"
    r"|\bas an ai\b|\bas a(n ai)? language model\b|\bagainst my (guidelines|programming|policy)\b",
    re.IGNORECASE,
)
_OTHER_LANGUAGES = re.compile(r"[A-Za-z][\w+#-]*")
_NO_PROGRAM = {"text", "txt", "output", "console", "bash", "sh", "shell", "markdown", "md", "plaintext", "json", "yaml"}


@dataclass(frozen=True)
class ChatAnswer:
    """`text` of an answer without what was thought before it, which is `reasoning`; `is_cut`: it ended in there."""

    text: str
    reasoning: str
    is_cut: bool = False


def without_reasoning(completion: str) -> ChatAnswer:
    """Part a completion into what was thought and what is answered."""
    text, thoughts = normal_text(completion), list[str]()
    while opened := _OPEN.match(text):
        closing = _CLOSE.search(text, opened.end())
        if closing is None:
            return ChatAnswer("", "\n\n".join([*thoughts, text[opened.end() :].strip()]), is_cut=True)
        thoughts.append(text[opened.end() : closing.start()].strip())
        text = text[closing.end() :]
    closing = _CLOSE.search(text)
    if (
        not thoughts
        and closing
        and len(_FENCE.findall(text[: closing.start()])) % 2 == 0
        and _ends_a_line(text, closing)
    ):
        thoughts, text = [text[: closing.start()].strip()], text[closing.end() :]
    return ChatAnswer(text.strip("\n"), "\n\n".join(filter(None, thoughts)))


def _ends_a_line(text: str, match: re.Match[str]) -> bool:
    """Whether nothing but blanks follows on the line: prose about the tag goes on behind it."""
    return not text[match.end() :].split("\n", 1)[0].strip()


def read_response(completion: str, finish_reason: str, instruction: str) -> tuple[str, str, str | None]:
    """Return the response in an answer, the reasoning before it, and why it is rejected.

    Reasons: `cut-off-reasoning`, `cut-off-response`, `repetition`, `no-response`, `refusal`, `other-language` (another
    natural language than the instruction's), `other-programming-language` (code, and none of it Python), `no-code`.
    """
    answer = without_reasoning(completion)
    if answer.is_cut:
        return "", answer.reasoning, _cut_in_thought(finish_reason)
    response, reason = parse_response(answer.text, finish_reason, infer_tests=True)
    if reason == "no-code":
        reason = _without_python(response)
    if reason is None and _other_language(instruction, response):
        reason = "other-language"
    return response, answer.reasoning, reason


def read_tests(completion: str, finish_reason: str, response: str) -> tuple[str, str, str | None]:
    """Return the tests in an answer, in one fence, the reasoning before them, and why they are rejected.

    What defines again what the response defines is cut out of them: it would be tested in its place.

    Reasons: `cut-off-reasoning`, `cut-off-tests`, `repetition`, `refusal`, `no-tests` (no Python), `repeats-response`
    (no Python but such).
    """
    answer = without_reasoning(completion)
    if answer.is_cut:
        return "", answer.reasoning, _cut_in_thought(finish_reason)
    names = defined_names("\n".join(code_blocks(response)))
    blocks = code_blocks(answer.text)
    kept = [left for block in blocks if (left := without_definitions(block, names).strip()) and not _only_imports(left)]
    tests = fenced("\n\n".join(kept)) if kept else ""
    if finish_reason in CUT:
        return tests, answer.reasoning, "cut-off-tests" if finish_reason == "length" else CUT[finish_reason]
    if kept:
        return tests, answer.reasoning, None
    if blocks:
        return tests, answer.reasoning, "repeats-response"
    return tests, answer.reasoning, "refusal" if is_refusal(answer.text) else "no-tests"


def _only_imports(code: str) -> bool:
    tree = parsed(code)
    return tree is not None and all(isinstance(node, ast.Import | ast.ImportFrom) for node in tree.body)


def is_refusal(text: str) -> bool:
    """Return whether a text without code begins by saying that there will be no answer."""
    return _REFUSALS.search(text[:_BEGINNING].replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")) is not None


def _cut_in_thought(finish_reason: str) -> str:
    return {"length": "cut-off-reasoning", "repetition": "repetition"}.get(finish_reason, "no-response")


def _without_python(text: str) -> str:
    """Why a response without Python code is none."""
    if is_refusal(text):
        return "refusal"
    tags = (_OTHER_LANGUAGES.match(token.info.strip()) for token in markdown_tokens(text) if token.type == "fence")
    others = {tag[0].lower() for tag in tags if tag} - _NO_PROGRAM
    return "other-programming-language" if others else "no-code"


def _other_language(instruction: str, response: str) -> bool:
    asked, answered = language_of(instruction), language_of(response)
    return asked is not None and answered is not None and asked != answered
