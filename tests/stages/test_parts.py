"""I->R in two calls: the response, then its tests on the same prefix; and other steps end with their part."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from datasets import Dataset

from sca_hf import run
from sca_hf.engines import Engine
from sca_hf.engines.registry import make_engine
from sca_hf.engines.settings import EngineSettings
from sca_hf.engines.vllm.engine import VllmEngine
from sca_hf.errors import EngineUnavailable, RecipeError
from sca_hf.identity import digest, row_id, row_seed
from sca_hf.pipeline.journal import Journal, JournaledEngine
from sca_hf.pipeline.plan import most_calls
from sca_hf.prompts.few_shot import load_few_shot
from sca_hf.recipe import load_recipe
from sca_hf.stage import Stage
from sca_hf.stages import concepts, instructions, responses
from sca_hf.stages.context import Context
from tests.engines.loopback_server import MODEL, Loopback

pytestmark = pytest.mark.slow

Row = dict[str, Any]
CODE = "def double(x):\n    return 2 * x"
CHAT = "\n\n### Conclusion\n" + "That was it. " * 50


def writes(prompt: str, seed: int) -> str:
    """A model that chats on behind each part."""
    number = int(digest(prompt, seed)[:4], 16)
    tests = f"assert double({number}) == {2 * number}\n```\n\nAll tests pass.{CHAT}"
    if prompt.endswith("```python\n"):
        return tests
    if prompt.endswith("[Concepts]\n"):
        return f"recursion, slicing{CHAT}"
    if prompt.endswith("[Instruction]\n"):
        return f"Double a number.\n\nShow how.\n\n[Response]\n{CODE}{CHAT}"
    return f"Answer {number}:\n\n```python\n{CODE}\n```\n\n[Tests]\n```python\n{tests}"


@pytest.fixture
def server() -> Iterator[Loopback]:
    running = Loopback()
    running.says = writes
    yield running
    running.close()


@pytest.fixture(params=["openai", "tgi"])
def remote(server: Loopback, request: pytest.FixtureRequest) -> Iterator[Engine]:
    made = make_engine(MODEL, EngineSettings(kind=request.param, urls=(server.url,)))
    yield made
    made.close()


def given(count: int) -> Dataset:
    rows = [{"id": row_id("test", n), "instruction": f"Task {n}", "seed": "x", "concepts": ["x"]} for n in range(count)]
    return Dataset.from_list(rows)


def rows_of(stage: Stage, engine: Engine, folder: Path, rows: Dataset, *changes: str) -> list[Row]:
    folder.mkdir(parents=True, exist_ok=True)
    recipe = load_recipe("demo", ["responses.samples=2", "responses.parts=separate", *changes])
    few_shot = load_few_shot("demo")
    context = Context(scratch=folder, engine=engine, few_shot=few_shot, concurrency=recipe.run.concurrency or 512)
    used = rows.select_columns(list(stage.uses))
    made: list[Row] = stage.run(used, recipe[stage.name], context).to_list()
    return made


def test_the_tests_are_asked_for_behind_the_response(server: Loopback, remote: Engine, tmp_path: Path) -> None:
    rows = rows_of(responses.STAGE, remote, tmp_path, given(4))
    assert [row["reject_reason"] for row in rows] == [None] * 8
    asked = [(body.get("parameters", body), body.get("inputs") or body["prompt"]) for body in server.bodies]
    assert len(asked) == 16
    for row in rows:
        assert row["response"].startswith("Answer ")
        assert row["response"].endswith(f"{CODE}\n```")
        assert row["tests"].startswith("```python\nassert double(")
        assert row["tests"].count("\n") == 2
        seed = row_seed(3407, "responses", row["instruction_id"], row["sample"])
        ((first, prompt),) = [(how, text) for how, text in asked if how["seed"] == seed]
        assert prompt.endswith(f"{row['instruction']}\n\n[Response]\n")
        assert "\n[Tests]" in first["stop"]
        assert len(first["stop"]) <= 4
        ((second, then),) = [
            (how, text) for how, text in asked if how["seed"] == row_seed(3407, "responses tests", row["id"])
        ]
        assert then == f"{prompt}{row['response']}\n\n[Tests]\n```python\n"
        assert list(second["stop"]) == ["\n```"]


@pytest.mark.parametrize("parts", ["separate", "together"])
def test_both_layouts_give_the_same_responses(
    server: Loopback, remote: Engine, tmp_path: Path, parts: Literal["separate", "together"]
) -> None:
    rows = rows_of(responses.STAGE, remote, tmp_path, given(3), f"responses.parts={parts}")
    assert [row["reject_reason"] for row in rows] == [None] * 6
    prompts = {prompt for prompt in server.asked if prompt.endswith("[Response]\n")}
    assert len(prompts) == 3
    assert {row["response"].split(":")[0] for row in rows} == {
        writes(prompt, row_seed(3407, "responses", row_id("test", n), sample)).split(":")[0]
        for prompt in prompts
        for n in range(3)
        for sample in range(2)
        if f"Task {n}\n" in prompt
    }


@pytest.mark.parametrize(
    ("change", "reason", "calls"),
    [
        ("responses.max_tokens=4", "cut-off-response", 1),
        ("responses.tests_max_tokens=2", "cut-off-tests", 2),
        ("responses.max_tokens=30", None, 2),
    ],
)
def test_what_is_cut_off_says_in_which_part(
    server: Loopback, remote: Engine, tmp_path: Path, change: str, reason: str | None, calls: int
) -> None:
    rows = rows_of(responses.STAGE, remote, tmp_path, given(2), change)
    assert [row["reject_reason"] for row in rows] == [reason] * 4
    assert all(row["response"].startswith("Answer") for row in rows)
    assert sum(server.asked.values()) == 4 * calls


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("forever", "repetition"), (500, "engine-error"), ("empty", None), ("long", "prompt-too-long")],
)
def test_a_fault_of_the_second_call_keeps_the_response(
    server: Loopback, remote: Engine, tmp_path: Path, fault: Any, reason: str | None
) -> None:
    server.poison["\n\n[Tests]\n```python\n"] = fault
    rows = rows_of(responses.STAGE, remote, tmp_path, given(1), "responses.shots=0", "responses.samples=1")
    assert [row["reject_reason"] for row in rows] == [reason]
    assert rows[0]["response"].endswith("```")


def test_a_response_that_is_none_is_not_tested(server: Loopback, remote: Engine, tmp_path: Path) -> None:
    server.says = lambda prompt, seed: "I can't.\n\n[Tests]\nNone."
    assert [row["reject_reason"] for row in rows_of(responses.STAGE, remote, tmp_path, given(2))] == ["no-code"] * 4
    assert sum(server.asked.values()) == 4


def test_the_order_of_work_changes_no_row(remote: Engine, tmp_path: Path) -> None:
    made = [rows_of(responses.STAGE, remote, tmp_path / str(n), given(12), f"run.concurrency={n}") for n in (1, 5, 512)]
    assert made[0] == made[1] == made[2]
    backwards = rows_of(responses.STAGE, remote, tmp_path / "back", given(12).select(range(11, -1, -1)))
    assert sorted(backwards, key=lambda row: row["id"]) == sorted(made[0], key=lambda row: row["id"])


def test_killed_between_the_calls_nothing_is_asked_twice(server: Loopback, tmp_path: Path) -> None:
    rows, answered = given(6), []

    def say(prompt: str, seed: int) -> str:
        answered.append((prompt, seed))
        return writes(prompt, seed)

    server.says = say
    server.poison["[Tests]\n```python\n"] = "gone"  # ends the run at the first second call
    journal = Journal(tmp_path / "journal.sqlite")
    settings = EngineSettings(kind="openai", urls=(server.url,))
    changes = ("responses.shots=0", "run.concurrency=2")
    first = JournaledEngine(make_engine(MODEL, settings), journal)
    with pytest.raises(EngineUnavailable):
        rows_of(responses.STAGE, first, tmp_path / "killed", rows, *changes)
    first.close()
    assert 0 < len(answered) < 12
    server.poison.clear()
    second = JournaledEngine(make_engine(MODEL, settings), journal)
    resumed = rows_of(responses.STAGE, second, tmp_path / "resumed", rows, *changes)
    assert second.reused == first.made > 0
    second.close()
    assert len(answered) == len(set(answered)) == 24
    fresh = make_engine(MODEL, settings)
    assert rows_of(responses.STAGE, fresh, tmp_path / "fresh", rows, *changes) == resumed
    fresh.close()


def test_other_steps_end_with_their_part(server: Loopback, remote: Engine, tmp_path: Path) -> None:
    (named,) = rows_of(concepts.STAGE, remote, tmp_path, given(1))
    assert (named["concepts"], named["reject_reason"]) == (["recursion", "slicing"], None)
    (told,) = rows_of(instructions.STAGE, remote, tmp_path, given(1))
    assert (told["instruction"], told["reject_reason"]) == ("Double a number.\n\nShow how.", None)
    stops = [body.get("parameters", body)["stop"] for body in server.bodies]
    assert ["\n\n" in stop for stop in stops] == [True, False]


@pytest.mark.parametrize("parts", ["separate", "together"])
@pytest.mark.parametrize("copied", ["response", "tests"])
def test_a_copy_of_its_own_exemplar_is_rejected(server: Loopback, tmp_path: Path, parts: str, copied: str) -> None:
    exemplars = load_few_shot("demo").exemplars

    def copy(prompt: str, seed: int) -> str:
        """Copies the exemplar that the prompt shows, or another, by the seed."""
        (shown,) = (number for number, exemplar in enumerate(exemplars) if exemplar.tests in prompt)
        exemplar = exemplars[(shown + seed % 2) % len(exemplars)]
        tests = (exemplar.tests if copied == "tests" else "```python\nassert f(2) == 4\n```").removeprefix(
            "```python\n"
        )
        if prompt.endswith("```python\n"):
            return tests
        response = exemplar.response if copied == "response" else f"So:\n\n```python\n{CODE}\n```"
        return f"{response}\n\n[Tests]\n```python\n{tests}"

    server.says = copy
    engine = make_engine(MODEL, EngineSettings(kind="openai", urls=(server.url,)))
    changes = ("responses.shots=1", "responses.samples=4", f"responses.parts={parts}")
    rows = rows_of(responses.STAGE, engine, tmp_path / "on", given(6), *changes)
    reasons = {row["reject_reason"] for row in rows}
    assert None in reasons
    assert all(reason is None or reason.startswith("copied-exemplar-") for reason in reasons)
    for row in rows:
        if row["reject_reason"]:
            assert row[copied] == getattr(exemplars[int(row["reject_reason"].split("-")[-1]) - 1], copied)
    off = rows_of(responses.STAGE, engine, tmp_path / "off", given(6), *changes, "responses.max_copied=null")
    assert {row["reject_reason"] for row in off} == {None}
    engine.close()


def test_tests_get_the_imports_that_they_forgot(server: Loopback, remote: Engine, tmp_path: Path) -> None:
    test = "with pytest.raises(TypeError):\n    double(None)"
    response = f"So:\n\n```python\n{CODE}\n```"
    server.says = lambda prompt, seed: test if prompt.endswith("```python\n") else f"{response}\n\n[Tests]"
    rows = rows_of(responses.STAGE, remote, tmp_path / "on", given(1))
    assert {row["tests"] for row in rows} == {f"```python\nimport pytest\n{test}\n```"}
    assert [row["tests_imports"] for row in rows] == [["pytest"]] * 2
    plain = rows_of(responses.STAGE, remote, tmp_path / "off", given(1), "responses.infer_imports=false")
    assert {row["tests"] for row in plain} == {f"```python\n{test}\n```"}
    assert [row["tests_imports"] for row in plain] == [[]] * 2


@pytest.mark.parametrize("parts", ["separate", "together"])
def test_tests_that_were_cut_off_are_kept_up_to_their_last_whole_statement(
    server: Loopback, remote: Engine, tmp_path: Path, parts: str
) -> None:
    tests = "".join(f"assert double({n}) == {2 * n}\n" for n in range(9))
    response = f"So:\n\n```python\n{CODE}\n```"
    server.says = lambda prompt, seed: (
        tests if prompt.endswith("```python\n") else f"{response}\n\n[Tests]\n```python\n{tests}"
    )
    limits = ("responses.tests_max_tokens=10", f"responses.max_tokens={(9 if parts == 'separate' else 11) + 10}")
    whole = rows_of(responses.STAGE, remote, tmp_path / "on", given(1), f"responses.parts={parts}", *limits)
    assert {(row["response"], row["tests"], row["tests_cut"], row["reject_reason"]) for row in whole} == {
        (response, "```python\nassert double(0) == 0\nassert double(1) == 2\n```", True, None)
    }
    off = rows_of(
        responses.STAGE,
        remote,
        tmp_path / "off",
        given(1),
        f"responses.parts={parts}",
        *limits,
        "responses.cut_tests=false",
    )
    reason = "cut-off-tests" if parts == "separate" else "cut-off"
    assert {(row["tests_cut"], row["reject_reason"]) for row in off} == {(False, reason)}


def test_each_suite_of_a_response_is_an_attempt(server: Loopback, remote: Engine, tmp_path: Path) -> None:
    rows = rows_of(responses.STAGE, remote, tmp_path / "three", given(3), "responses.suites=3")
    assert sum(server.asked.values()) == 6 * 4
    assert len({row["id"] for row in rows}) == 18
    single = rows_of(responses.STAGE, remote, tmp_path / "one", given(3))
    assert [row for row in sorted(rows, key=place) if row["suite"] == 0] == sorted(single, key=place)
    for first in single:
        suites = [row for row in rows if (row["instruction_id"], row["sample"]) == place(first)[:2]]
        assert {row["response"] for row in suites} == {first["response"]}
        assert {row["suite"] for row in suites} == {0, 1, 2}
        assert len({row["tests"] for row in suites}) == 3
        seeds = {row_seed(3407, "responses tests", first["id"], suite) for suite in range(3)}
        assert seeds <= {body.get("parameters", body)["seed"] for body in server.bodies}


def place(row: Row) -> tuple[str, int, int]:
    return row["instruction_id"], row["sample"], row["suite"]


def test_a_suite_that_fails_costs_its_own_attempt(server: Loopback, remote: Engine, tmp_path: Path) -> None:
    def say(prompt: str, seed: int) -> str:
        is_odd = prompt.endswith("```python\n") and seed % 2
        return ">>> double(2)\n4" if is_odd else writes(prompt, seed)

    server.says = say
    rows = rows_of(responses.STAGE, remote, tmp_path, given(4), "responses.suites=2")
    odd = [
        row_seed(3407, "responses tests", row_id(row["instruction_id"], "responses", row["sample"]), row["suite"]) % 2
        for row in rows
    ]
    assert set(odd) == {0, 1}
    assert [row["reject_reason"] for row in rows] == ["no-code" if each else None for each in odd]


def test_a_response_that_is_none_has_one_row_whatever_its_suites(
    server: Loopback, remote: Engine, tmp_path: Path
) -> None:
    server.says = lambda prompt, seed: "I can't.\n\n[Tests]\nNone."
    rows = rows_of(responses.STAGE, remote, tmp_path, given(2), "responses.suites=3")
    assert [(row["sample"], row["suite"], row["reject_reason"]) for row in rows] == [
        (sample, 0, "no-code") for _ in range(2) for sample in range(2)
    ]
    assert sum(server.asked.values()) == 4


def test_a_copied_instruction_is_rejected(server: Loopback, tmp_path: Path) -> None:
    exemplars = load_few_shot("demo").exemplars
    server.says = lambda prompt, seed: next(each.instruction for each in exemplars if each.instruction in prompt)
    engine = make_engine(MODEL, EngineSettings(kind="openai", urls=(server.url,)))
    rows = rows_of(
        instructions.STAGE, engine, tmp_path, given(9), "instructions.shots=1", "instructions.max_copied=0.25"
    )
    for row in rows:
        assert (
            row["instruction"] == exemplars[int(row["reject_reason"].removeprefix("copied-exemplar-")) - 1].instruction
        )
    (twice,) = {
        row["reject_reason"]
        for row in rows_of(instructions.STAGE, engine, tmp_path / "off", given(9), "instructions.max_copied=null")
    }
    assert twice is None
    engine.close()


def test_both_calls_are_planned() -> None:
    for how, calls in (("parts=separate", 2_000), ("parts=together", 1_000), ("suites=3", 4_000)):
        recipe = load_recipe("demo", ["responses.samples=10", f"responses.{how}"])
        assert most_calls(recipe, responses.STAGE, 100) == calls


def test_parts_together_have_one_suite() -> None:
    with pytest.raises(RecipeError, match=r"suites is 2, but parts together have one; set parts to separate"):
        load_recipe("demo", ["responses.parts=together", "responses.suites=2"])


def test_a_pilot_counts_both_calls(server: Loopback, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given(6).select_columns(["instruction"]).to_json(tmp_path / "tasks.jsonl")
    engine = f"engine={{kind: openai, urls: [{server.url}]}}"
    where = ["--store", str(tmp_path / "store"), "--input", str(tmp_path / "tasks.jsonl")]
    stages = ["--from", "responses", "--to", "responses", "--dry-run", "--pilot", "3"]
    changes = ["--set", "responses.parts=separate", "--set", "responses.samples=2", "--set", engine]
    assert run.main(["--recipe", "demo", "--model", MODEL, *where, *stages, *changes]) == 0
    assert sum(server.asked.values()) == 3 * 2 * 2
    forecast = capsys.readouterr().out.partition("Forecast")[2]
    (line,) = (line for line in forecast.splitlines() if line.startswith("responses "))
    assert line.split()[:3] == ["responses", "6", "24"]


@pytest.mark.parametrize("name", ["selfcodealign", "selfcodealign-fast", "starcoder2-instruct"])
def test_the_papers_recipes_ask_for_both_together(name: str) -> None:
    assert load_recipe(name)["responses"].parts == "together"


@pytest.mark.timeout(600)
def test_the_bundled_model_writes_both_parts(engine: VllmEngine, tmp_path: Path) -> None:
    rows = given(16).map(
        lambda _, n: {"instruction": f"Write a function `keep_{n}` that keeps the even numbers of a list."},
        with_indices=True,
    )
    made = rows_of(responses.STAGE, engine, tmp_path / "64", rows)
    written = [row for row in made if row["reject_reason"] is None]
    assert len(written) >= 24
    assert {row["reject_reason"] for row in made} <= {None, "cut-off-response", "cut-off-tests", "repetition"}
    assert all("assert " in row["tests"] and "[Tests]" not in row["response"] for row in written)
    assert rows_of(responses.STAGE, engine, tmp_path / "1", rows, "run.concurrency=1") == made
