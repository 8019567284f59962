"""Tasks that were made over, 60 by hand: which are tasks of their own, which say the same, which tell of the change."""

import json
from pathlib import Path

import pytest

from sca_hf.filters.evolutions import leaks_prompt, says_the_same
from sca_hf.prompts.parts import load_part_prompts
from sca_hf.stages.evolve import PARTS

PROMPTS = load_part_prompts("evolve.prompts", "default", "evolve.txt", PARTS, 0)
ASKED = [PROMPTS.system, *PROMPTS.texts["Change"].values()]
CASES = [json.loads(line) for line in Path(__file__).with_name("evolutions.jsonl").read_text().splitlines()]
"""`verdict`: "same", "leak", or null for a task of its own."""


def verdict(parent: str, evolved: str) -> str | None:
    if leaks_prompt(parent, evolved, ASKED):
        return "leak"
    return "same" if says_the_same(parent, evolved) else None


def test_at_least_57_of_60_are_right() -> None:
    assert len(CASES) == 60
    assert {case["verdict"] for case in CASES} == {"same", "leak", None}
    wrong = [case for case in CASES if verdict(case["parent"], case["evolved"]) != case["verdict"]]
    assert len(wrong) <= 3, wrong


@pytest.mark.parametrize("case", [case for case in CASES if case["verdict"] is None], ids=lambda case: case["evolved"])
def test_no_task_of_its_own_is_rejected(case: dict[str, str]) -> None:
    assert verdict(case["parent"], case["evolved"]) is None


def test_what_the_parent_speaks_of_is_no_leak() -> None:
    parent = "A wiki keeps versions of pages. Write `restore(page, number)` that brings an old version of it back."
    evolved = "A wiki keeps versions of pages. Write `difference(page, number)`: lines that an old version has alone."
    assert not leaks_prompt(parent, evolved, ASKED)
    assert leaks_prompt("Write `total(numbers)`.", evolved, ASKED)


def test_of_a_long_task_a_few_other_words_are_nothing_new() -> None:
    words = [f"word{number}" for number in range(200)]
    assert says_the_same(" ".join(words), " ".join([*words, "other", "things"]))
    assert not says_the_same(" ".join(words), " ".join([*words, *(f"more{number}" for number in range(12))]))
