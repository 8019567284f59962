"""pass@k is the Codex estimator, its intervals hold what they say, and fewer than k answers are an error."""

import random
from fractions import Fraction
from itertools import combinations
from math import comb

import pytest

from sca_hf.errors import InputError
from sca_hf.metrics.pass_at_k import estimate, mean_over_tasks, paired_difference, pass_at_k


def test_estimate_is_the_share_of_draws_with_a_pass() -> None:
    for answers in range(1, 9):
        for passes in range(answers + 1):
            for k in range(1, answers + 1):
                draws = list(combinations([True] * passes + [False] * (answers - passes), k))
                assert estimate(answers, passes, k) == pytest.approx(sum(map(any, draws)) / len(draws), abs=1e-12)


def test_estimate_is_exact_for_many_answers() -> None:
    chance = random.Random(0)
    for _ in range(300):
        answers = chance.randint(1, 2000)
        passes, k = chance.randint(0, answers), chance.randint(1, answers)
        exact = 1 - Fraction(comb(answers - passes, k), comb(answers, k))
        assert estimate(answers, passes, k) == pytest.approx(float(exact), abs=1e-9)


@pytest.mark.parametrize(
    ("answers", "passes", "k", "expected"),
    [(1, 0, 1, 0.0), (1, 1, 1, 1.0), (200, 0, 100, 0.0), (200, 1, 200, 1.0), (200, 200, 1, 1.0), (200, 1, 1, 0.005)],
)
def test_extremes(answers: int, passes: int, k: int, expected: float) -> None:
    assert estimate(answers, passes, k) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("answers", "passes", "k", "said"),
    [
        (9, 3, 10, "pass@10 needs at least 10 answers a task, got 9"),
        (0, 0, 1, "pass@1 needs at least 1 answer a task, got 0"),
        (5, 6, 1, "6 of 5 answers passed"),
        (5, 1, 0, "k must be at least 1, got 0"),
    ],
)
def test_what_can_not_be_estimated_is_refused(answers: int, passes: int, k: int, said: str) -> None:
    with pytest.raises(InputError, match=said):
        estimate(answers, passes, k)


def test_too_few_answers_name_the_task() -> None:
    with pytest.raises(InputError, match=r"task 'b': pass@2 needs at least 2 answers a task, got 1"):
        pass_at_k({"a": [True, False], "b": [True]}, 2)
    with pytest.raises(InputError, match="no task"):
        pass_at_k({}, 1)


def test_intervals_hold_the_true_value_95_times_in_100() -> None:
    chance = random.Random(1)
    held = 0
    for _ in range(2000):
        score = mean_over_tasks([float(chance.random() < 0.9) for _ in range(164)])
        held += score.low <= 0.9 <= score.high
    assert 0.93 <= held / 2000 <= 0.97


def test_an_interval_is_not_empty_where_all_tasks_agree() -> None:
    assert mean_over_tasks([1.0] * 164).low == pytest.approx(0.977, abs=1e-3)
    assert mean_over_tasks([0.0] * 164).high == pytest.approx(0.023, abs=1e-3)
    assert mean_over_tasks([0.5]).low == 0.0


def test_pairs_tell_apart_what_single_intervals_do_not() -> None:
    theirs = {str(task): [task % 2 == 0] for task in range(200)}
    ours = theirs | {str(task): [True] for task in range(1, 21, 2)}
    one, other = pass_at_k(ours, 1), pass_at_k(theirs, 1)
    assert one.low < other.high
    difference = paired_difference(ours, theirs)
    assert difference.value == pytest.approx(0.05)
    assert 0 < difference.low < 0.05 < difference.high
    assert paired_difference(theirs, theirs).value == 0.0


def test_only_the_same_tasks_are_compared() -> None:
    with pytest.raises(InputError, match="in one of the two only: 1 task, 'b' first"):
        paired_difference({"a": [True]}, {"a": [True], "b": [False]})
