"""Execution: an instruction whose first samples all run out of time is given up, by the order of samples alone."""

import asyncio
import itertools
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from sca_hf.pipeline.journal import Journal, JournaledJails
from sca_hf.recipe import load_recipe
from sca_hf.sandbox import Jails, Limits, Program, Verdict
from sca_hf.stages import execute
from sca_hf.stages.context import Context

Row = dict[str, Any]
LOOPS, HOLDS, FAILS = "while True: pass", "assert f() == 1", "assert f() == 2"


class Clock:
    """Jails that read the verdict off the program, and take any time for it."""

    def __init__(self, seed: int) -> None:
        self.programs: Counter[str] = Counter()
        self._dice = random.Random(seed)

    async def run(self, program: Program) -> Verdict:
        self.programs[program.code.splitlines()[-1]] += 1
        await asyncio.sleep(self._dice.random() / 1000)
        status: Any = {LOOPS: "timeout", HOLDS: "passed", FAILS: "failed"}[program.tests.strip()]
        return Verdict(status, None, None, 1, (), 0.0, 0.0, 0.0, "", "")


def given(*instructions: str) -> list[Row]:
    """Rows of responses: of each instruction, samples that loop (`L`), hold (`H`) or fail (`F`)."""
    rows = []
    for name, letters in enumerate(instructions):
        for sample, letter in enumerate(letters):
            tests = {"L": LOOPS, "H": HOLDS, "F": FAILS}[letter]
            row: Row = {"id": f"{name}.{sample}", "instruction_id": f"instruction {name}", "sample": sample}
            code = f"def f(): return 1\n# {name}.{sample}"
            rows.append(row | {"response": f"```python\n{code}\n```", "tests": f"```python\n{tests}\n```"})
    return rows


def executed(rows: list[Row], folder: Path, jails: Any, *changes: str) -> dict[str, str]:
    """The status of each response, by id."""
    folder.mkdir(exist_ok=True)
    recipe = load_recipe("demo", list(changes))
    context = Context(scratch=folder, jails=jails, concurrency=recipe.run.concurrency or 512)
    made = execute.execute(Dataset.from_list(rows), recipe["execute"], context)
    assert made["response_id"][:] == [row["id"] for row in rows]
    assert set(made["reject_reason"][:]) == {None}
    return dict(zip(made["response_id"], made["status"], strict=True))


def letters(statuses: dict[str, str]) -> str:
    """One letter a sample: as in `given`, `-` for one that was not run."""
    shown = {"timeout": "L", "passed": "H", "failed": "F", "not-run": "-"}
    names = sorted(statuses, key=lambda name: [int(part) for part in name.split(".")])
    groups = itertools.groupby(names, key=lambda name: name.split(".")[0])
    return " ".join("".join(shown[statuses[name]] for name in group) for _, group in groups)


CASES = {
    "LLLLLL": "LLL---",
    "LLLHFL": "LLL---",
    "LLHLLL": "LLHLLL",
    "HLLLLL": "HLLLLL",
    "FLLLLL": "FLLLLL",
    "LLL": "LLL",
    "LL": "LL",
    "H": "H",
    "HHHHHH": "HHHHHH",
}


@pytest.mark.parametrize("concurrency", [1, 3, 256])
@pytest.mark.parametrize("order", ["as drawn", "backwards", "any"])
def test_it_is_given_up_by_its_first_samples(tmp_path: Path, order: str, concurrency: int) -> None:
    rows = given(*CASES)
    if order == "backwards":
        rows.reverse()
    elif order == "any":
        random.Random(concurrency).shuffle(rows)
    jails = Clock(concurrency)
    statuses = executed(rows, tmp_path, jails, "execute.give_up_after=3", f"run.concurrency={concurrency}")
    assert letters(statuses) == " ".join(CASES.values())
    assert sum(jails.programs.values()) == sum(status != "not-run" for status in statuses.values())


@pytest.mark.parametrize(
    ("count", "shown"), [(1, "L-----"), (2, "LL----"), (5, "LLLLL-"), (6, "LLLLLL"), (9, "LLLLLL")]
)
def test_how_many_is_a_setting(tmp_path: Path, count: int, shown: str) -> None:
    assert letters(executed(given("LLLLLL"), tmp_path, Clock(1), f"execute.give_up_after={count}")) == shown


@pytest.mark.parametrize("recipe", ["selfcodealign", "starcoder2-instruct"])
def test_the_papers_recipes_execute_all_for_as_long_as_the_paper(recipe: str) -> None:
    settings = load_recipe(recipe, [])["execute"]
    assert (settings.cpu_seconds, settings.memory_mb, settings.give_up_after) == (10.0, 4096, None)


def test_all_run_where_nothing_is_given_up(tmp_path: Path) -> None:
    assert letters(executed(given("LLLLLL"), tmp_path, Clock(1), "execute.give_up_after=null")) == "LLLLLL"


def test_equal_samples_are_told_apart_by_their_ids(tmp_path: Path) -> None:
    rows = [row | {"sample": 0} for row in given("LLLLLL")]
    random.Random(3).shuffle(rows)
    assert letters(executed(rows, tmp_path, Clock(1), "execute.give_up_after=2")) == "LL----"


def test_real_loops_are_given_up(tmp_path: Path) -> None:
    class Real:
        async def run(self, program: Program) -> Verdict:
            async with Jails(1, Limits(cpu_seconds=0.2, wall_seconds=20, memory_mb=512)) as jails:
                return await jails.run(program)

    assert letters(executed(given("LLLL", "HFLL"), tmp_path, Real(), "execute.give_up_after=2")) == "LL-- HFLL"


def test_rows_of_nobody_knows_which_instruction_all_run(tmp_path: Path) -> None:
    rows = [{name: row[name] for name in ("id", "response", "tests")} for row in given("LLLLLL")]
    assert letters(executed(rows, tmp_path, Clock(1), "execute.give_up_after=2")) == "LLLLLL"


def test_what_is_given_up_is_the_same_from_the_journal(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite")
    limits = Limits(cpu_seconds=0.2, wall_seconds=20, memory_mb=512)
    for made, reused in ((4, 0), (0, 4)):
        jails = JournaledJails(Jails(1, limits), journal)
        try:
            statuses = executed(given("LLLL", "HF"), tmp_path, jails, "execute.give_up_after=2")
        finally:
            jails.close()
        assert letters(statuses) == "LL-- HF"
        assert (jails.made, jails.reused) == (made, reused)
