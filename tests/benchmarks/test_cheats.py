"""No answer passes without solving its task, whatever it does to its own process."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from check_graders import reference_of

from sca_hf.benchmarks import Answer, load_benchmark
from sca_hf.benchmarks.one_process import refusal
from sca_hf.metrics.code_execution import CodeExecution
from tests.benchmarks.cheats import CHEATS
from tests.benchmarks.cheats_in_one_process import CLASSES, SCRIPTS

# A timeout each: on one benchmark.
SLOW = frozenset(what for what in CHEATS if "endless" in what or "time limit" in what or "thread" in what)


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("humaneval", "HumanEval/2"),
        ("humaneval+", "HumanEval/2"),
        ("mbpp", "11"),
        ("mbpp+", "Mbpp/3"),
        ("evoeval-difficult", "EvoEval/0"),
    ],
)
def test_no_cheat_passes(name: str, task: str, data: Path, grade_answers: Callable[..., list[Any]]) -> None:
    benchmark = load_benchmark(name, data)
    entry = benchmark.tasks[task].entry
    programs = {
        what: text.replace("{{", "{").replace("}}", "}").replace("{f}", entry)
        for what, text in CHEATS.items()
        if name == "mbpp" or what not in SLOW
    }
    grades = grade_answers(benchmark, [Answer(task, 0, solution=text) for text in programs.values()])
    assert {what: grade for what, grade in zip(programs, grades, strict=True) if grade.passed} == {}
    assert len(programs) >= 40


def test_no_cheat_passes_the_metric() -> None:
    programs = [
        text.replace("{{", "{").replace("}}", "}").replace("{f}", "add")
        for what, text in CHEATS.items()
        if what not in SLOW and what != "lone surrogate"  # which the `evaluate` package can't store
    ]
    programs.append("def add(a, b): return a + b")
    _, results = CodeExecution().compute(
        predictions=[programs], references=["assert add(2, 3) == 5\nassert add(-1, 1) == 0"], k=[1], num_workers=2
    )
    passed = [number for number, detail in results[0] if detail["passed"]]
    assert passed == [len(programs) - 1]


def test_the_metric_works_inside_an_event_loop() -> None:
    async def notebook() -> dict[str, float]:
        scores, _ = CodeExecution().compute(references=["assert f() == 1"], predictions=[["def f(): return 1"]], k=[1])
        return dict(scores)

    assert asyncio.run(notebook()) == {"pass@1": 1.0}


@pytest.mark.parametrize(
    ("name", "task", "asked"),
    [
        ("classeval", "ClassEval_23", "CombinationCalculator"),  # compares lists
        ("classeval", "ClassEval_0", "AccessGatewayFilter"),  # asks whether something is true
        ("canitedit", "4_tensor_operations/descriptive", "Tensor"),
    ],
)
def test_no_cheat_passes_in_one_process(
    name: str, task: str, asked: str, data: Path, grade_answers: Callable[..., list[Any]]
) -> None:
    benchmark = load_benchmark(name, data)
    programs = {what: text.replace("{c}", asked) for what, text in CLASSES.items() if what not in SLOW}
    programs["right"] = reference_of(benchmark.tasks[task])
    grades = grade_answers(benchmark, [Answer(task, 0, solution=text) for text in programs.values()])
    assert [what for what, grade in zip(programs, grades, strict=True) if grade.passed] == ["right"]
    assert len(programs) >= 40


def test_no_cheat_passes_where_the_tests_run_the_answer(data: Path, grade_answers: Callable[..., list[Any]]) -> None:
    benchmark = load_benchmark("ds1000", data)
    for task in ("ds1000/0", "ds1000/310"):
        programs = {**SCRIPTS, "right": benchmark.tasks[task].reference}
        grades = grade_answers(benchmark, [Answer(task, 0, solution=text) for text in programs.values()])
        assert [what for what, grade in zip(programs, grades, strict=True) if grade.passed] == ["right"]


HONEST = {
    "says its class": "def __repr__(self): return f'{self.__class__.__name__}()'",
    "compares classes": "def __eq__(self, other): return self.__class__ is other.__class__",
    "has modules": "def more(self): self.modules = [self.equals, self.all]; return self.modules",
    "raises AssertionError": "def check(self, x):\n        if not x: raise AssertionError('no')",
    "is always true": "def __bool__(self): return True",
    "contains everything of a kind": "def __contains__(self, x): return isinstance(x, int)",
    "orders": "def __lt__(self, other): return id(self) < id(other)",
    "has tests": "pass\nimport unittest\nclass Own(unittest.TestCase):\n    def test(self): self.assertEqual(1, 1)",
}


@pytest.mark.parametrize("what", HONEST)
def test_an_honest_answer_is_not_refused(what: str) -> None:
    assert refusal(f"class A:\n    {HONEST[what]}\n") == ""


def test_honest_objects_are_not_doubted(grade_answers: Callable[..., list[Any]], tmp_path: Path) -> None:
    """Tests may compare an answer's own objects, mock what it uses, and compare with anything."""
    row = {"full_name": "1_own", "instruction_descriptive": "", "instruction_lazy": "", "before": "", "after": _OWN}
    (tmp_path / "canitedit.jsonl").write_text(json.dumps(row | {"tests": _TESTS}) + "\n")
    benchmark = load_benchmark("canitedit", tmp_path)
    grades = grade_answers(benchmark, [Answer("1_own/lazy", 0, solution=_OWN)])
    assert [(grade.passed, grade.reason) for grade in grades] == [(True, "")]


_OWN = """
import functools

@functools.total_ordering
class Money:
    def __init__(self, cents): self.cents = cents
    def __eq__(self, other): return isinstance(other, Money) and self.cents == other.cents
    def __lt__(self, other): return self.cents < other.cents
    def __sub__(self, other): return Money(self.cents - other.cents)
    def __abs__(self): return Money(abs(self.cents))
    def __bool__(self): return True
    def __contains__(self, coin): return self.cents % coin == 0
    def __repr__(self): return f"{self.__class__.__name__}({self.cents})"

def spend(log, money):
    log.write(money.cents)
    return money - Money(1)
"""
_TESTS = """
import numpy as np
from unittest.mock import ANY, MagicMock
log = MagicMock()
assert spend(log, Money(3)) == Money(2) != Money(3)
log.write.assert_called_once_with(3)
assert log.write.call_args.args == (ANY,)
assert Money(1) < Money(2) and Money(2) > Money(1) and 5 in Money(10) and Money(0)
assert sorted([Money(2), Money(1)]) == [Money(1), Money(2)]
assert {"a": [Money(1)]} == {"a": [Money(1)]}
assert abs(Money(1) - Money(2)) == Money(1)
assert str([Money(1)]) == "[Money(1)]"
np.testing.assert_array_equal(np.array([Money(1)], dtype=object), np.array([Money(1)], dtype=object))
assert (np.arange(3) == np.arange(3)).all()
"""
