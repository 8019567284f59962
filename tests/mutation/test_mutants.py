"""Mutants of a response, and what the stage says of the tests that ran against them."""

import ast
import asyncio
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from sca_hf.mutation.programs import functions_used
from sca_hf.mutation.small import coarse_mutants, small_mutants, statement_lines
from sca_hf.prompts.code_blocks import fenced
from sca_hf.sandbox import Program, Verdict
from sca_hf.stages import mutants
from sca_hf.stages.context import Context
from sca_hf.stages.mutants import MutantsSettings

Row = dict[str, Any]


def small(code: str) -> set[str]:
    tree = ast.parse(code)
    bodies = (ast.parse(mutant).body[0] for mutant in small_mutants(tree, statement_lines(tree)))
    return {"; ".join(map(ast.unparse, body.body)) for body in bodies if isinstance(body, ast.FunctionDef)}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return a + b", {"return a - b"}),
        ("return a < b", {"return a <= b"}),
        ("return a in b", {"return a not in b"}),
        ("return a and b", {"return a or b"}),
        ("return not a", {"return a"}),
        ("return -a", {"return a"}),
        ("return 1", {"return 2"}),
        ("return True", {"return False"}),
        ("return 'x'", {"return 'x~'"}),
        ("return a if b else c", {"return c if b else a"}),
        ("if a: return b", {"if not a:\n    return b"}),
        ("a += b", {"a -= b", "pass"}),
        ("a.append(b)", {"pass"}),
        ("a[b] = c", {"pass"}),
        ("raise a", {"pass"}),
        # What any call would show, or no test could: no mutant.
        ("a = b", set()),
        ("return b", set()),
        ("'''A docstring.'''", set()),
        ("return 'x' + a", {"return 'x~' + a"}),
        ("return f'x{a}'", set()),
    ],
)
def test_small_mutants(body: str, expected: set[str]) -> None:
    assert small(f"def f(a, b, c):\n    {body}") == expected


def test_coarse_mutants() -> None:
    tree = ast.parse("class A:\n    def f(self, x):\n        return x + 1\n    def g(self):\n        return 1")
    mutated = {ast.unparse(ast.parse(mutant).body[0].body[0].body) for mutant in coarse_mutants(tree, {3})}  # type: ignore[attr-defined]
    assert mutated == {"return None", "return x"}


def test_what_is_not_reached_has_no_mutants_and_the_order_repeats() -> None:
    tree = ast.parse("def f(x):\n    return x + 1\ndef g(x):\n    return x < 2 and x > 0")
    assert len(list(small_mutants(tree, {2}))) == 2
    assert len(list(small_mutants(tree, {2, 4}))) == 7
    assert list(small_mutants(tree, {2, 4})) == list(small_mutants(tree, {4, 2}))
    assert list(small_mutants(tree, set())) == []


def test_functions_with_a_result_that_the_tests_use() -> None:
    code = "def f():\n    return 1\ndef g():\n    print()\ndef h():\n    return 2\nk = lambda: 3"
    assert functions_used(ast.parse(code), ast.parse("assert k() == 3; g(); assert f() == 1")) == ["k", "f"]


def tried(rows: list[tuple[str, str]], scratch: Path, **settings: Any) -> list[Row]:
    """The rows of the stage, for responses and tests."""
    chosen = MutantsSettings(**settings)
    attempts = [
        {"id": str(number), "response": fenced(code), "tests": fenced(tests), "status": "passed"}
        for number, (code, tests) in enumerate(rows)
    ]

    async def run() -> list[Row]:
        async with mutants.jails(chosen, 2) as jails:
            context = Context(scratch=scratch, jails=jails)
            found: list[Row] = mutants.mutants(Dataset.from_list(attempts), chosen, context).to_list()
            return found

    return asyncio.run(run())


SIGN = "def sign(x):\n    if x < 0:\n        return -1\n    if x > 0:\n        return 1\n    return 0"


METHOD = "    def double(self):\n        return 2 * self.x"


def test_coverage_is_the_share_of_statements_that_the_tests_reach(tmp_path: Path) -> None:
    rows = tried(
        [
            (SIGN, "assert sign(-2) == -1\nassert sign(3) == 1\nassert sign(0) == 0"),
            (SIGN, "assert sign(-2) == -1"),
            (f"{SIGN}\nprint(sign(3), '<<4>>')", "import sys\nsys.stderr.write('1')\nassert sign(-2) == -1"),
            (
                "from __future__ import annotations\ndef one():\n    global ONE\n    ONE = 1\n    return ONE",
                "assert one() == 1",
            ),
            ("X = 1", "assert X == 1"),
            (f"from dataclasses import dataclass\n@dataclass\nclass A:\n    x: int\n{METHOD}", "assert A(1).x == 1"),
        ],
        tmp_path,
    )
    assert [row["coverage"] for row in rows] == [1.0, 0.4, 0.4, 1.0, None, 0.0]
    assert [bool(row["mutants_killed"]) for row in rows] == [True, True, True, True, False, False]
    assert [bool(row["mutants"]) for row in rows] == [True, True, True, True, False, False]
    for row in rows:
        assert row["mutation_score"] == (row["mutants_killed"] / row["mutants"] if row["mutants"] else None)


def test_neither_crashes_nor_endless_mutants_are_counted(tmp_path: Path) -> None:
    loop = "    while i < len(xs):\n        s = s + xs[i]\n        i = i + 1\n"
    code = f"def total(xs):\n    i = s = 0\n{loop}    return [s]"
    (checked,) = tried([(code, "assert isinstance(total([1, 2]), list)")], tmp_path, cpu_seconds=0.5)
    assert (checked["mutants"], checked["mutants_killed"]) == (1, 0)
    (sound,) = tried([(code, "assert total([1, 2]) == [3]")], tmp_path, cpu_seconds=0.5, runs=30, kills=30)
    tree = ast.parse(code)
    lines = statement_lines(tree)
    made = 1 + len([*small_mutants(tree, lines), *coarse_mutants(tree, lines)])
    assert 3 < sound["mutants_killed"] <= sound["mutants"] <= made - 2  # `i - 1` has no end, `<=` an IndexError


def test_what_is_no_pass_is_not_run(tmp_path: Path) -> None:
    class NoJails:
        async def run(self, program: Program) -> Verdict:
            raise AssertionError(program)

    rows = [{"id": "1", "response": "", "tests": "", "status": "failed"}]
    (row,) = mutants.mutants(Dataset.from_list(rows), MutantsSettings(), Context(scratch=tmp_path, jails=NoJails()))
    assert [row[name] for name in ("mutants", "mutants_killed", "mutation_score", "coverage")] == [None] * 4


def test_what_cannot_be_written_again_is_not_measured_and_stops_nothing(tmp_path: Path) -> None:
    rows = [
        (f"def f():\n    return {'-' * 500}1", "assert f() == 1"),
        (f"def f():\n    return 0x{'f' * 5000}", "assert f() % 2 == 1"),
        (SIGN, "assert sign(1) == 1"),
    ]
    assert [row["mutants"] is None for row in tried(rows, tmp_path)] == [True, True, False]


@pytest.mark.parametrize("runs", [2, 5, 12])
def test_no_more_programs_than_allowed(tmp_path: Path, runs: int) -> None:
    class Counting:
        programs = 0

        async def run(self, program: Program) -> Verdict:
            self.programs += 1
            stderr = "<<0>>" + "".join(f"<<{line}>>" for line in range(2, 7))
            return Verdict("passed", None, None, 1, (), 0.0, 0.0, 0.0, "", stderr)

    jails = Counting()
    rows = [{"id": "1", "response": fenced(SIGN), "tests": fenced("assert sign(1)"), "status": "passed"}]
    settings = MutantsSettings(runs=runs)
    (row,) = mutants.mutants(Dataset.from_list(rows), settings, Context(scratch=tmp_path, jails=jails))
    assert jails.programs <= runs
    assert row["mutants_killed"] == 0
