"""Rows in the shapes that trainers take: pure functions of an SFT row and its attempts."""

from collections import Counter

import pytest
from datasets import Dataset

from sca_hf.training import formats
from sca_hf.training.formats import FORMATS, entry_point, messages, preference, prompt_completion, reinforcement
from tests.training.rows import attempt, conversation, sft_row


def test_a_conversation_is_parted_before_its_last_message() -> None:
    row = sft_row("apple")
    asked, answered = conversation("apple")
    assert messages(row) == {"id": "row-apple", "messages": [asked, answered]}
    assert prompt_completion(row) == {"id": "row-apple", "prompt": [asked], "completion": [answered]}


def test_a_pair_is_the_response_and_a_wrong_attempt() -> None:
    row = sft_row("apple")
    pair = preference(row, [attempt("apple", 1, "passed"), attempt("apple", 2, "failed")], seed=1)
    assert pair is not None
    assert pair["prompt"] == [{"role": "user", "content": "Return the word apple."}]
    assert pair["chosen"][0]["content"] == row["response"]
    assert pair["rejected"][0]["content"] == attempt("apple", 2, "failed")["response"]


@pytest.mark.parametrize("status", ["timeout", "out-of-memory", "killed", "early-exit", "no-assertion", "passed"])
def test_what_the_machine_ended_is_never_rejected_for_it(status: str) -> None:
    assert preference(sft_row("apple"), [attempt("apple", number, status) for number in range(9)], seed=1) is None


@pytest.mark.parametrize("status", ["failed", "syntax-error"])
def test_what_is_wrong_is_rejected(status: str) -> None:
    assert preference(sft_row("apple"), [attempt("apple", 1, status)], seed=1) is not None


def test_an_answer_is_not_its_own_opposite() -> None:
    row = sft_row("apple")
    assert preference(row, [attempt("apple", 1, "failed", row["response"])], seed=1) is None


def test_the_wrong_attempt_is_drawn_evenly_and_in_no_order() -> None:
    wrong = [attempt("apple", number, "failed") for number in range(4)]
    drawn = []
    for number in range(400):
        row = sft_row("apple") | {"id": f"row-{number}"}
        pair, other = preference(row, wrong, seed=1), preference(row, wrong[::-1], seed=1)
        assert pair == other
        assert pair is not None
        drawn.append(pair["rejected"][0]["content"])
    counts = Counter(drawn)
    # chi-square, 3 degrees of freedom: 16.3 is passed once in a thousand; the draw is seeded, so never by chance
    assert sum((count - 100) ** 2 / 100 for count in counts.values()) < 16.3
    assert len(counts) == 4


def test_a_task_for_reinforcement_has_tests_a_name_and_a_rate() -> None:
    row = reinforcement(sft_row("apple"), [attempt("apple", 1, "passed"), attempt("apple", 2, "timeout")])
    assert row["prompt"] == conversation("apple")[:1]
    assert row["tests"] == 'assert apple() == "apple"\n'
    assert (row["entry_point"], row["pass_rate"]) == ("apple", 0.5)
    assert reinforcement(sft_row("apple"), [])["pass_rate"] is None


@pytest.mark.parametrize(
    ("code", "tests", "name"),
    [
        ("def helper(): ...\ndef main(): ...", "assert main() == 1\nassert helper()", "main"),
        ("class Stack: ...", "s = Stack()\nassert s", "Stack"),
        ("async def go(): ...", "import asyncio\nassert asyncio.run(go())", "go"),
        ("x = 1", "assert x == 1", None),
        ("def f(): ...", "assert g()", None),
        ("def f(:", "assert f()", None),
        ("def f(): ...", "assert (", None),
        ("def f(): ...", "\0", None),
    ],
)
def test_the_entry_point_is_the_first_name_that_tests_use(code: str, tests: str, name: str | None) -> None:
    assert entry_point(code, tests) == name


def test_every_format_has_the_columns_that_it_declares() -> None:
    row, attempts = sft_row("apple"), [attempt("apple", 1, "failed")]
    made = {
        "messages": messages(row),
        "prompt-completion": prompt_completion(row),
        "dpo": preference(row, attempts, 1),
        "rl": reinforcement(row, attempts),
    }
    assert made.keys() == FORMATS.keys() == formats.FORMATS.keys()
    for name, features in FORMATS.items():
        assert Dataset.from_list([made[name]], features=features)[0] == made[name]
