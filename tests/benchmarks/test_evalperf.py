"""EvalPerf: correct answers are measured against references on one large input, in turns."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sca_hf.benchmarks import Answer
from sca_hf.benchmarks.evalperf_measuring import EvalPerf
from sca_hf.benchmarks.evalplus import SOURCES
from sca_hf.evaluation.evaluator import Evaluator
from sca_hf.evaluation.results import Made, comparison

_PROMPT = 'def total(n):\n    """The sum of the numbers below n."""\n'
_SLOW = "def total(n):\n    found = 0\n    for number in range(n):\n        found += number\n    return found\n"
_FAST = "def total(n):\n    return n * (n - 1) // 2\n"


@pytest.fixture
def benchmark(tmp_path: Path) -> EvalPerf:
    """One task with a slow reference and a fast one."""
    task = {"task_id": "HumanEval/0", "prompt": _PROMPT, "entry_point": "total"}
    plus = task | {"canonical_solution": "    return n * (n - 1) // 2\n", "base_input": [[3]], "plus_input": [[10]]}
    file = tmp_path / SOURCES["humaneval+@noextreme"].files[0]
    file.parent.mkdir()
    file.write_bytes(gzip.compress(json.dumps(plus).encode()))
    row = task | {"reference": [_SLOW, _FAST], "scores": [40.0, 100.0], "pe_input": json.dumps([[3_000_000]])}
    (tmp_path / "evalperf").mkdir()
    (tmp_path / "evalperf" / "evalperf.jsonl").write_text(json.dumps(row))
    return EvalPerf("evalperf", tmp_path)


@pytest.fixture
def evaluator(tmp_path: Path) -> Iterator[Evaluator]:
    with Evaluator(tmp_path / "store", 1) as evaluator:
        yield evaluator


def _answers(*programs: str) -> list[Answer]:
    return [Answer("HumanEval/0", sample, solution=text) for sample, text in enumerate(programs)]


@pytest.mark.jail
def test_an_answer_gets_the_score_of_the_reference_that_it_reaches(benchmark: EvalPerf, evaluator: Evaluator) -> None:
    # Half the work of the slow reference: 40 whatever else the machine does.
    half = (
        _SLOW.replace("range(n)", "range(0, n, 2)")
        .replace("+= number", "+= 2 * number")
        .replace("return found", "return n * (n - 1) // 2")
    )
    wrong = "def total(n):\n    return n\n"
    broken = "def total(n):\n    assert n < 1000\n    return n * (n - 1) // 2\n"
    result = evaluator.grade(benchmark, _answers(*[half] * 9, wrong, broken), Made("m"))
    assert [one.grade.passed for one in result.graded] == [True] * 9 + [False, True]
    scores = [one.grade.scores for one in result.graded]
    assert scores[9] is None
    assert [score["dps"] for score in scores if score is not None] == [0.4] * 9 + [0.0]
    assert result.summed == {
        "dps, by least CPU time of 5 runs": pytest.approx(0.36),
        "dps_norm, by least CPU time of 5 runs": pytest.approx(0.45),
    }


@pytest.mark.jail
def test_models_are_compared_by_their_win_rate(benchmark: EvalPerf, evaluator: Evaluator) -> None:
    slower = _SLOW.replace("+= number", "+= number * 1 + 0 * number")
    ours = evaluator.grade(benchmark, _answers(*[_FAST + "\n# \n"] * 10), Made("ours"))
    theirs = evaluator.grade(benchmark, _answers(*[slower] * 10), Made("theirs"))
    assert "  win rate of ours in speed: 100.0" in comparison(ours, theirs)


@pytest.mark.jail
def test_a_task_with_few_correct_answers_does_not_count(benchmark: EvalPerf, evaluator: Evaluator) -> None:
    result = evaluator.grade(benchmark, _answers(*[_FAST] * 9), Made("m"))
    assert result.summed == {}
    assert result.score("passed", 1).value == 1.0
