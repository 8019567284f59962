"""Rows in the shapes that trainers take: pure functions of a row of the SFT stage."""

import pytest
from datasets import Dataset, concatenate_datasets

from sca_hf.stages.formats import (
    FORMATS,
    entry_point,
    messages,
    preference,
    prompt_completion,
    reference,
    reinforcement,
)
from tests.training.rows import conversation, sft_row


def test_a_conversation_is_parted_before_its_last_message() -> None:
    row = sft_row("apple")
    asked, answered = conversation("apple")
    assert messages(row) == {"id": row["id"], "messages": [asked, answered]}
    assert prompt_completion(row) == {"id": row["id"], "prompt": [asked], "completion": [answered]}


def test_a_pair_is_the_response_and_one_that_failed() -> None:
    row = sft_row("apple")
    pair = preference(row)
    assert pair is not None
    assert pair["prompt"] == [{"role": "user", "content": "Return the word apple."}]
    assert pair["chosen"] == [{"role": "assistant", "content": row["response"]}]
    assert pair["rejected"] == [{"role": "assistant", "content": row["failed_response"]}]
    assert preference(row | {"failed_response": None}) is None


def test_the_prompt_of_a_pair_has_no_tests_of_one_of_the_two() -> None:
    row = sft_row("apple")
    row["messages"][0]["content"] += "\n\nYour code should pass these tests: …"
    pair = preference(row)
    assert pair is not None
    assert pair["prompt"][0]["content"] == row["instruction"]
    task = reinforcement(row)
    assert task is not None
    assert task["prompt"][0]["content"] != row["instruction"]


def test_a_task_for_reinforcement_has_tests_a_name_and_a_rate() -> None:
    row = reinforcement(sft_row("apple"))
    assert row is not None
    assert row["prompt"] == conversation("apple")[:1]
    assert row["tests"] == 'assert apple() == "apple"\n'
    assert (row["entry_point"], row["pass_rate"]) == ("apple", 0.5)
    assert reinforcement(sft_row("apple") | {"tests": None}) is None


def test_the_reference_s_columns_have_what_the_reference_has_in_them() -> None:
    """Names, order and types of `bigcode/self-oss-instruct-sc2-exec-filter-50k`, by its own card."""
    row = sft_row("apple") | {"id": "0123456789abcdef0123"}
    row["messages"][0]["content"] += "\n\nYour code should pass these tests: …"
    made = reference(row)
    assert made["instruction"] == row["messages"][0]["content"]
    assert (made["prompt"], made["response"]) == (row["instruction"], row["response"])
    assert (made["seed"], made["concepts"], made["sha1"]) == (row["seed"], ["strings", "apple"], "sha1 of apple")
    assert f"{made['id']:015x}" == row["id"][:15]
    types = {"fingerprint": "null", "sha1": "string", "seed": "string", "response": "string"}
    types |= {"concepts": "list<element: string>", "prompt": "string", "instruction": "string", "id": "int64"}
    (features,) = (shape.features for shape in FORMATS if shape.name == "reference")
    schema = {field.name: str(field.type).replace("item", "element") for field in features.arrow_schema}
    assert list(schema.items()) == list(types.items())
    theirs = Dataset.from_list([made | {"id": 7}], features=features)
    ours = Dataset.from_list([made], features=features)
    assert concatenate_datasets([theirs, ours])["id"][:] == [7, made["id"]]


@pytest.mark.parametrize(
    ("code", "tests", "name"),
    [
        ("def helper(): ...\ndef main(): ...", "assert main() == 1\nassert helper()", "main"),
        ("class Stack: ...", "s = Stack()\nassert s", "Stack"),
        ("async def go(): ...", "import asyncio\nassert asyncio.run(go())", "go"),
        ("x = 1", "assert x == 1", None),
        ("def f(): ...", "assert g()", None),
        ("def f(:", "assert f()", None),
        ("def f(): ...", "assert (", None),
        ("def f(): ...", "\0", None),
    ],
)
def test_the_entry_point_is_the_first_name_that_tests_use(code: str, tests: str, name: str | None) -> None:
    assert entry_point(code, tests) == name


def test_every_format_has_the_columns_that_it_declares() -> None:
    row = sft_row("apple")
    for shape in FORMATS:
        made = shape.make(row)
        assert made is not None
        assert Dataset.from_list([dict(made)], features=shape.features)[0] == made
