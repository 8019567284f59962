"""Execution: a program that passed is no pass if it touches what could have made it pass."""

from pathlib import Path

import pytest
from datasets import Dataset

from sca_hf.recipe import load_recipe
from sca_hf.sandbox import FORGING_FLAGS, Jails, Limits, Program, Verdict
from sca_hf.stages import execute
from sca_hf.stages.context import Context
from sca_hf.stages.pass_rules import PassRules

PROGRAMS = {
    "": "def f(): return 1",
    "always-equal": "class Any:\n    def __eq__(self, other): return True\ndef f(): return Any()",
    "ctypes": "import ctypes\ndef f(): return 1",
    "frames": "import sys\ndef f(): return sys._getframe() and 1",
    "gc": "import gc\ndef f(): return len(gc.get_objects()) and 1",
    "jail": "import builtins\ndef f(): return builtins.int(1)",
}


class Real:
    """Jails that are there while a program runs."""

    async def run(self, program: Program) -> Verdict:
        async with Jails(1, Limits(cpu_seconds=2, wall_seconds=20, memory_mb=512)) as jails:
            return await jails.run(program)


def statuses_of(codes: list[str], folder: Path, *changes: str) -> list[str]:
    rows = [{"id": str(n), "response": f"```python\n{code}\n```", "tests": TESTS} for n, code in enumerate(codes)]
    context = Context(scratch=folder, jails=Real())
    settings = load_recipe("demo", list(changes))["execute"]
    return list(execute.execute(Dataset.from_list(rows), settings, context)["status"])


TESTS = "```python\nassert f() == 1\n```"


def test_each_flag_that_can_forge_is_a_reason(tmp_path: Path) -> None:
    assert set(PROGRAMS) - {""} == set(FORGING_FLAGS)
    assert statuses_of(list(PROGRAMS.values()), tmp_path) == ["passed"] + ["flagged"] * len(FORGING_FLAGS)


def test_which_flags_are_is_a_setting(tmp_path: Path) -> None:
    codes = [PROGRAMS["frames"], PROGRAMS["gc"]]
    assert statuses_of(codes, tmp_path, "execute.reject_flags=[gc]") == ["passed", "flagged"]


def test_what_failed_stays_failed(tmp_path: Path) -> None:
    assert statuses_of([PROGRAMS["frames"].replace("and 1", "and 2")], tmp_path) == ["failed"]


def test_a_flagged_attempt_is_no_pass() -> None:
    attempt = {"instruction": "Write it.", "response": "x", "tests": "x", "status": execute.FLAGGED}
    assert PassRules(load_recipe("demo", [])["select"]).ruling(attempt).reason == "execution-flagged"


@pytest.mark.parametrize("recipe", ["selfcodealign", "starcoder2-instruct"])
def test_the_papers_recipes_reject_none(recipe: str) -> None:
    assert load_recipe(recipe, [])["execute"].reject_flags == ()
