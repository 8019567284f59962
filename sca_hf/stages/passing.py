"""When an attempt passes: its program does, and so do all rules of selection that look at one response alone."""

from typing import TYPE_CHECKING, Any

from sca_hf.ahead import Row
from sca_hf.benchmark_texts import BenchmarkText
from sca_hf.decontaminate import load_contaminants
from sca_hf.filters.leftovers import LeftoverWords, has_substring
from sca_hf.prompts.code_blocks import code_blocks
from sca_hf.sandbox import Program

if TYPE_CHECKING:
    from sca_hf.stages.select import SelectSettings

PASSED = "passed"


def program_of(response: str, tests: str) -> Program:
    """The program that a response and its tests make: their Python blocks, in order."""
    return Program(code="\n".join(code_blocks(response)), tests="\n".join(code_blocks(tests)))


class Rules:
    """The rules of `settings` for one attempt. Loads the benchmarks that they name."""

    def __init__(self, settings: "SelectSettings") -> None:
        self._settings = settings
        self._words = LeftoverWords(settings.leftovers)
        self._contaminants = load_contaminants(settings.decontaminate) if settings.decontaminate else None

    def intent(self) -> dict[str, Any]:
        """What of the settings decides, for a fingerprint."""
        intent = self._settings.intent()
        return {name: intent[name] for name in ("max_instruction_words", "leftovers", "leftover_rule", "decontaminate")}

    def reject_reason(self, attempt: Row) -> tuple[str | None, list[BenchmarkText]]:
        """Why an attempt (`instruction`, `response`, `tests`, `status`) is no pass, and benchmark texts in it."""
        if attempt["status"] != PASSED:
            return f"execution-{attempt['status']}", []
        if self._has_leftover([attempt["response"], attempt["tests"]]):
            return "leftover", []
        if self._is_long(attempt["instruction"]):
            return "long-instruction", []
        found = [*self._found_in(attempt["instruction"]), *self._found_in(attempt["response"])]
        return (f"contaminated-{found[0].benchmark}" if found else None), found

    def can_pass(self, instruction: str) -> bool:
        """Whether a response to the instruction could pass at all."""
        return not self._is_long(instruction) and not self._found_in(instruction)

    def _has_leftover(self, texts: list[str]) -> bool:
        if self._settings.leftover_rule == "substrings":
            return has_substring(texts, self._settings.leftovers)
        return self._words.are_in(texts)

    def _is_long(self, instruction: str) -> bool:
        return len(instruction.split()) > self._settings.max_instruction_words

    def _found_in(self, text: str) -> list[BenchmarkText]:
        return self._contaminants.found_in(text) if self._contaminants else []
