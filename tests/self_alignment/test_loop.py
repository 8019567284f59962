"""The loop at its smallest: the demo model writes data, is tuned for a few steps, and answers held-out tasks."""

import json
import random
from pathlib import Path

import pytest
from demo_model.function_tasks import draw_function
from self_alignment.choices import is_open, names_of
from self_alignment.experiment import Experiment
from self_alignment.families import family_of, is_withheld
from self_alignment.held_out import write_held_out
from self_alignment.loop import close_loop
from self_alignment.table import score_table

from sca_hf.benchmarks import Answer, Grade
from sca_hf.evaluation.grading import Graded
from sca_hf.evaluation.results import Made, Result


@pytest.mark.parametrize(
    ("instruction", "family"),
    [
        ("Write `f(xs)`. Keep the marks above zero and return their sum.", "{x} > 0 -> sum({g})"),
        ("Drop the marks that are odd. Then, return the total.", "{x} % 2 == 0 -> sum({g})"),
        ("It squares each mark, then adds 3 to each one and returns the total.", "{x} ** 2 | {x} + {k} -> sum({g})"),
        ("Take the words above `limit`, and return the results in order.", "{x} > {k} -> {s}"),
        ("Say hello.", None),
        ("Return their sum. Return how many are left.", None),
    ],
)  # fmt: skip
def test_a_family_is_told_from_the_words(instruction: str, family: str | None) -> None:
    assert family_of(instruction) == family


def test_almost_every_task_of_the_grammar_is_told_its_family() -> None:
    right = 0
    for place in range(300):
        drawn = draw_function(random.Random(place), ("easy", "medium", "hard")[place % 3])
        operations = sorted({step.operation.expression for step in drawn.pipeline.steps})
        right += family_of(drawn.task.instruction) == f"{' | '.join(operations)} -> {drawn.pipeline.result.expression}"
    assert right >= 290


def test_held_out_tasks_are_of_withheld_families_and_new_names(tmp_path: Path) -> None:
    write_held_out(tmp_path, 60, ())
    rows = [json.loads(line) for line in (tmp_path / "mbpp.jsonl").read_text().splitlines()]
    families = [family_of(row["text"]) for row in rows]
    assert all(family is not None and is_withheld(family) for family in families)
    assert not any(is_open(row["text"]) for row in rows)
    assert len(set(families)) > 50
    for row in rows:
        exec("\n".join([row["code"], *row["test_list"]]), {})
    taken = names_of([{"response": f"```python\n{row['code']}\n```"} for row in rows])
    write_held_out(tmp_path / "others", 60, taken)
    others = (tmp_path / "others" / "mbpp.jsonl").read_text()
    assert not any(f"def {name}(" in others for name in taken)


def test_scores_of_seeds_are_put_together() -> None:
    def result(*passed: bool) -> Result:
        graded = [Graded(Answer(str(task), 0), Grade(one, "")) for task, one in enumerate(passed)]
        return Result("held-out", "", Made("m"), graded, len(graded))

    table = score_table(
        result(True, False), {"passes only": [result(True, True), result(True, False)], "random": [result(True, False)]}
    )
    assert "| base | 50.0 [" in table
    assert "| passes only | 75.0 [" in table
    assert "| 100.0, 50.0 | 25.0 [" in table
    assert "| random | 50.0 [" in table
    assert "] | 25.0 [" in table.splitlines()[-1]


@pytest.mark.engine
@pytest.mark.jail
@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_the_loop_closes(tmp_path: Path) -> None:
    settings = ("seeds.count=24", "responses.samples=2", "mutants.runs=2")
    experiment = Experiment(
        tmp_path, seeds=[1], settings=settings, training=("steps=2", "batch_size=4", "micro_batch=4"), tasks=6
    )
    table = close_loop(experiment)
    assert table.startswith("6 tasks, 1 seeds, rows to train on: ")
    assert [line.split(" | ")[0] for line in table.splitlines()[4:]] == [
        "| base",
        "| base, by the chat template",
        "| passes only",
        "| random",
        "| failures only",
    ]
    rows = [(tmp_path / "rows" / f"{name}-1.jsonl").read_text() for name in ("passes-only", "random", "failures-only")]
    assert len(set(rows)) == 3
    assert len({len(text.splitlines()) for text in rows}) == 1
    for name in ("passes-only", "random", "failures-only"):
        assert json.loads((tmp_path / "models" / f"{name}-1" / "training.json").read_text())
