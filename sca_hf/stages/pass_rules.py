"""When an attempt passes: its program does, and so do all rules of selection that look at one response alone."""

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from sca_hf.benchmarks.texts import BenchmarkText
from sca_hf.filters.asked_names import other_names
from sca_hf.filters.decontaminate import DecontaminateSettings, load_contaminants
from sca_hf.filters.leftovers import LeftoverWords, has_substring
from sca_hf.parallel.ordered_map import Row
from sca_hf.prompts.code_blocks import blocks_of, code_blocks, markdown_tokens
from sca_hf.sandbox import Program
from sca_hf.settings import Settings

PASSED = "passed"

WRONG = frozenset({"failed", "syntax-error"})
"""Statuses of attempts whose response, or tests, are wrong: no limit of the machine ended them."""


def program_of(response: str, tests: str) -> Program:
    """Return the program that a response and its tests make: their Python blocks, in order."""
    return Program(code="\n".join(code_blocks(response)), tests="\n".join(code_blocks(tests)))


def place_of(response: str, tests: str, line: int) -> tuple[str, int, str] | None:
    """Return where line `line` of the program that they make is: "response" or "tests", which line of that text it is,
    from 1, and what it says; None if it is of neither."""
    first = 1  # line of the program with which a block begins; what follows its last line break lies between two
    for name, text in (("response", response), ("tests", tests)):
        for block in blocks_of(markdown_tokens(text)):
            if not block.is_python:
                continue
            lines = block.code.split("\n")
            if first <= line < first + len(lines):
                return name, block.code_line + line - first + 1, lines[line - first]
            first += len(lines)
    return None


def sample_of(attempt: Row) -> int | str:
    """Return which sample of its instruction an attempt is of: its index, or the attempt's id where it has none."""
    sample: int | None = attempt.get("sample")
    return attempt["id"] if sample is None else sample


def is_vacuous(attempt: Row) -> bool:
    """Return whether stage `mutants` has tried an attempt's tests, and they noticed none."""
    return bool(attempt.get("mutants")) and not attempt["mutants_killed"]


class PassSettings(Settings):
    """Rules for one attempt alone; the defaults are the paper's (METHOD.md, section 5), but for `leftover_rule`.

    `max_instruction_words`: longest instruction; `leftovers`: words of work left undone, which neither response nor
    tests may contain; `leftover_rule`: "words" finds what is left to be done (`sca_hf.filters.leftovers`), "substrings"
    is the paper's rule, for which "TodoList", "Mastodon" and "método" hold a "todo"; `asked_names`: the response must
    define, and its tests use, what the instruction names as code to be written (`sca_hf.filters.asked_names`; the paper
    has no such rule); `decontaminate`: the benchmarks whose texts no instruction and no response may contain.
    """

    max_instruction_words: int = Field(default=200, ge=1)
    leftovers: tuple[str, ...] = ("todo", "fixme", "your code here", "notimplemented")
    leftover_rule: Literal["words", "substrings"] = "words"
    asked_names: bool = True
    decontaminate: DecontaminateSettings | None = None


@dataclass(frozen=True)
class Ruling:
    """Why an attempt fails (None: it passes), and what shows it: names that it lacks, texts of benchmarks in it."""

    reason: str | None
    other_names: tuple[str, ...] = ()
    benchmark_texts: tuple[BenchmarkText, ...] = ()


class PassRules:
    """The rules of `settings` for one attempt. Loads the benchmarks that they name."""

    def __init__(self, settings: PassSettings) -> None:
        self._settings = settings
        self._words = LeftoverWords(settings.leftovers)
        self._contaminants = load_contaminants(settings.decontaminate) if settings.decontaminate else None

    def intent(self) -> dict[str, Any]:
        """Return what of the settings decides, for a fingerprint."""
        intent = self._settings.intent()
        return {name: intent[name] for name in PassSettings.model_fields}

    def ruling(self, attempt: Row) -> Ruling:
        """Return what the rules say of an attempt (`instruction`, `response`, `tests`, `status`).

        Where stage `mutants` has tried its tests (`mutants`, `mutants_killed`), they must have noticed one.
        """
        instruction, response, tests = attempt["instruction"], attempt["response"], attempt["tests"]
        if attempt["status"] != PASSED:
            return Ruling(f"execution-{attempt['status']}")
        if is_vacuous(attempt):
            return Ruling("vacuous-tests")
        if self._has_leftover([response, tests]):
            return Ruling("leftover")
        if self._is_long(instruction):
            return Ruling("long-instruction")
        names = other_names(instruction, response, tests) if self._settings.asked_names else []
        if names:
            return Ruling("other-names", other_names=tuple(names))
        texts = (*self._found_in(instruction), *self._found_in(response))
        return Ruling(f"contaminated-{texts[0].benchmark}" if texts else None, benchmark_texts=texts)

    def can_pass(self, instruction: str) -> bool:
        """Return whether a response to the instruction could pass at all."""
        return not self._is_long(instruction) and not self._found_in(instruction)

    def passes(self, attempt: Row) -> bool:
        """Return whether an attempt passes."""
        return self.ruling(attempt).reason is None

    def _has_leftover(self, texts: list[str]) -> bool:
        if self._settings.leftover_rule == "substrings":
            return has_substring(texts, self._settings.leftovers)
        return self._words.are_in(texts)

    def _is_long(self, instruction: str) -> bool:
        return len(instruction.split()) > self._settings.max_instruction_words

    def _found_in(self, text: str) -> list[BenchmarkText]:
        return self._contaminants.found_in(text) if self._contaminants else []
