"""What the stages make of completions."""

import pytest

from sca_hf.prompts.answers import parse_answer
from sca_hf.prompts.concept_lists import parse_concepts
from sca_hf.recipe import load_recipe
from sca_hf.stages.instructions import draw_property

RESPONSE = "Double it:\n\n```python\ndef double(x):\n    return 2 * x\n```"
TESTS = "```python\nassert double(2) == 4\n```"


@pytest.mark.parametrize(
    ("text", "concepts"),
    [
        ("recursion, list comprehension", ["recursion", "list comprehension"]),
        ("\nrecursion,\trecursion, `slicing`.\nmore", ["recursion", "slicing"]),
        ("one two three four five six seven eight nine, slicing", ["slicing"]),
        (" , ,\n", []),
        ("", []),
    ],
)
def test_concepts(text: str, concepts: list[str]) -> None:
    assert parse_concepts(text, "stop") == concepts


@pytest.mark.parametrize(
    ("text", "concepts"),
    [
        ("recursion, list compre", ["recursion"]),
        ("recursion, slicing\nmo", ["recursion", "slicing"]),
        ("again and again and again and again and again and", []),
        ("recursion, slicing\n", ["recursion", "slicing"]),
        ("recurs", []),
    ],
)
def test_a_concept_that_was_cut_off_is_none(text: str, concepts: list[str]) -> None:
    assert parse_concepts(text, "length") == concepts


@pytest.mark.parametrize(
    ("completion", "finish_reason", "reason"),
    [
        (f"{RESPONSE}\n\n[Tests]\n{TESTS}\n\n", "stop", None),
        (f"{RESPONSE}\n\n[Tests]\n{TESTS}", "length", "cut-off"),
        (f"[Tests]\n{TESTS}", "stop", "no-response"),
        ("", "stop", "no-response"),
        (RESPONSE, "stop", "no-tests"),
        (f"{RESPONSE}\n[Tests]\n{TESTS}\n[Tests]\n{TESTS}", "stop", "several-tests"),
        (f"{RESPONSE}\n[Tests]\nassert double(2) == 4", "stop", "no-code"),
        (f"Double it.\n[Tests]\n{TESTS}", "stop", "no-code"),
        (f"{RESPONSE}\n[Tests]\n```python\nassert double(2) == 4", "stop", "no-code"),
    ],
)
def test_answers(completion: str, finish_reason: str, reason: str | None) -> None:
    answer = parse_answer(completion, finish_reason, infer_tests=True)
    assert answer.reject_reason == reason
    if reason is None:
        assert (answer.response, answer.tests) == (RESPONSE, TESTS)


def test_properties_follow_their_weights() -> None:
    settings = load_recipe("selfcodealign").instructions
    drawn = [draw_property(settings, 3407, f"row {row}", ["slicing"]) for row in range(4000)]
    share = sum(wanted.category == "function implementation" for wanted in drawn) / len(drawn)
    assert 0.46 < share < 0.54  # 2 : 1 : 1; five standard errors are 0.04
    assert {wanted.difficulty for wanted in drawn} == {"easy", "medium", "hard"}
    assert drawn == [draw_property(settings, 3407, f"row {row}", ["slicing"]) for row in range(4000)]
