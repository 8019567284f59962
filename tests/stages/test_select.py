"""Selection: every attempt is kept or has one reason, and the choice is random but repeatable."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from sca_hf.prompts.code_blocks import code_blocks
from sca_hf.recipe import load_recipe
from sca_hf.stage import split
from sca_hf.stages import select, sft
from sca_hf.stages.context import Context


def attempt(number: int, **changes: Any) -> dict[str, Any]:
    """A passing attempt, the only one at its instruction, that duplicates no other."""
    row = {
        "id": f"attempt {number}",
        "instruction_id": f"instruction {number}",
        "instruction": f"Write add_{number}.",
        "response": f"Here:\n\n```python\ndef add_{number}(x):\n    return x + {number}\n```",
        "tests": f"```python\nassert add_{number}(0) == {number}\n```",
        "status": "passed",
    }
    return row | changes


def reasons(rows: list[dict[str, Any]], scratch: Path, *changes: str) -> dict[str, str | None]:
    recipe = load_recipe("demo", changes)
    judged = select.select(Dataset.from_list(rows), recipe["select"], Context(recipe.seed, scratch))
    parts = split(select.STAGE, len(rows), judged)
    assert parts.counts.kept + sum(parts.counts.rejected.values()) == len(rows)
    return dict(zip(judged["execute_id"], judged["reject_reason"], strict=True))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"status": "failed"}, "execution-failed"),
        ({"status": "no-assertion"}, "execution-no-assertion"),
        ({"response": "```python\ndef f():\n    pass  # TODO\n```"}, "leftover"),
        ({"tests": "```python\nassert f() is None  # Your code here\n```"}, "leftover"),
        ({"response": "```python\ndef f(x):\n    ...\n```"}, "leftover"),
        ({"response": "```python\nclass TodoList:\n    pass\n```"}, None),
        ({"instruction": "word " * 201}, "long-instruction"),
        ({"instruction": "word " * 200}, None),
        ({"mutants": 3, "mutants_killed": 0}, "vacuous-tests"),
        ({"mutants": 3, "mutants_killed": 1}, None),
        ({"mutants": 0, "mutants_killed": 0}, None),
        ({"mutants": None, "mutants_killed": None}, None),
        ({"instruction": "Write `add_1(x)`."}, None),
        ({"instruction": "Write `plus_1(x)`."}, "other-names"),
        ({"instruction": "Write `add_1(x)`.", "tests": "```python\nassert 1 + 1 == 2\n```"}, "other-names"),
    ],
)
def test_rules_of_one_attempt(tmp_path: Path, changes: dict[str, Any], reason: str | None) -> None:
    assert reasons([attempt(1, **changes)], tmp_path) == {"attempt 1": reason}


def test_other_names_are_said_and_are_nothing_to_the_paper(tmp_path: Path) -> None:
    rows = Dataset.from_list([attempt(1, instruction="Write `plus_1(x)` and `add_1(x)`."), attempt(2)])
    judged = select.select(rows, select.SelectSettings(), Context(scratch=tmp_path))
    assert judged["other_names"][:] == [["plus_1"], []]
    paper = load_recipe("selfcodealign", ["select.decontaminate=null", "select.near_duplicates=null"])["select"]
    assert set(select.select(rows, paper, Context(scratch=tmp_path))["reject_reason"]) == {None}
    assert load_recipe("demo")["select"].asked_names


@pytest.mark.parametrize(
    ("response", "by_words", "by_substrings"),
    [
        ("El método de Mastodon.\n\n```python\ndef add_todo(x):\n    return x\n```", None, "leftover"),
        ("```python\nclass A(ABC):\n    def f(self):\n        raise NotImplementedError\n```", None, "leftover"),
        ("```python\ndef f(x):\n    return x  # TODO\n```", "leftover", "leftover"),
        ("```python\ndef f(x):\n    ...\n```", "leftover", None),
    ],
)
def test_leftovers_by_words_or_as_in_the_paper(
    tmp_path: Path, response: str, by_words: str | None, by_substrings: str | None
) -> None:
    rows = [attempt(1, response=response)]
    assert list(reasons(rows, tmp_path / "words").values()) == [by_words]
    assert list(reasons(rows, tmp_path / "substrings", "select.leftover_rule=substrings").values()) == [by_substrings]


def test_what_has_a_benchmark_in_its_instruction_or_response_goes(tmp_path: Path) -> None:
    text, code = "Write a function to count the herons at sea.", "def herons(x):\n    return len(x)"
    (tmp_path / "mbpp.jsonl").write_text(json.dumps({"task_id": 5, "text": text, "code": code}))
    rows = [
        attempt(1, instruction=f"- {text.upper()}"),
        attempt(2, response=f"Here:\n\n```python\n{code}\n```"),
        attempt(3),
        attempt(4, status="failed", instruction=text),
    ]
    change = f"select.decontaminate={{files: {{mbpp: {tmp_path / 'mbpp.jsonl'}}}}}"
    found = reasons(rows, tmp_path, change)
    assert list(found.values()) == ["contaminated-mbpp", "contaminated-mbpp", None, "execution-failed"]
    assert str(tmp_path) not in json.dumps(load_recipe("demo", [change]).published())
    judged = select.select(Dataset.from_list(rows), load_recipe("demo", [change])["select"], Context(scratch=tmp_path))
    code_row = "mbpp 5 (code): def herons(x): return len(x)"
    assert judged["benchmark_row"][:] == [f"mbpp 5 (text): {text}", code_row, None, None]


def test_duplicates_go_but_for_the_first(tmp_path: Path) -> None:
    rows = [
        attempt(1),
        attempt(2, instruction=" Write\nadd_1. "),
        attempt(3, response=attempt(1)["response"].replace("\n", "\n\n")),
        attempt(4, response="Look:\n\n```python\ndef add_1(x):\n    return 1 + x\n```"),
        attempt(5),
    ]
    found = reasons(rows, tmp_path, "select.once_per_names=true")
    assert list(found.values()) == [None, "duplicate-instruction", "duplicate-response", "duplicate-names", None]


def test_near_duplicates_go_if_that_is_asked_for(tmp_path: Path) -> None:
    words = " ".join(f"word{number}" for number in range(30))
    code = "\n".join(f"    x += {number}  # {{0}}" for number in range(30))
    rows = [
        attempt(1, instruction=f"{words} one"),
        attempt(2, instruction=f"{words} two"),
        attempt(3, response=f"{words} three"),
        attempt(4, response=f"{words} four"),
        attempt(5, response=f"```python\ndef five(x):\n{code.format('a long note on it')}\n    return x\n```"),
        attempt(6, response=f"```python\ndef six(x):\n{code.format('said in other words')}\n    return x\n```"),
    ]
    assert set(reasons(rows, tmp_path).values()) == {None}
    found = reasons(rows, tmp_path, "select.near_duplicates={threshold: 0.7}")
    expected = [None, "near-duplicate-instruction", None, "near-duplicate-response", None, "near-duplicate-code"]
    assert list(found.values()) == expected


def test_every_reason_at_once_adds_up_to_the_rows(tmp_path: Path) -> None:
    """One row for each rule that must go, and its like that must stay."""
    text = "Sort the herons by name. " * 3
    (tmp_path / "mbpp.jsonl").write_text(json.dumps({"task_id": 5, "text": text, "code": "x"}))
    rows = [
        attempt(1),
        attempt(2, status="timeout"),
        attempt(3, mutants=2, mutants_killed=0),
        attempt(4, mutants=2, mutants_killed=1),
        attempt(5, response="```python\ndef f():\n    pass  # TODO\n```"),
        attempt(6, response="```python\ndef todo_list():\n    return []\n```"),
        attempt(7, instruction="word " * 201),
        attempt(8, instruction="Write `plus(x)`."),
        attempt(9, instruction="Write `add_9(x)`."),
        attempt(10, instruction=text),
        attempt(11, instruction="Sort the herons by size."),
        attempt(12, instruction_id="instruction 1"),
        attempt(13, instruction=" Sort the herons\nby size."),
        attempt(14, response=f"{attempt(11)['response']}\n"),
        attempt(15, response="Other words.\n\n```python\ndef add_9(x):\n    return 9 + x\n```"),
    ]
    changes = (f"select.decontaminate={{files: {{mbpp: {tmp_path / 'mbpp.jsonl'}}}}}", "select.once_per_names=true")
    found = reasons([{"mutants": None, "mutants_killed": None} | row for row in rows], tmp_path, *changes)
    in_1 = {number for number in (1, 12) if found[f"attempt {number}"] is None}
    assert len(in_1) == 1
    counted = Counter(found.values())
    assert counted == {
        None: 5,
        "execution-timeout": 1,
        "vacuous-tests": 1,
        "leftover": 1,
        "long-instruction": 1,
        "other-names": 1,
        "contaminated-mbpp": 1,
        "not-chosen": 1,
        "duplicate-instruction": 1,
        "duplicate-response": 1,
        "duplicate-names": 1,
    }


def test_conversations(tmp_path: Path) -> None:
    rows = [attempt(number) for number in range(400)]
    context = Context(scratch=tmp_path)
    selected = split(select.STAGE, 400, select.select(Dataset.from_list(rows), select.SelectSettings(), context)).kept
    made = sft.sft(selected, sft.SftSettings(), context)
    assert made["select_id"][:] == selected["id"][:]
    with_tests = 0
    for row in made:
        user, assistant = row["messages"]
        assert (user["role"], assistant["role"]) == ("user", "assistant")
        assert assistant["content"] == row["response"]
        if user["content"] != row["instruction"]:
            assert user["content"] == f"{row['instruction']}\n\nYour code should pass these tests:\n\n{row['tests']}"
            with_tests += 1
    assert 150 < with_tests < 250  # one half; five standard errors are 50


def test_long_tests_stay_out_of_the_instruction(tmp_path: Path) -> None:
    tests = "```python\n" + "\n".join(f"assert add_1({number}) == {number + 1}" for number in range(6)) + "\n```"
    rows = Dataset.from_list([attempt(1, tests=tests), attempt(2)])
    first, second = sft.sft(rows, sft.SftSettings(tests_probability=1.0), Context(scratch=tmp_path))
    assert first["messages"][0]["content"] == first["instruction"]
    assert "assert add_2(0) == 2" in second["messages"][0]["content"]


def test_tests_with_backticks_stay_whole_in_the_instruction(tmp_path: Path) -> None:
    code = 'assert add_1(0) == 1, """\n```\n"""'
    rows = Dataset.from_list([attempt(1, tests=f"````python\n{code}\n````")])
    (row,) = sft.sft(rows, sft.SftSettings(tests_probability=1.0), Context(scratch=tmp_path))
    assert code_blocks(row["messages"][0]["content"]) == [f"{code}\n"]


def chosen(rows: list[dict[str, Any]], scratch: Path) -> list[dict[str, Any]]:
    recipe = load_recipe("demo")
    judged = select.select(Dataset.from_list(rows), recipe["select"], Context(recipe.seed, scratch))
    kept: list[dict[str, Any]] = split(select.STAGE, len(rows), judged).kept.to_list()
    return kept


def test_a_kept_row_has_the_pass_rate_of_its_instruction_and_a_failure(tmp_path: Path) -> None:
    same = {"instruction_id": "one", "instruction": "Write it."}
    failed = attempt(4, **same, status="failed")
    rows = [attempt(0, **same), attempt(1, **same), attempt(2, **same, status="timeout"), failed]
    (row,) = chosen(rows, tmp_path)
    assert row["pass_rate"] == 0.5
    assert row["failed_response"] == failed["response"]


def test_samples_that_were_drawn_and_not_executed_count_in_the_pass_rate(tmp_path: Path) -> None:
    same = {"instruction_id": "one", "instruction": "Write it.", "samples_drawn": 10}
    rows = [attempt(0, **same), attempt(1, **same), attempt(2, **same, status="not-run")]
    other = attempt(5, samples_drawn=1)
    judged = select.select(Dataset.from_list([*rows, other]), select.SelectSettings(), Context(scratch=tmp_path))
    assert judged["pass_rate"][:] == [0.2, 0.2, 0.2, 1.0]
    # Rows that somebody else made don't say how many were drawn.
    unsaid = select.select(Dataset.from_list(rows).remove_columns("samples_drawn"), select.SelectSettings(), Context())
    assert set(unsaid["pass_rate"][:]) == {2 / 3}


def suites(task: int, statuses: list[str]) -> list[dict[str, Any]]:
    """Attempts at a task, a letter a suite: `P` it passed, `F` it failed; those of a sample together."""
    same = {"instruction_id": f"task {task}", "instruction": f"Write add_{task}.", "samples_drawn": len(statuses)}
    names = {"P": "passed", "F": "failed"}
    return [
        attempt(
            task,
            **same,
            sample=sample,
            suite=suite,
            status=names[letter],
            response=f"```python\nx = {sample}  # {task}\n```",
        )
        | {"id": f"{task} {sample} {suite}"}
        for sample, letters in enumerate(statuses)
        for suite, letter in enumerate(letters)
    ]


def test_a_sample_with_several_suites_passes_once_and_is_no_failure(tmp_path: Path) -> None:
    (row,) = chosen(suites(0, ["PF", "FF", "FP", "FF"]), tmp_path)
    assert row["pass_rate"] == 0.5
    assert row["sample"] in {0, 2}
    for task in range(1, 30):
        (row,) = chosen(suites(task, ["PF", "FP", "FF"]), tmp_path / f"{task}")
        assert row["failed_response"] == f"```python\nx = 2  # {task}\n```"
    (row,) = chosen(suites(0, ["PF", "FP"]), tmp_path / "none")
    assert row["failed_response"] is None


def test_more_suites_that_pass_give_a_sample_no_better_chance(tmp_path: Path) -> None:
    rows = [row for task in range(1000) for row in suites(task, ["PPPP", "PFFF"])]
    counts = Counter(row["sample"] for row in chosen(rows, tmp_path))
    # Of 1,000 even draws, four standard errors are 63; by attempts it would be 800 to 200.
    assert abs(counts[0] - 500) < 63
    assert counts == Counter(row["sample"] for row in chosen(rows[::-1], tmp_path / "backwards"))


@pytest.mark.parametrize(
    "status", ["timeout", "out-of-memory", "killed", "early-exit", "no-assertion", "passed", "failed", "syntax-error"]
)
def test_what_the_machine_ended_is_not_a_failure(status: str, tmp_path: Path) -> None:
    same = {"instruction_id": "one", "instruction": "Write it."}
    rows = [attempt(0, **same), *(attempt(number, **same, status=status) for number in range(1, 9))]
    wrong = chosen(rows, tmp_path)[0]["failed_response"]
    assert (wrong is not None) == (status in {"failed", "syntax-error"})


def test_a_response_is_not_its_own_failure(tmp_path: Path) -> None:
    same = {"instruction_id": "one", "instruction": "Write it."}
    passed = attempt(0, **same)
    rows = [passed, attempt(1, **same, status="failed", response=passed["response"])]
    assert chosen(rows, tmp_path)[0]["failed_response"] is None


def test_the_failure_is_drawn_evenly_and_in_no_order(tmp_path: Path) -> None:
    rows = []
    for number in range(400):
        same = {"instruction_id": f"{number}", "instruction": f"Write add_{number}."}
        rows.append(attempt(number, **same))
        rows += [
            attempt(number, **same, status="failed", id=f"{number} {k}", response=f"```python\n{k}\n```")
            for k in range(4)
        ]
    drawn = [row["failed_response"] for row in chosen(rows, tmp_path / "a")]
    backwards = {row["instruction_id"]: row["failed_response"] for row in chosen(rows[::-1], tmp_path / "b")}
    assert drawn == [backwards[f"{number}"] for number in range(400)]
    counts = Counter(drawn)
    assert len(counts) == 4
    # Chi-square with 3 degrees of freedom: one draw in a thousand is over 16.3, and this one is always the same.
    assert sum((count - 100) ** 2 / 100 for count in counts.values()) < 16.3
