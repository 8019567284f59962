"""`CodeExecution` has the call and the result of `code_eval`."""

import itertools
from collections import defaultdict
from typing import Any

import numpy as np
import pytest

from sca_hf.errors import InputError
from sca_hf.metrics.code_execution import CodeExecution

pytestmark = pytest.mark.jail

_RIGHT, _WRONG = "def add(a, b): return a + b", "def add(a, b): return a * b"
_TESTS = "assert add(2, 3) == 5"


def _of_code_eval(passed: list[list[bool]], k: list[int]) -> dict[str, float]:
    """Its scores (Chen et al. 2021), where each task has enough candidates."""
    totals = [len(of_task) for of_task in passed]

    def estimate(n: int, c: int, k: int) -> float:
        return 1.0 if n - c < k else 1.0 - float(np.prod(1.0 - k / np.arange(n - c + 1, n + 1)))

    return {
        f"pass@{number}": float(np.mean([estimate(len(of_task), sum(of_task), number) for of_task in passed]))
        for number in k
        if all(total >= number for total in totals)
    }


def test_scores_and_details_are_those_of_code_eval() -> None:
    predictions = [[_RIGHT, _WRONG] * 5, [_WRONG] * 9 + [_RIGHT]]
    scores, results = CodeExecution().compute(predictions=predictions, references=[_TESTS, _TESTS], k=[1, 10, 100])
    passed = [[text == _RIGHT for text in of_task] for of_task in predictions]
    assert scores == pytest.approx(_of_code_eval(passed, [1, 10, 100]))
    assert list(scores) == ["pass@1", "pass@10"]
    assert isinstance(results, defaultdict)
    for task, number in itertools.product(range(2), range(10)):
        index, detail = results[task][number]
        assert index == number
        assert detail == {
            "task_id": task,
            "passed": passed[task][number],
            "result": "passed" if passed[task][number] else "failed: AssertionError",
            "completion_id": number,
        }


def test_the_parameters_are_those_of_code_eval() -> None:
    slow = "def add(a, b):\n    while True: pass"
    scores, results = CodeExecution().compute(
        references=[_TESTS], predictions=[[slow, _RIGHT]], k=[1], num_workers=1, timeout=0.5
    )
    assert scores == {"pass@1": 0.5}
    assert [detail["result"] for _, detail in results[0]] == ["timed out", "passed"]


def test_batches_may_be_added_one_by_one() -> None:
    metric = CodeExecution()
    metric.add_batch(predictions=[[_RIGHT]], references=[_TESTS])
    metric.add(prediction=[_WRONG], reference=_TESTS)
    scores, _ = metric.compute(k=[1])
    assert scores == {"pass@1": 0.5}


_UNITTEST = """
import unittest
class T(unittest.TestCase):
    def test(self): self.assertEqual(add(1, 1), 2)
result = unittest.TextTestRunner().run(unittest.defaultTestLoader.loadTestsFromTestCase(T))
assert result.wasSuccessful()
"""


@pytest.mark.parametrize(
    "tests",
    [
        "def check(candidate):\n    assert candidate(1, 1) == 2\ncheck(add)",
        "for a in range(3):\n    assert add(a, 1) == a + 1",
        _UNITTEST,
        "try:\n    add(1)\nexcept TypeError:\n    pass\nelse:\n    raise AssertionError",
    ],
)
def test_tests_may_be_any_source_that_raises(tests: str) -> None:
    wrong = "def add(a, b=0): return 7"
    details: list[tuple[int, dict[str, Any]]]
    _, results = CodeExecution().compute(references=[tests], predictions=[[_RIGHT, wrong]], k=[1])
    details = results[0]
    assert [detail["passed"] for _, detail in details] == [True, False]


def test_a_timeout_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="timeout must be above 0 seconds, got 0"):
        CodeExecution().compute(references=[_TESTS], predictions=[[_RIGHT]], k=[1], timeout=0)
