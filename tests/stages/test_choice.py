"""The choice among an instruction's passes: uniform, and dependent on nothing else than they and the run's seed."""

import random
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datasets import Dataset

from sca_hf.recipe import load_recipe
from sca_hf.stages import select
from sca_hf.stages.context import Context
from tests.stages.test_select import attempt, reasons

PASSES = 4
# Of a chi-square of 3 degrees of freedom, one in 10,000 is above this.
CRITICAL = 21.11


def passing(tasks: range) -> list[dict[str, Any]]:
    """A failure and four passes of each of these tasks."""
    return [
        attempt(10 * task + sample, instruction_id=f"task {task}", instruction=f"Task {task}", status=status)
        for task in tasks
        for sample, status in enumerate(["failed", *["passed"] * PASSES])
    ]


def samples_chosen(rows: list[dict[str, Any]], scratch: Path, *changes: str) -> dict[str, int]:
    """The sample that was chosen of each task."""
    kept = [row for row, reason in reasons(rows, scratch, *changes).items() if reason is None]
    return {f"task {int(row.split()[1]) // 10}": int(row.split()[1]) % 10 for row in kept}


def chi_square(samples: Mapping[str, int]) -> float:
    expected = len(samples) / PASSES
    counts = Counter(samples.values())
    return sum((counts[place] - expected) ** 2 / expected for place in range(1, PASSES + 1))


def test_one_pass_an_instruction_is_chosen_uniformly(tmp_path: Path) -> None:
    by_task = samples_chosen(passing(range(2000)), tmp_path)
    assert len(by_task) == 2000
    assert set(by_task.values()) == set(range(1, PASSES + 1))
    assert chi_square(by_task) < CRITICAL
    # The test would notice a chooser that takes the first pass in one task of eight.
    assert chi_square({task: 1 if number % 8 == 0 else by_task[task] for number, task in enumerate(by_task)}) > CRITICAL


def test_of_those_that_most_agree_with_one_is_chosen_uniformly(tmp_path: Path) -> None:
    """A fifth pass that fewer agree with is never chosen, and stage `cross` leaves the others their even chances."""
    rows = [row | {"agreement": None if row["status"] == "failed" else 0.75} for row in passing(range(2000))]
    rows += [row | {"id": f"attempt {10 * n + 9}", "agreement": 0.5} for n, row in enumerate(rows[1 :: PASSES + 1])]
    by_task = samples_chosen(rows, tmp_path)
    assert set(by_task.values()) == set(range(1, PASSES + 1))
    assert chi_square(by_task) < CRITICAL
    assert by_task == samples_chosen(passing(range(2000)), tmp_path / "without")


def test_the_choice_depends_on_the_run_seed_and_the_instruction_s_passes_alone(tmp_path: Path) -> None:
    rows = passing(range(100))
    by_task = samples_chosen(rows, tmp_path)
    assert samples_chosen(rows[::-1], tmp_path) == by_task
    shuffled = random.Random(0).sample(rows, len(rows))
    assert samples_chosen(shuffled, tmp_path) == by_task
    some = {task: sample for task, sample in by_task.items() if int(task.split()[1]) < 20}
    assert samples_chosen(passing(range(20)), tmp_path) == some
    assert samples_chosen([row for row in rows if row["status"] == "passed"], tmp_path) == by_task
    assert samples_chosen(rows, tmp_path, "seed=1") != by_task
    for context in (Context(scratch=tmp_path, batch_size=7), Context(scratch=tmp_path, workers=2, concurrency=1)):
        judged = select.select(Dataset.from_list(rows), load_recipe("demo")["select"], context)
        kept = [row["execute_id"] for row in judged if row["reject_reason"] is None]
        assert {f"task {int(row.split()[1]) // 10}": int(row.split()[1]) % 10 for row in kept} == by_task
