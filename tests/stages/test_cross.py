"""Cross-examination: responses against one another's tests, in real jails, and what selection makes of it."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from sca_hf import run, trace
from sca_hf.pipeline.journal import Journal, JournaledJails
from sca_hf.prompts.code_blocks import fenced
from sca_hf.stages import cross, select
from sca_hf.stages.context import Context
from sca_hf.store import Store
from tests.finished_run import arguments_in, own_cache

__all__ = ["own_cache"]

pytestmark = pytest.mark.jail

Row = dict[str, Any]

RIGHT = "def area(a, b):\n    return a * b"
ALSO = "def area(a, b):\n    return sum(a for _ in range(b))"
WRONG = "def area(a, b):\n    return a + b"
OF_RIGHT = "assert area(2, 3) == 6"
OF_ALSO = "assert area(4, 5) == 20"
OF_WRONG = "assert area(2, 3) == 5"


def sample(name: str, code: str, tests: str, status: str = "passed", task: str = "area", **more: Any) -> Row:
    row = {"id": name, "instruction_id": task, "instruction": f"Return the {task} of a rectangle."}
    return row | {"response": fenced(code), "tests": fenced(tests), "status": status} | more


THREE = [sample("a", RIGHT, OF_RIGHT), sample("b", WRONG, OF_WRONG), sample("c", ALSO, OF_ALSO)]


def examined(rows: list[Row], scratch: Path, **settings: Any) -> dict[str, tuple[int | None, float | None]]:
    """Suites and agreement of each row, by id."""
    chosen = cross.CrossSettings(**settings)

    async def work() -> Dataset:
        async with cross.jails(chosen, workers=2) as jails:
            return await asyncio.to_thread(
                cross.cross, Dataset.from_list(rows), chosen, Context(scratch=scratch, jails=jails)
            )

    made = asyncio.run(work())
    assert made["id"][:] == [row["id"] for row in rows]
    assert set(made["reject_reason"][:]) == {None}
    return {row["id"]: (row["suites"], row["agreement"]) for row in made}


def test_a_mistake_that_response_and_tests_share_is_seen_by_the_others(tmp_path: Path) -> None:
    assert examined(THREE, tmp_path / "a") == {"a": (2, 0.5), "b": (2, 0.0), "c": (2, 0.5)}
    backwards = examined(THREE[::-1], tmp_path / "b")
    assert backwards == {"a": (2, 0.5), "b": (2, 0.0), "c": (2, 0.5)}


def test_the_suites_of_failing_samples_count_and_these_are_not_examined(tmp_path: Path) -> None:
    rows = [THREE[0], sample("b", WRONG, OF_ALSO, status="failed"), sample("x", WRONG, OF_RIGHT, task="another")]
    assert examined(rows, tmp_path) == {"a": (1, 1.0), "b": (None, None), "x": (0, None)}


def test_other_suites_of_its_own_sample_are_not_run(tmp_path: Path) -> None:
    rows = [
        sample("a", RIGHT, OF_RIGHT, sample=0, suite=0),
        sample("b", RIGHT, OF_ALSO, sample=0, suite=1),
        sample("c", WRONG, OF_WRONG, sample=1, suite=0),
        sample("d", ALSO, OF_ALSO, sample=2, suite=0),
    ]
    assert examined(rows, tmp_path) == {"a": (2, 0.5), "b": (2, 0.5), "c": (3, 0.0), "d": (3, pytest.approx(2 / 3))}


@pytest.mark.parametrize(
    "other",
    [
        sample("b", "def surface(a, b):\n    return a * b", "assert surface(2, 3) == 6"),
        sample("b", f"import math\n{RIGHT}", "assert area(2, 3) == math.prod([2, 3])"),
        sample("b", RIGHT, "assert area(2, 3) ==", status="syntax-error"),
        sample("b", RIGHT, "area(2, 3)", status="no-assertion"),
        sample("b", RIGHT, "while area(2, 3): pass\nassert area(2, 3) == 6", status="timeout"),
        sample("b", RIGHT, OF_RIGHT, status="flagged"),
        sample("b", RIGHT, "assert area(2, 3)", mutants=4, mutants_killed=0),
    ],
    ids=["other-names", "import", "syntax", "no-check", "endless", "flagged", "vacuous"],
)
def test_a_suite_that_says_nothing_of_the_response_does_not_count(other: Row, tmp_path: Path) -> None:
    rows = [{"mutants": None, "mutants_killed": None} | row for row in (THREE[0], other, THREE[2])]
    assert examined(rows, tmp_path, cpu_seconds=0.5)["a"] == (1, 1.0)


def test_the_other_suites_of_one_s_own_sample_are_left_out(tmp_path: Path) -> None:
    rows = [
        sample("a0", RIGHT, OF_RIGHT, sample=0),
        sample("a1", RIGHT, OF_ALSO, sample=0),
        sample("b0", WRONG, OF_WRONG, sample=1),
        sample("b1", WRONG, OF_RIGHT, status="failed", sample=1),
    ]
    right = {"a0": (2, 0.5), "a1": (2, 0.5)}
    assert examined(rows, tmp_path) == right | {"b0": (2, 0.0), "b1": (None, None)}


def test_all_responses_meet_the_same_suites_where_these_are_limited(tmp_path: Path) -> None:
    assert examined(THREE, tmp_path, suites=1) == {"a": (1, 0.0), "b": (1, 0.0), "c": (1, 1.0)}


def test_verdicts_are_journaled(tmp_path: Path) -> None:
    settings = cross.CrossSettings()
    made = []
    for attempt in ("first", "second"):
        jails = JournaledJails(cross.jails(settings, 2), Journal(tmp_path / "journal.sqlite"))
        cross.cross(Dataset.from_list(THREE), settings, Context(scratch=tmp_path / attempt, jails=jails))
        jails.close()
        made.append((jails.made, jails.reused))
    assert made == [(6, 0), (0, 6)]


def test_the_response_that_most_agree_with_is_chosen() -> None:
    rows = []
    for task in range(40):
        # Null: no other suite came to an answer.
        for name, agreement in enumerate((0.25, 0.75, None, 0.5)):
            attempt = sample(
                f"{task}.{name}", f"def area_{task}_{name}():\n    return {name}", OF_RIGHT, task=f"{task}"
            )
            rows.append(attempt | {"suites": 4, "agreement": agreement})
    settings = select.SelectSettings(asked_names=False)
    for order in (rows, rows[::-1]):
        judged = select.select(Dataset.from_list(order), settings, Context())
        kept = {row["execute_id"] for row in judged if row["reject_reason"] is None}
        assert kept == {f"{task}.1" for task in range(40)}


def test_a_recipe_may_have_the_stage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tasks = [row | {"id": f"{n} {row['id']}", "instruction_id": f"{n}"} for n in range(4) for row in THREE]
    rows = [{key: row[key] for key in ("instruction_id", "instruction", "response", "tests")} for row in tasks]
    (tmp_path / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    where = ["--store", str(tmp_path / "store"), "--from", "execute", "--input", str(tmp_path / "rows.jsonl")]
    stages = "stages=[seeds,concepts,instructions,responses,execute,cross,select,sft]"
    changes = ["--set", stages, "--set", "select.asked_names=false"]
    assert run.main([*arguments_in(tmp_path)[:2], *where, *changes]) == 0
    store = Store(tmp_path / "store")
    examined_rows, final = store.latest("demo-cross"), store.latest("demo-sft")
    assert examined_rows is not None
    assert final is not None
    assert sorted(examined_rows.load()["agreement"]) == [0.0] * 4 + [0.5] * 8
    assert "What the others say" in (examined_rows.path / "README.md").read_text()
    (row,) = final.load()
    assert row["agreement"] == 0.5
    chosen = store.latest("demo-select")
    assert chosen is not None
    assert "from those that the tests of most other answers agree with" in (chosen.path / "README.md").read_text()
    capsys.readouterr()
    assert trace.main([row["id"], "--store", str(store.root)]) == 0
    assert {"agreement 0.5", "suites 2", "pass_rate 1"} <= {" ".join(line.split()) for line in _lines(capsys)}


def _lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()
