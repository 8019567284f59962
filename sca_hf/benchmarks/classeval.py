"""ClassEval (Du et al. 2023): 100 classes with 410 methods, checked by 502 test classes of unittest.

An answer is a whole class, asked for at once (`classeval`: holistic), or put together from methods, each asked for with
those before it (`classeval-incremental`) or by itself (`classeval-compositional`). Program: the task's imports, the
answer, the tests; each test class in a run of its own (published: 5 s; here 20 s of CPU time); one with no test is a
failure. Published "class": all test classes of a task pass; published "method": passed test classes / 502, 92 of which
test a whole class. Greedy, or 5 samples at T 0.2; 2,048 tokens in all.

Tests and answer share a process: see `one_process` for what is not out of an answer's reach. As published, every
`@staticmethod` is dropped and set anew on methods without self or cls.

Known defects, counted as published: ClassEval_17 expects an event of 2024-01-02 to be upcoming, ClassEval_48 the host
name of its author's laptop, ClassEval_51 numpy's matrix of before 2.0. ClassEval_34, _38, _44, _52, _69, _93 need
python-docx, openpyxl, gensim, nltk with its data, and PyPDF2. The licence file and the Hub say MIT, the README says
CC BY-NC 4.0 for the data; the data changed until 2024-09.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sca_hf.benchmarks.benchmark import Answer, Grade, status_of
from sca_hf.benchmarks.calls import Runner
from sca_hf.benchmarks.data import Row, Source, load_rows, need
from sca_hf.benchmarks.one_process import held, names_in, refusal, run_together
from sca_hf.sandbox import Limits, Verdict

SOURCE = Source(
    ("classeval.json", "ClassEval_data.json"),
    repo="FudanSELab/ClassEval",
    revision="fef204b34e221f207f47904ee660bb920d4c5d1d",
)
NOT_PASSING: Mapping[str, str] = {
    "ClassEval_17": "expects an event of 2024-01-02 to be upcoming",
    "ClassEval_34": "needs python-docx",
    "ClassEval_38": "needs openpyxl",
    "ClassEval_44": "needs gensim",
    "ClassEval_48": "expects the host name of its author's laptop",
    "ClassEval_51": "compares with numpy's matrix of before 2.0",
    "ClassEval_52": "needs nltk and its data",
    "ClassEval_69": "needs PyPDF2",
    "ClassEval_93": "needs gensim",
}
"""References that don't pass here, and why."""
DEFECTIVE = ("ClassEval_17", "ClassEval_48", "ClassEval_51")
"""Those of them that don't pass anywhere today."""

Strategy = Literal["holistic", "incremental", "compositional"]
STRATEGIES: Mapping[str, Strategy] = {
    "classeval": "holistic",
    "classeval-incremental": "incremental",
    "classeval-compositional": "compositional",
}

_BEFORE = """
import io as _io, unittest
unittest.TextTestRunner(stream=_io.StringIO()).run(unittest.defaultTestLoader.loadTestsFromTestCase({name}))
"""
_RUN = """
import io, unittest
_result = unittest.TextTestRunner(stream=io.StringIO()).run(unittest.defaultTestLoader.loadTestsFromTestCase({name}))
assert _result.testsRun and _result.wasSuccessful(), _result.errors + _result.failures
assert not (_result.skipped or _result.expectedFailures)
"""
# 5 s as published let no search of ClassEval_35 end on a slow machine.
_SECONDS = 20.0
_STATIC = re.compile(r"^[ \t]*@staticmethod[ \t]*\n", re.M)
_METHOD = re.compile(r"^    def \w+\(([^)]*)\)", re.M)


@dataclass(frozen=True)
class Method:
    """`description`: its head and docstring."""

    name: str
    description: str


@dataclass(frozen=True)
class ClassTask:
    """`tests`: source of all test classes, whose names are `test_classes`. `strategy`: how the class is asked for.

    `constructor`: the class's head with its `__init__`, without `description`, its docstring.
    """

    id: str
    name: str
    strategy: Strategy
    description: str
    constructor: str
    methods: Sequence[Method]
    skeleton: str
    imports: str
    tests: str
    test_classes: Sequence[str]
    solution: str


class ClassEval:
    """The 100 tasks, asked for by one of STRATEGIES."""

    limits = Limits(cpu_seconds=_SECONDS, wall_seconds=60.0, memory_mb=4096)

    def __init__(self, name: str = "classeval", folder: Path | None = None) -> None:
        self.name = name
        loaded = load_rows(name, SOURCE, folder)
        need(name, loaded.rows, ("task_id", "skeleton", "test", "solution_code", "test_classes", "methods_info"))
        self.revision = loaded.revision
        self.tasks = {row["task_id"]: _task(row, STRATEGIES[name]) for row in loaded.rows}
        self.defective = {task: NOT_PASSING[task] for task in DEFECTIVE if task in self.tasks}

    @property
    def task_ids(self) -> list[str]:
        """In the order of the file."""
        return list(self.tasks)

    def program(self, answer: Answer) -> str:
        """The class with the task's imports in front."""
        code = answer.text
        return f"{self.tasks[answer.task].imports}\n{set_static(code)}"

    async def grade(self, answer: Answer, jails: Runner) -> Grade:
        """Pass where all test classes do. Scores: `test_classes_passed` of `test_classes`."""
        task, program = self.tasks[answer.task], self.program(answer)
        refused = refusal(program, names_in(task.solution + task.skeleton))
        if refused:
            return Grade(False, "failed", f"refused: {refused}", scores=_scores(0, task))
        verdicts = await asyncio.gather(*(_run(program, task, name, jails) for name in task.test_classes))
        passed = sum(map(held, verdicts))
        if passed == len(verdicts):
            return Grade(True, "passed", scores=_scores(passed, task))
        name, verdict = next(
            (name, verdict) for name, verdict in zip(task.test_classes, verdicts, strict=True) if not held(verdict)
        )
        reason = verdict.exception or verdict.status
        return Grade(False, status_of(reason), f"{name}: {reason}", scores=_scores(passed, task))

    def summed(self, grades: Sequence[Grade]) -> dict[str, float]:
        """Published "method": the share of test classes that passed, of those of the answered tasks."""
        scores = [grade.scores for grade in grades if grade.scores is not None]
        of_all = sum(score["test_classes"] for score in scores)
        return {"method": sum(score["test_classes_passed"] for score in scores) / of_all} if of_all else {}


async def _run(program: str, task: ClassTask, name: str, jails: Runner) -> Verdict:
    """Of one test class. Where it fails, once more behind those before it: a few read the files that these left."""
    verdict = await run_together(program, task.tests + _RUN.format(name=name), jails)
    before = task.test_classes[: task.test_classes.index(name)]
    if held(verdict) or not before or verdict.status != "failed":
        return verdict
    tests = task.tests + "".join(_BEFORE.format(name=other) for other in before) + _RUN.format(name=name)
    again = await run_together(program, tests, jails)
    return again if held(again) else verdict


def set_static(code: str) -> str:
    """The class with `@staticmethod` on each method of it that takes neither self nor cls, and on no other."""

    def marked(match: re.Match[str]) -> str:
        first = match[1].partition(",")[0].partition(":")[0].strip()
        return match[0] if first in ("self", "cls") else f"    @staticmethod\n{match[0]}"

    return _METHOD.sub(marked, _STATIC.sub("", code))


def _scores(passed: int, task: ClassTask) -> dict[str, float]:
    return {"test_classes_passed": float(passed), "test_classes": float(len(task.test_classes))}


def _task(row: Row, strategy: Strategy) -> ClassTask:
    return ClassTask(
        id=row["task_id"],
        name=row["class_name"],
        strategy=strategy,
        description=row["class_description"],
        constructor=row["class_constructor"],
        methods=tuple(Method(one["method_name"], one["method_description"]) for one in row["methods_info"]),
        skeleton=row["skeleton"],
        imports="\n".join(row["import_statement"]),
        tests=row["test"],
        test_classes=tuple(row["test_classes"]),
        solution=row["solution_code"],
    )
