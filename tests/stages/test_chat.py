"""Distillation: responses and tests by chat models, each step by a model of its own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from sca_hf import run
from sca_hf.identity import digest, row_seed
from sca_hf.pipeline.plan import Intents, StageInput
from sca_hf.prompts.few_shot import load_few_shot
from sca_hf.recipe import load_recipe
from sca_hf.stage import Stage
from sca_hf.stages import chat_responses, chat_tests, responses
from sca_hf.stages.chat_responses import ChatResponsesSettings
from sca_hf.stages.chat_tests import ChatTestsSettings
from sca_hf.store import Store
from tests.engines.loopback_server import Loopback
from tests.stages.asking import Row, reasons, rows_of, served

pytestmark = pytest.mark.slow

TASKS: list[Row] = [{"id": f"{n:020x}", "instruction": f"Write `double(x)`, way {n}."} for n in range(4)]
ANSWER = "Answer {0}:\n\n```python\ndef double(x):\n    return 2 * x  # {0}\n```"


def says(prompt: str, seed: int) -> str:
    number = int(digest(prompt, seed)[:4], 16)
    if "You test Python code." in prompt or "Write tests" in prompt:
        return f"<think>Is it {number}?</think>\n```python\nassert double({number}) == {2 * number}\n```\nDone."
    return f"<think>Way {number}.</think>\n{ANSWER.format(number)}"


def test_responses_by_a_chat_model(tmp_path: Path) -> None:
    with served(says) as server:
        rows = rows_of(chat_responses.STAGE, server, tmp_path, TASKS, ChatResponsesSettings(samples=2))
        bodies = server.bodies
    assert reasons(rows) == [None] * 8
    assert len({row["response"] for row in rows}) == 8
    system = load_few_shot("default").systems["chat:I->R"]
    for row in rows:
        assert row["response"].startswith("Answer ")
        assert row["reasoning"].startswith("Way ")
        assert row["response_by"] == "org/toy@as served"
        seed = row_seed(3407, "chat_responses", row["instruction_id"], row["sample"])
        (body,) = [each for each in bodies if each["seed"] == seed]
        assert body["messages"] == [
            {"role": "system", "content": system},
            {"role": "user", "content": row["instruction"]},
        ]


def test_exemplars_are_turns_and_a_system_text_may_be_the_users(tmp_path: Path) -> None:
    settings = ChatResponsesSettings(shots=2, system="first-message")
    with served(says) as server:
        rows_of(chat_responses.STAGE, server, tmp_path, TASKS[:1], settings)
        (body,) = server.bodies
    assert [message["role"] for message in body["messages"]] == ["user", "assistant"] * 2 + ["user"]
    assert body["messages"][0]["content"].startswith(load_few_shot("default").systems["chat:I->R"])
    assert body["messages"][-1]["content"] == TASKS[0]["instruction"]


def test_tests_by_a_chat_model(tmp_path: Path) -> None:
    rows = [task | {"response": ANSWER.format(task["id"])} for task in TASKS]
    with served(says) as server:
        tested = rows_of(chat_tests.STAGE, server, tmp_path, rows, ChatTestsSettings(shots=0))
        bodies = server.bodies
    assert reasons(tested) == [None] * 4
    assert [row["id"] for row in tested] == [row["id"] for row in rows]
    for row in tested:
        assert row["tests"].startswith("```python\nassert double(")
        assert row["tests_reasoning"].startswith("Is it ")
        shown = f"[Instruction]\n{row['instruction']}\n\n[Response]\n{row['response']}"
        assert sum(body["messages"][-1]["content"] == shown for body in bodies) == 1


@pytest.mark.parametrize("stage", [chat_responses.STAGE, chat_tests.STAGE], ids=lambda stage: stage.name)
def test_the_same_rows_for_any_order_and_concurrency(stage: Stage, tmp_path: Path) -> None:
    rows = [task | {"response": ANSWER.format(task["id"])} for task in TASKS]
    rows = [{name: row[name] for name in stage.uses} for row in rows]
    with served(says) as server:
        some = rows_of(stage, server, tmp_path / "1", rows)
        other = rows_of(stage, server, tmp_path / "2", rows[::-1], concurrency=2, batch_size=1)
    assert sorted(map(str, some)) == sorted(map(str, other))


@pytest.mark.parametrize(
    ("fault", "response_reason", "tests_reason"),
    [
        ("empty", "no-response", "no-tests"),
        ("forever", "repetition", "repetition"),
        ("long", "prompt-too-long", "prompt-too-long"),
        (500, "engine-error", "engine-error"),
        ("surrogate", "undecodable-completion", "undecodable-completion"),
    ],
)
def test_a_fault_costs_its_row(fault: Any, response_reason: str, tests_reason: str, tmp_path: Path) -> None:
    rows = [task | {"response": ANSWER.format(task["id"])} for task in TASKS]
    with served(says) as server:
        server.poison["way 2"] = fault
        answered = rows_of(chat_responses.STAGE, server, tmp_path / "1", TASKS)
        tested = rows_of(chat_tests.STAGE, server, tmp_path / "2", rows)
    assert reasons(answered) == [None, None, response_reason, None]
    assert reasons(tested) == [None, None, tests_reason, None]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("I'm sorry, but I can't help with that.", "refusal"),
        ("```rust\nfn double(x: i64) -> i64 { 2 * x }\n```", "other-programming-language"),
        ("函数返回两倍的数字。\n\n```python\ndef double(x):\n    return 2 * x\n```", "other-language"),
        ("<think>Twice.", "no-response"),
    ],
)
def test_what_is_no_answer_is_rejected_with_its_reason(said: str, reason: str, tmp_path: Path) -> None:
    task = [{"id": "1", "instruction": "Write a function `double(x)` that is given a number and returns it twice."}]
    with served(lambda prompt, seed: said) as server:
        assert reasons(rows_of(chat_responses.STAGE, server, tmp_path, task)) == [reason]


@pytest.fixture
def teacher() -> Iterator[Loopback]:
    running = Loopback(models=("org/teacher",))
    running.says = says
    yield running
    running.close()


@pytest.mark.jail
def test_each_step_may_ask_a_model_of_its_own(
    teacher: Loopback, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Dataset.from_list([{"instruction": task["instruction"]} for task in TASKS]).to_json(str(tmp_path / "tasks.jsonl"))
    with served(says) as tester:
        arguments = [
            "--recipe",
            "distill",
            "--store",
            str(tmp_path / "store"),
            "--input",
            str(tmp_path / "tasks.jsonl"),
        ]
        arguments += ["--set", "name=mine", "--set", "chat_responses.model=org/teacher"]
        arguments += ["--set", f"chat_responses.engine={{kind: openai, urls: [{teacher.url}]}}"]
        arguments += ["--set", f"chat_tests.engine={{kind: openai, urls: [{tester.url}]}}"]
        arguments += ["--set", "chat_tests.model=org/toy", "--set", "select.decontaminate=null"]
        arguments += [
            "--set",
            "seeds.decontaminate=null",
            "--set",
            "execute.memory_mb=512",
            "--set",
            "select.once_per_names=false",
        ]
        assert run.main([*arguments, "--set", "select.near_duplicates=null"]) == 0, capsys.readouterr()
        assert {body["model"] for body in teacher.bodies} == {"org/teacher"}
        assert {body["model"] for body in tester.bodies} == {"org/toy"}
    versions = {version.dataset: version for version in Store(tmp_path / "store").versions()}
    rows = versions["mine-sft"].load().to_list()
    assert len(rows) == 4
    for row in rows:
        assert (row["response_by"], row["tests_by"]) == ("org/teacher@as served", "org/toy@as served")
        assert "<think>" not in str(row["messages"])
    card = (versions["mine-sft"].path / "README.md").read_text()
    assert "org/teacher" in card
    assert "org/toy" in card
    assert [model.model for model in versions["mine-sft"].lineage.models] == ["org/teacher", "org/toy"]


def test_another_model_of_one_step_changes_that_step_alone(teacher: Loopback) -> None:
    with served(says) as server:
        base = ["engine.kind=openai", f"engine.urls=[{server.url}]", "model=org/toy", "prompts=demo"]
        own = ["responses.model=org/teacher", f"responses.engine={{kind: openai, urls: [{teacher.url}]}}"]
        recipe, other = load_recipe("demo", base), load_recipe("demo", [*base, *own])
        intents, others = Intents(recipe), Intents(other)
        made_from = StageInput(lambda: Dataset.from_list([]), "0" * 64, 1, ())
        stages = [stage for stage in recipe.chain if stage.needs == "engine"]
        changed = [s.name for s in stages if intents.of(s, made_from) != others.of(s, made_from)]
        assert changed == [responses.STAGE.name]
        assert others.of(responses.STAGE, made_from)["engine"]["revision"] == "org/teacher@as served"
        assert "urls" not in str(others.of(responses.STAGE, made_from))


def test_roles_texts_and_stops_are_in_the_fingerprint(tmp_path: Path) -> None:
    with served(says) as server:
        given = ["engine.kind=openai", f"engine.urls=[{server.url}]", "chat_responses.model=org/toy", "model=org/toy"]
        given += ["chat_tests.model=org/toy", "seeds.decontaminate=null", "select.decontaminate=null"]
        made_from = StageInput(lambda: Dataset.from_list([]), "0" * 64, 1, ())

        def intent(*changes: str) -> Any:
            return Intents(load_recipe("distill", [*given, *changes])).of(chat_responses.STAGE, made_from)

        usual = intent()
        assert usual == intent("name=other", "chat_tests.shots=2", "run.concurrency=3")
        assert usual != intent("chat_responses.system=first-message")
        assert usual != intent("chat_responses.temperature=0.1")
        text = (Path(__file__).parents[2] / "sca_hf/prompts/few_shot.txt").read_text()
        file = tmp_path / "few_shot.txt"
        file.write_text(text.replace("Answer the task with a complete", "Answer with a complete"))
        assert usual != intent(f"prompts={file}")
        file.write_text(text)
        assert usual == intent(f"prompts={file}")
