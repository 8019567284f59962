"""Pairs for DPO: who is paired with whom, and that trainers read them."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from sca_hf import run
from sca_hf.stage import REJECT_REASON
from sca_hf.stages.context import Context
from sca_hf.stages.preferences import PreferencesSettings, preferences
from sca_hf.store import Store
from sca_hf.training.data import load_preferences

Row = dict[str, Any]


def attempt(instruction: str, number: int, status: str, response: str | None = None) -> Row:
    code = f"def f(x):\n    return x + {number}"
    return {
        "id": f"{instruction}-{number}",
        "instruction_id": instruction,
        "instruction": f"Write `f(x)`, {instruction}.",
        "response": response or f"So:\n\n```python\n{code}\n```",
        "tests": "```python\nassert f(1)\n```",
        "status": status,
    }


def paired(rows: list[Row], seed: int = 1, **settings: Any) -> list[Row]:
    made: list[Row] = preferences(Dataset.from_list(rows), PreferencesSettings(**settings), Context(seed)).to_list()
    return made


def test_a_pass_is_paired_with_a_failure_of_its_own_instruction() -> None:
    rows = [attempt(name, number, ("passed", "failed")[number % 2]) for name in "abc" for number in range(6)]
    pairs = [row for row in paired(rows, pairs=2) if row[REJECT_REASON] is None]
    assert Counter(row["instruction_id"] for row in pairs) == {"a": 2, "b": 2, "c": 2}
    by_id = {row["id"]: row for row in rows}
    for row in pairs:
        failed = by_id[row["rejected_id"]]
        assert (failed["status"], failed["instruction_id"]) == ("failed", row["instruction_id"])
        assert by_id[row["execute_id"]]["status"] == "passed"
        assert row["prompt"] == [{"role": "user", "content": row["instruction"]}]
        assert row["chosen"] == [{"role": "assistant", "content": row["response"]}]
        assert row["rejected"] == [{"role": "assistant", "content": failed["response"]}]
        assert row["pass_rate"] == 0.5
    assert len({row["rejected_id"] for row in pairs}) == len({row["execute_id"] for row in pairs}) == 6


def test_reasons_add_up_and_chance_is_the_seeds_alone() -> None:
    rows = [attempt("a", 0, "passed"), attempt("a", 1, "passed"), attempt("a", 2, "failed"), attempt("a", 3, "timeout")]
    rows += [attempt("b", 0, "passed"), attempt("b", 1, "timeout"), attempt("c", 0, "failed")]
    made = paired(rows)
    assert Counter(row[REJECT_REASON] for row in made) == {
        None: 1, "no-failure": 2, "execution-failed": 2, "execution-timeout": 2,
    }  # fmt: skip
    assert len(made) == len(rows)
    assert sorted(map(str, made)) == sorted(map(str, paired(rows[::-1])))
    assert (
        len({str(paired([attempt("a", n, ("passed", "failed")[n % 2]) for n in range(8)], seed)) for seed in range(9)})
        > 1
    )


def test_more_pairs_than_asked_for_and_equal_responses() -> None:
    rows = [attempt("a", number, "passed") for number in range(3)] + [attempt("a", n, "failed") for n in range(3, 6)]
    assert Counter(row[REJECT_REASON] for row in paired(rows)) == {None: 1, "not-chosen": 2, "execution-failed": 3}
    same = "```python\ndef f(x):\n    return x\n```"
    rows = [attempt("a", 0, "passed", same), attempt("a", 1, "passed", f"\n{same} "), attempt("a", 2, "failed", same)]
    assert [row[REJECT_REASON] for row in paired(rows)] == ["no-failure", "same-response", "execution-failed"]


def test_a_pass_that_another_rule_rejects_is_no_side_of_a_pair() -> None:
    rows = [
        attempt("a", 0, "passed", "```python\ndef f(x):\n    return 1  # TODO: more\n```"),
        attempt("a", 1, "failed"),
    ]
    assert [row[REJECT_REASON] for row in paired(rows)] == ["leftover", "execution-failed"]


@pytest.mark.jail
def test_a_run_whose_pairs_the_trainer_reads(tmp_path: Path) -> None:
    store, file = tmp_path / "store", tmp_path / "attempts.jsonl"
    code = "```python\ndef double(x):\n    return {0} * x\n```"
    rows = [
        {
            "instruction_id": f"task {number // 2}",
            "instruction": "Write `double(x)`.",
            "response": code.format(2 + number % 2),
            "tests": f"```python\nassert double({number}) == {2 * number}\n```",
        }
        for number in range(1, 7)
    ]
    Dataset.from_list(rows).to_json(str(file))
    arguments = ["--recipe", "preferences", "--store", str(store), "--input", str(file), "--from", "execute"]
    for change in ("preferences.decontaminate=null", "seeds.decontaminate=null", "execute.memory_mb=512", "model=demo"):
        arguments += ["--set", change]
    assert run.main([*arguments, "--set", "mutants=null"]) == 0
    versions = {version.dataset: version for version in Store(store).versions()}
    counts = versions["preferences-preferences"].counts
    assert (counts.kept, dict(counts.rejected)) == (2, {"execution-failed": 3, "no-failure": 1})
    data = load_preferences("preferences-preferences", store)
    assert set(data.rows.column_names) == {"prompt", "chosen", "rejected"}
    assert {row["chosen"][0]["content"] for row in data.rows} == {code.format(2)}
    assert {row["rejected"][0]["content"] for row in data.rows} == {code.format(3)}
