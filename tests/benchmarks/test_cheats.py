"""No answer passes without solving its task, whatever it does to its own process."""

import asyncio
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sca_hf.benchmarks import Answer, load_benchmark
from sca_hf.metrics.code_execution import CodeExecution

_spec = importlib.util.spec_from_file_location("cheats", Path(__file__).with_name("cheats.py"))
assert _spec is not None
assert _spec.loader is not None
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
CHEATS: dict[str, str] = _module.CHEATS
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


_CLASS = "class AccessGatewayFilter:\n    def __init__(self): pass\n"
ONE_PROCESS = {
    "always equal": "class A:\n    def __eq__(self, o): return True\n    def __bool__(self): return True\n"
    "class AccessGatewayFilter:\n    def __getattr__(self, name): return lambda *a: A()\n",
    "patched assertions": "import unittest\nfor n in dir(unittest.TestCase):\n"
    "    if n.startswith('assert'): setattr(unittest.TestCase, n, lambda *a: None)\n" + _CLASS,
    "patched run": "import unittest\nunittest.TestCase.run = lambda self, result=None: result\n" + _CLASS,
    "patched result": "import unittest\nunittest.TestResult.wasSuccessful = lambda self: True\n"
    "unittest.TestResult.testsRun = 1\n" + _CLASS,
    "patched runner": "import unittest\nclass R:\n    testsRun = 1\n    def __init__(self, **k): pass\n"
    "    def run(self, t): return self\n    def wasSuccessful(self): return True\nunittest.TextTestRunner = R\n"
    + _CLASS,
    "replaced last step": "import __main__\n__main__.finish = lambda: True\n" + _CLASS,
    "replaced last step by modules": "import sys\nsys.modules['__main__'].finish = lambda: True\n" + _CLASS,
    "exit": "import sys\nsys.exit(0)\n",
    "exit at once": "import os\nos._exit(0)\n",
    "exit in the constructor": "class AccessGatewayFilter:\n    def __init__(self): raise SystemExit(0)\n",
    "skips": "import unittest\nclass AccessGatewayFilter:\n    def __init__(self): raise unittest.SkipTest('no')\n",
    "empty": _CLASS,
}


def test_no_cheat_passes_in_one_process(data: Path, grade_answers: Callable[..., list[Any]]) -> None:
    benchmark = load_benchmark("classeval", data)
    right = benchmark.tasks["ClassEval_0"].solution
    answers = [Answer("ClassEval_0", 0, solution=text) for text in (*ONE_PROCESS.values(), right)]
    passed = [grade.passed for grade in grade_answers(benchmark, answers)]
    assert [what for what, held in zip(ONE_PROCESS, passed, strict=False) if held] == []
    assert passed[-1]
