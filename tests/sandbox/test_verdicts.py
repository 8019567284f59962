"""What passes and what doesn't: no false pass, no false failure, the same verdict every time."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from sca_hf.sandbox import Limits, Program, Verdict


def _beside(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


programs, cases = _beside("programs"), _beside("cases")

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"no benchmark data beside the checkout, at {DATA}")

# ClassEval's own tests are wrong, or need what isn't there.
CLASSEVAL_NOT_PASSING = {
    "ClassEval_17": "expects an event of 2024-01-02 to be upcoming",
    "ClassEval_34": "needs python-docx",
    "ClassEval_38": "needs openpyxl",
    "ClassEval_44": "needs gensim",
    "ClassEval_48": "expects the host name of its author's laptop",
    "ClassEval_51": "compares with numpy's matrix of before 2.0",
    "ClassEval_52": "needs nltk",
    "ClassEval_69": "needs PyPDF2",
    "ClassEval_93": "needs gensim",
}


def test_nothing_passes_that_only_looks_like_it(run_programs: Any) -> None:
    assert _wrong(programs.NOT_PASSING, run_programs) == {}


def test_honest_tests_of_every_style_pass(run_programs: Any) -> None:
    assert _wrong(programs.PASSING, run_programs) == {}


@pytest.mark.parametrize("folder", ["meaningless", "honest"])
def test_each_kind_of_check_gets_its_verdict(folder: str, run_programs: Any) -> None:
    read = cases.read_cases(folder)
    assert len(read) > 150
    verdicts = run_programs([case.program for case in read], limits=Limits(cpu_seconds=10, wall_seconds=60))
    wrong = {
        case.name: f"{verdict.identity} not {case.statuses}: {verdict.stderr[-300:]}"
        for case, verdict in zip(read, verdicts, strict=True)
        if verdict.status not in case.statuses
    }
    assert wrong == {}


@needs_data
def test_all_of_humaneval_passes(run_programs: Any) -> None:
    rows = [json.loads(line) for line in (DATA / "humaneval.jsonl").read_text().splitlines()]
    solutions = {
        row["task_id"]: Program(
            row["prompt"] + row["canonical_solution"], f"{row['test']}\ncheck({row['entry_point']})"
        )
        for row in rows
    }
    assert len(solutions) == 164
    assert _not_passed(solutions, run_programs) == set()


@needs_data
def test_all_of_mbpp_passes(run_programs: Any) -> None:
    rows = [json.loads(line) for line in (DATA / "mbpp.jsonl").read_text().splitlines()]
    solutions = {
        str(row["task_id"]): Program(row["code"], "\n".join([row["test_setup_code"], *row["test_list"]]))
        for row in rows
    }
    assert len(solutions) == 974
    assert _not_passed(solutions, run_programs) == set()


@needs_data
def test_classeval_passes_but_for_the_named(run_programs: Any) -> None:
    rows = json.loads((DATA / "classeval.json").read_text())
    solutions = {
        row["task_id"]: Program(
            "\n".join(row["import_statement"]) + "\n" + row["solution_code"], row["test"] + "\nunittest.main()"
        )
        for row in rows
    }
    assert len(solutions) == 100
    assert _not_passed(solutions, run_programs) <= set(CLASSEVAL_NOT_PASSING)


def test_a_verdict_says_where_and_why(run_programs: Any) -> None:
    code = "def half(x):\n    return x / 0"
    failed, wrong, broken = run_programs(
        [
            Program(code, "print('before')\nassert half(2) == 1"),
            Program("def half(x):\n    return x // 2", "assert half(2) == 1\nassert half(3) == 1.5"),
            Program("def half(x)\n    return x", "assert half(2) == 1"),
        ]
    )
    assert failed.identity == ("failed", "ZeroDivisionError", 2, 0, ())
    assert failed.stdout == "before\n"
    assert "ZeroDivisionError" in failed.stderr
    assert "sca_hf" not in failed.stderr
    assert wrong.identity == ("failed", "AssertionError", 4, 1, ())
    assert broken.identity == ("syntax-error", "SyntaxError", 1, 0, ())


def test_output_is_kept_from_both_ends(run_programs: Any) -> None:
    (verdict,) = run_programs([Program("print('first')\nfor i in range(9999): print(i)\nprint('last')", "")])
    assert verdict.stdout.startswith("first\n")
    assert verdict.stdout.endswith("last\n")
    assert len(verdict.stdout) < 5000


def test_code_that_could_forge_is_flagged(run_programs: Any) -> None:
    code = {
        "frames": "import sys\ndef f(): return sys._getframe(0).f_code.co_name",
        "gc": "import gc\ndef f(): return len(gc.get_objects()) > 0 and 'f'",
        "ctypes": "def f(): return __import__('ctypes') and 'f'",
        "always-equal": "class Any:\n    def __eq__(self, other): return True\ndef f(): return Any()",
        "jail": "import builtins\ndef f(): return builtins.str('f')",
    }
    verdicts = run_programs([Program(text, "assert f() == 'f'") for text in code.values()])
    assert [verdict.flags for verdict in verdicts] == [(flag,) for flag in code]


def test_verdicts_are_the_same_again(run_programs: Any) -> None:
    cases = [Program(case.code, case.tests) for case in programs.NOT_PASSING + programs.PASSING]
    first = [verdict.identity for verdict in run_programs(cases, workers=2)]
    second = [verdict.identity for verdict in run_programs(cases[::-1], workers=3)][::-1]
    assert first == second


def test_what_could_differ_is_fixed(run_programs: Any) -> None:
    look = Program(
        "import random, locale, time, sys, os\n"
        "def state(): return (hash('a'), random.random(), time.tzname, os.environ['LC_ALL'], sys.getrecursionlimit(),\n"
        "    {str(i) for i in range(20)}, time.localtime(0).tm_hour, sys.getdefaultencoding())\n"
        "print(state())",
        "assert state()",
    )
    assert len({verdict.stdout for verdict in run_programs([look] * 6, workers=3)}) == 1


def test_a_verdict_that_depends_on_the_hash_seed_is_flaky(run_programs: Any) -> None:
    code = "def first(): return next(iter({str(i) for i in range(99)}))\ndef same(): return 1"
    (once,) = run_programs([Program(code, "print(first())\nassert same() == 1")])
    flaky = Program(code, f"assert first() == {once.stdout.strip()!r}")
    steady = Program(code, "assert same() == 1")
    assert [verdict.status for verdict in run_programs([flaky, steady])] == ["passed", "passed"]
    again = run_programs([flaky, steady], repeat=2)
    assert again[0].identity == ("failed", "AssertionError", 3, 0, ("flaky",))
    assert again[1].identity == ("passed", None, None, 1, ())


@pytest.mark.parametrize(
    ("name", "code", "status"),
    [
        ("null bytes", "x = 1\0", "syntax-error"),
        ("a lone surrogate", "x = '\ud800'", "syntax-error"),
        ("an odd encoding", "# -*- coding: no-such-thing -*-\nx = 1", "no-assertion"),
        ("deep parentheses", "x = " + "(" * 5000 + ")" * 5000, "syntax-error"),
        ("deep lists", "x = " + "[" * 150 + "]" * 150, "no-assertion"),
        ("deep unary operators", "x = " + "-" * 100_000 + "1", "syntax-error"),
        ("a long sum", "x = " + "+".join(["1"] * 30_000), "syntax-error"),
        ("a long chain of attributes", "x = lambda: a" + ".b" * 50_000, "syntax-error"),
        ("deep blocks", "".join(" " * i + "if 1:\n" for i in range(200)), "syntax-error"),
        ("nested finally", "\n".join(
            " " * i + "try: pass\n" + " " * i + "finally:" for i in range(19)
        ) + "\n" + " " * 19 + "pass", "timeout"),
        ("a giant integer", "x = " + "9" * 100_000, "syntax-error"),
        ("a giant list", "x = [" + "1," * 400_000 + "]", "no-assertion"),
        ("a giant string", "x = '" + "x" * 3_000_000 + "'", "no-assertion"),
        ("many functions", "".join(f"def f{i}(): return {i}\n" for i in range(20_000)), "no-assertion"),
        ("a big constant power", "x = 10 ** 10 ** 3", "no-assertion"),
        ("megabytes of tests", "x = 1", "no-assertion"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 30 and "=" not in value else "",
)  # fmt: skip
def test_source_that_is_hard_to_compile_is_a_verdict(name: str, code: str, status: str, run_programs: Any) -> None:
    tests = "y = 2\n" * 300_000 if name == "megabytes of tests" else ""
    verdicts = run_programs([Program(code, tests), Program("def f(): return 1", "assert f() == 1")], workers=1)
    allowed = {status, "timeout", "out-of-memory", "syntax-error"} if len(code + tests) > 100 else {status}
    assert verdicts[0].status in allowed, verdicts[0]
    assert verdicts[1].status == "passed"


def test_limits_are_checked() -> None:
    with pytest.raises(ValueError, match="memory_mb must be at least 64, got 1"):
        Limits(memory_mb=1)


def _wrong(cases: Any, run_programs: Any) -> dict[str, str]:
    verdicts = run_programs([Program(case.code, case.tests) for case in cases])
    return {
        case.name: f"{verdict.identity} not {case.status}: {verdict.stderr[-300:]}"
        for case, verdict in zip(cases, verdicts, strict=True)
        if verdict.status != case.status
    }


def _not_passed(solutions: dict[str, Program], run_programs: Any) -> set[str]:
    # ClassEval_35 searches for about 10 s on a slow machine.
    limits = Limits(cpu_seconds=60, wall_seconds=120, memory_mb=2048)
    verdicts: list[Verdict] = run_programs(list(solutions.values()), limits=limits)
    return {name for name, verdict in zip(solutions, verdicts, strict=True) if verdict.status != "passed"}
