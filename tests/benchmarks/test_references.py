"""References pass but for those that a benchmark's file names, and wrong answers don't.

A part of each benchmark; `scripts/check_graders.py` goes through all of them.
"""

import ast
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from sca_hf.benchmarks import Answer, Benchmark, Grade, load_benchmark
from sca_hf.benchmarks.classeval import NOT_PASSING
from sca_hf.errors import InputError

GradeAnswers = Callable[[Benchmark, Sequence[Answer]], list[Grade]]
PARTS = {
    "humaneval": 4,
    "mbpp-all": 20,
    "humaneval+": 16,
    "mbpp+": 40,
    "mbpp+@v0.1.0": 80,
    "evoeval-difficult": 12,
    "evoeval-creative": 12,
    "evoeval-subtle": 12,
    "evoeval-combine": 12,
    "evoeval-tool-use": 12,
    "evoeval-verbose": 40,
    "evoeval-concise": 40,
    "classeval": 14,
    "canitedit": 12,
}
"""One task in so many."""


def _program(task: Any) -> str:
    tested = getattr(task, "tested", None)
    text: str = tested.reference if tested is not None else getattr(task, "reference", "") or task.solution
    return text


@pytest.mark.parametrize("name", PARTS)
def test_references_pass_and_wrong_answers_do_not(name: str, data: Path, grade_answers: GradeAnswers) -> None:
    benchmark = load_benchmark(name, data)
    tasks = [task for task in benchmark.task_ids[:: PARTS[name]] if task not in NOT_PASSING]
    right = [Answer(task, 0, solution=_program(benchmark.tasks[task])) for task in tasks]
    wrong = [Answer(task, number, solution=text) for task in tasks for number, text in _wrong(benchmark, task, tasks)]
    grades = grade_answers(benchmark, [*right, *wrong])
    failed = {answer.task: grade for answer, grade in zip(right, grades, strict=False) if not grade.passed}
    assert {task: grade.reason for task, grade in failed.items() if "ModuleNotFoundError" not in grade.reason} == {}
    passed = [answer for answer, grade in zip(wrong, grades[len(right) :], strict=True) if grade.passed]
    assert passed == []
    assert len(wrong) >= len(right)


def _wrong(benchmark: Benchmark, task: str, tasks: list[str]) -> list[tuple[int, str]]:
    source = _program(benchmark.tasks[task])
    other = _program(benchmark.tasks[tasks[(tasks.index(task) + 1) % len(tasks)]])
    return list(enumerate((_returning(source, "None"), _returning(source, "object()"), other)))


def _returning(source: str, value: str) -> str:
    """Every function returns this at once."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name != "__init__":
            node.body = [ast.Return(ast.parse(value, mode="eval").body)]
    return ast.unparse(ast.fix_missing_locations(tree))


def test_what_the_published_data_have_wrong_is_counted_as_published(data: Path, grade_answers: GradeAnswers) -> None:
    benchmark = load_benchmark("evoeval-concise", data)
    answer = Answer("HumanEval/32", 0, solution=benchmark.tasks["HumanEval/32"].reference)
    assert [grade.passed for grade in grade_answers(benchmark, [answer])] == [False]


def test_base_and_plus_are_told_apart(data: Path, grade_answers: GradeAnswers) -> None:
    benchmark = load_benchmark("humaneval+", data)
    shallow = "def truncate_number(number):\n    return round(number % 1.0, 6)\n"
    right = "def truncate_number(number):\n    return number % 1.0\n"
    task = "HumanEval/2"
    only_base, both, none = grade_answers(
        benchmark,
        [
            Answer(task, 0, solution=shallow + "\n    # to six digits\n"),
            Answer(task, 1, solution=right),
            Answer(task, 2, completion="    return 0\n"),
        ],
    )
    assert (both.base, both.plus, both.passed) == (True, True, True)
    assert (none.base, none.plus, none.status) == (False, False, "failed")
    assert only_base.base is True


def test_a_timeout_is_told_from_a_wrong_value(data: Path, grade_answers: GradeAnswers) -> None:
    benchmark = load_benchmark("mbpp", data)
    endless, refused = grade_answers(
        benchmark,
        [
            Answer("11", 0, solution="def remove_Occ(s, ch):\n    while True: pass"),
            Answer("11", 1, solution="def remove_Occ(s, ch:\n    pass"),
        ],
    )
    assert (endless.status, refused.status) == ("timeout", "syntax-error")


def test_unknown_names_and_missing_data_are_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown benchmark 'humanevil'; give one of humaneval"):
        load_benchmark("humanevil")
    with pytest.raises(InputError, match=r"benchmark 'mbpp\+': --data-dir .* has none of mbppplus/MbppPlus.jsonl.gz"):
        load_benchmark("mbpp+", tmp_path)
    (tmp_path / "mbpp.jsonl").write_text("{broken")
    with pytest.raises(InputError, match=r"benchmark 'mbpp': mbpp.jsonl can't be read"):
        load_benchmark("mbpp", tmp_path)
