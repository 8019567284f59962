"""Evol-Instruct: rounds of changes, each of its own row, and a parent for every generation."""

from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset
from pydantic import ValidationError

from sca_hf import run
from sca_hf.errors import InputError
from sca_hf.identity import digest, row_id
from sca_hf.pipeline.pipeline import Pipeline
from sca_hf.recipe import load_recipe
from sca_hf.stage import REJECT_REASON
from sca_hf.stages.evolve import STAGE, EvolveSettings
from sca_hf.store import Store
from tests.stages.asking import Row, reasons, rows_of, served

TASK = "Write `total(numbers)` that returns the sum of a list of numbers."
TASKS: list[Row] = [{"id": f"{n:020x}", "instruction": f"{TASK} Way {n}."} for n in range(8)]


def says(prompt: str, seed: int) -> str:
    parent = prompt.rpartition("[Instruction]\n")[2].partition("\n\n[Change]")[0]
    return f"{parent} It never {digest(prompt)[:8]}s a {digest(parent)[:8]}.\n\n[Instruction]\nAnother"


def test_every_generation_keeps_its_parent(tmp_path: Path) -> None:
    with served(says) as server:
        rows = rows_of(STAGE, server, tmp_path, TASKS, EvolveSettings(rounds=3))
    assert reasons(rows) == [None] * 32
    by_id = {row["id"]: row for row in rows}
    assert len(by_id) == 32
    for row in rows:
        if row["generation"] == 0:
            assert (row["change"], row["parent_instruction"], row["parent_instruction_id"]) == (None, None, None)
            assert row["instruction"] in {task["instruction"] for task in TASKS}
            continue
        parent = by_id[row["parent_instruction_id"]]
        assert parent["generation"] == row["generation"] - 1
        assert parent["instruction"] == row["parent_instruction"]
        assert parent["first_instruction_id"] == row["first_instruction_id"]
        assert row["instruction"].startswith(parent["instruction"])
        assert row["instruction_by"] == "org/toy@as served"
        assert "[Instruction]" not in row["instruction"]
    assert {row["change"] for row in rows} - {None} == set(EvolveSettings().changes)


def test_a_failed_change_is_a_row_and_the_next_round_goes_on_from_the_last_task(tmp_path: Path) -> None:
    calls: dict[int, str] = {}

    def stumbles(prompt: str, seed: int) -> str:
        calls.setdefault(seed, prompt)
        return TASKS[0]["instruction"] if len(calls) == 2 else says(prompt, seed)

    with served(stumbles) as server:
        rows = rows_of(STAGE, server, tmp_path, TASKS[:1], EvolveSettings(rounds=3))
    assert reasons(rows) == [None, None, "same-as-parent", None]
    assert [row["generation"] for row in rows] == [0, 1, 2, 2]
    assert {row["parent_instruction_id"] for row in rows[2:]} == {rows[1]["id"]}


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("", "no-instruction"),
        ("I'm sorry, but I can't help with that.", "refusal"),
        (f"{TASK} Way 0.", "same-as-parent"),
        ("New Instruction: sum nested lists, of any depth, without recursion.", "leaks-prompt"),
        ("In contrast to the original task, sum nested lists.", "leaks-prompt"),
        ("Sum nested lists.\n\n[Tests]\nassert 1", "not-an-instruction"),
        (" ".join(f"word{n}" for n in range(201)), "too-long"),
        ("and again " * 600, "repetition"),
        (" ".join(f"w{n}" for n in range(600)), "cut-off"),
    ],
)
def test_a_change_that_fails_has_its_reason(said: str, reason: str, tmp_path: Path) -> None:
    with served(lambda prompt, seed: said) as server:
        rows = rows_of(STAGE, server, tmp_path, TASKS[:1], EvolveSettings(rounds=1))
    assert reasons(rows) == [None, reason]


def test_a_copied_exemplar_is_rejected_if_the_prompt_shows_it(tmp_path: Path) -> None:
    exemplars = EvolveSettings().load().exemplars
    with served(lambda prompt, seed: exemplars[2]["New Instruction"]) as server:
        rows = rows_of(STAGE, server, tmp_path / "5", TASKS[:1], EvolveSettings(rounds=1))
        other = rows_of(STAGE, server, tmp_path / "2", TASKS[:1], EvolveSettings(rounds=1, shots=2))
    assert (reasons(rows), reasons(other)) == ([None, "copied-exemplar-3"], [None, None])


@pytest.mark.parametrize(("fault", "reason"), [("long", "prompt-too-long"), (500, "engine-error")])
def test_a_fault_of_the_engine_costs_its_round(fault: Any, reason: str, tmp_path: Path) -> None:
    with served(says) as server:
        server.poison["Way 1."] = fault
        rows = rows_of(STAGE, server, tmp_path, TASKS[:3], EvolveSettings(rounds=1))
    assert reasons(rows) == [None, None, None, reason, None, None]


def test_the_same_rows_for_any_order_and_concurrency(tmp_path: Path) -> None:
    with served(says) as server:
        rows = rows_of(STAGE, server, tmp_path / "1", TASKS)
        other = rows_of(STAGE, server, tmp_path / "2", TASKS[::-1], concurrency=2, batch_size=1)
    assert sorted(map(str, rows)) == sorted(map(str, other))


def test_first_generations_may_be_left_out_and_changes_chosen(tmp_path: Path) -> None:
    settings = EvolveSettings(rounds=2, keep_first=False, changes={"constraint": 1, "depth": 0})
    with served(says) as server:
        rows = rows_of(STAGE, server, tmp_path, TASKS[:2], settings)
    assert reasons(rows) == ["first-generation", None, None] * 2
    assert {row["change"] for row in rows} == {None, "constraint"}
    assert rows[1]["parent_instruction_id"] == rows[0]["id"] == row_id(TASKS[0]["id"], "evolve", 0)


def test_changes_that_no_prompt_is_there_for_are_told(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="one of them > 0"):
        EvolveSettings(changes={"depth": 0})
    offline = ["model=demo", "select.decontaminate=null", "seeds.decontaminate=null", "evolve.changes={colour: 1}"]
    with pytest.raises(InputError, match=r"no text under '### Change: colour' \(there is depth, constraint"):
        Pipeline(load_recipe("evol-instruct", offline), Store(tmp_path))


def test_a_run_from_tasks_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "tasks.jsonl"
    Dataset.from_list([{"instruction": task["instruction"], "topic": "sums"} for task in TASKS]).to_json(str(file))

    def stumbles(prompt: str, seed: int) -> str:
        return "" if "Way 3" in prompt else says(prompt, seed)

    with served(stumbles) as server:
        arguments = [
            "--recipe",
            "evol-instruct",
            "--store",
            str(tmp_path / "store"),
            "--input",
            str(file),
            "--to",
            "evolve",
        ]
        for change in (
            "model=org/toy", "engine.kind=openai", f"engine.urls=[{server.url}]", "evolve.rounds=2",
            "select.decontaminate=null", "seeds.decontaminate=null",
        ):  # fmt: skip
            arguments += ["--set", change]
        assert run.main(arguments) == 0
    (version,) = Store(tmp_path / "store").versions()
    assert (version.counts.rows_in, version.counts.judged, version.counts.kept) == (8, 24, 22)
    assert dict(version.counts.rejected) == {"no-instruction": 2}
    rows = version.load().to_list()
    assert {row["topic"] for row in rows} == {"sums"}
    assert {row["instruction_by"] for row in rows} == {None, "org/toy@as served"}
    assert REJECT_REASON not in rows[0]
