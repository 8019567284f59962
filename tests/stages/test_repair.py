"""Self-repair: what goes back to the model, what comes of it, and that rows say how they came about."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from sca_hf import run, trace
from sca_hf.errors import InputError, SandboxUnavailable
from sca_hf.identity import digest
from sca_hf.pipeline.pipeline import Pipeline
from sca_hf.prompts.errors import error_text
from sca_hf.prompts.few_shot import load_few_shot
from sca_hf.recipe import load_recipe
from sca_hf.sandbox import Jails, Program, Verdict
from sca_hf.stage import REJECT_REASON
from sca_hf.stages.context import Context
from sca_hf.stages.pass_rules import program_of
from sca_hf.stages.repair import RepairSettings, repair
from sca_hf.store import Store
from tests.engines.loopback_server import Loopback
from tests.stages.asking import Row, served


def answer(code: str, tests: str) -> dict[str, str]:
    return {"response": f"So:\n\n```python\n{code}\n```", "tests": f"```python\n{tests}\n```"}


RIGHT = "def double(x):\n    return 2 * x"
WRONG = "def double(x):\n    return x"
TESTS = "assert double(3) == 6"
REPAIRED = f"It gave x back.\n\n```python\n{RIGHT}\n```\n\n[Tests]\n```python\n{TESTS}\n```"


def attempts(*answers: dict[str, str], instruction: str = "i1") -> list[Row]:
    task = {"instruction_id": instruction, "instruction": "Write `double(x)`."}
    ids = [f"{instruction}-{n}" for n in range(len(answers))]
    return [{"id": ids[n], "sample": n} | task | each for n, each in enumerate(answers)]


class Runner:
    """Real jails, that are lent to a stage one after another."""

    def __init__(self) -> None:
        self.ran: list[Program] = []

    async def run(self, program: Program) -> Verdict:
        self.ran.append(program)
        async with Jails(workers=1) as jails:
            return await jails.run(program)


class Rule:
    """Passes what its program passes."""

    def can_pass(self, instruction: str) -> bool:
        return True

    def passes(self, attempt: Row) -> bool:
        return bool(attempt["status"] == "passed")


def repaired(server: Loopback, folder: Path, rows: list[Row], **settings: Any) -> list[Row]:
    from sca_hf.engines.registry import make_engine
    from sca_hf.engines.settings import EngineSettings
    from tests.engines.loopback_server import MODEL

    folder.mkdir(parents=True, exist_ok=True)
    engine = make_engine(MODEL, EngineSettings(kind="openai", urls=(server.url,)))
    try:
        context = Context(
            scratch=folder, engine=engine, jails=Runner(), pass_rule=Rule(), few_shot=load_few_shot("demo")
        )
        made: list[Row] = repair(Dataset.from_list(rows), RepairSettings(**settings), context).to_list()
    finally:
        engine.close()
    return made


@pytest.mark.jail
def test_a_failed_attempt_goes_back_with_its_error(tmp_path: Path) -> None:
    with served(lambda prompt, seed: REPAIRED) as server:
        rows = repaired(server, tmp_path, attempts(answer(WRONG, TESTS)))
        (prompt,) = server.asked
    first, second = rows
    assert (first["repair"], first["response"], first[REJECT_REASON]) == (0, answer(WRONG, TESTS)["response"], None)
    assert (second["repair"], second["response"]) == (1, f"It gave x back.\n\n```python\n{RIGHT}\n```")
    assert second["tests"] == f"```python\n{TESTS}\n```"
    assert {row["first_response_id"] for row in rows} == {"i1-0"}
    assert first["id"] != second["id"]
    assert (first["response_by"], second["response_by"], second["tests_by"]) == (None, *["org/toy@as served"] * 2)
    for part in ("[Instruction]\nWrite `double(x)`.", WRONG, TESTS, f"AssertionError\nin the tests: {TESTS}"):
        assert part in prompt.rpartition("### Example 4\n")[2]
    assert prompt.endswith("\n\n[Response]\n")


@pytest.mark.jail
def test_tries_go_on_from_the_last_one_and_end_with_a_pass(tmp_path: Path) -> None:
    def says(prompt: str, seed: int) -> str:
        way = 2 if "return x + x + 1" in prompt.rpartition("### Example")[2] else 1
        code = RIGHT if way == 2 else "def double(x):\n    return x + x + 1"
        return f"```python\n{code}\n```\n\n[Tests]\n```python\n{TESTS}\n```"

    with served(says) as server:
        rows = repaired(server, tmp_path / "3", attempts(answer(WRONG, TESTS)), tries=3)
        once = repaired(server, tmp_path / "1", attempts(answer(WRONG, TESTS)), tries=1)
    assert [row["repair"] for row in rows] == [0, 1, 2]
    assert rows[:2] == once


@pytest.mark.jail
def test_only_where_no_attempt_passed_unless_all_are_asked_for(tmp_path: Path) -> None:
    rows = attempts(answer(WRONG, TESTS), answer(RIGHT, TESTS)) + attempts(answer(WRONG, TESTS), instruction="i2")
    with served(lambda prompt, seed: REPAIRED) as server:
        some = repaired(server, tmp_path / "1", rows)
        every = repaired(server, tmp_path / "2", rows, when="all")
    assert [(row["instruction_id"], row["repair"]) for row in some] == [("i1", 0), ("i1", 0), ("i2", 0), ("i2", 1)]
    assert [row["repair"] for row in every] == [0, 1, 0, 0, 1]
    left = [row for row in some if row["repair"] == 0]
    assert [row["response"] for row in left] == [row["response"] for row in rows]  # without repairs: as it was


@pytest.mark.jail
@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("", "no-response"),
        ("I give up.", "no-tests"),
        (f"```python\n{RIGHT}\n```", "no-tests"),
        (f"```python\n{RIGHT}\n```\n[Tests]\nnone", "no-code"),
        (f"Again:\n```python\n{WRONG}\n```\n[Tests]\n```python\n{TESTS}\n```", "unchanged"),
        ("and again " * 2000, "repetition"),
    ],
)
def test_a_repair_that_is_none_is_rejected_with_its_reason(said: str, reason: str, tmp_path: Path) -> None:
    with served(lambda prompt, seed: said) as server:
        rows = repaired(server, tmp_path, attempts(answer(WRONG, TESTS)), tries=3)
    assert [row[REJECT_REASON] for row in rows] == [None, reason]


@pytest.mark.jail
def test_a_copied_exemplar_is_rejected(tmp_path: Path) -> None:
    exemplar = RepairSettings().load().exemplars[2]
    with served(lambda prompt, seed: f"{exemplar['Response']}\n\n[Tests]\n{exemplar['Tests']}") as server:
        rows = repaired(server, tmp_path, attempts(answer(WRONG, TESTS)))
    assert [row[REJECT_REASON] for row in rows] == [None, "copied-exemplar-3"]


@pytest.mark.jail
def test_the_bundled_exemplars_are_true() -> None:
    """What failed fails, with the error that they show, and what is corrected passes."""
    for exemplar in RepairSettings().load().exemplars:
        failed = program_of(exemplar["Failed Response"], exemplar["Failed Tests"])
        corrected = program_of(exemplar["Response"], exemplar["Tests"])
        assert error_text(failed, asyncio.run(Runner().run(failed)), 400) == exemplar["Error"]
        assert asyncio.run(Runner().run(corrected)).status == "passed"


@pytest.mark.jail
@pytest.mark.parametrize(
    ("code", "tests", "parts"),
    [
        (WRONG, "assert double(3) == 6, 'not six'", ["AssertionError: not six", "in the tests: assert double(3) == 6"]),
        (
            "def double(x):\n    return {}[x]",
            TESTS,
            ["KeyError: 3", "in the tests: assert", "in the code: return {}[x]"],
        ),
        ("def double(x: return", TESTS, ["SyntaxError: ", "in the code: def double(x: return"]),
        (RIGHT, "assert double(3) = 6", ["SyntaxError: ", "in the tests: assert double(3) = 6"]),
        ("def double(x):\n    while True: pass", TESTS, ["still running"]),
        (RIGHT, "double(3)", ["no assertion"]),
        (RIGHT, "def check(candidate):\n    assert candidate(3) == 6", ["never called the tests"]),
        ("def double(x):\n    raise SystemExit", TESTS, ["ended by itself"]),
        ("def double(x):\n    print('saw', object())\n    return x", TESTS, ["output:", "saw <object object at 0x…>"]),
    ],
)
def test_what_is_told_of_an_error(code: str, tests: str, parts: list[str], tmp_path: Path) -> None:
    with served(lambda prompt, seed: REPAIRED) as server:
        repaired(server, tmp_path, attempts(answer(code, tests)), shots=0)
        (prompt,) = server.asked
    error = prompt.partition("[Error]\n")[2]
    for part in parts:
        assert part in error.rpartition("[Error]")[2]


def test_of_a_long_output_the_end_is_told() -> None:
    verdict = Verdict("timeout", None, None, 0, (), 1.0, 1.0, 1.0, "a" * 500 + "the end", "")
    text = error_text(Program("", ""), verdict, 20)
    assert text == f"It was still running when its time was over.\noutput:\n… {'a' * 13}the end"


def test_without_jails_it_says_so() -> None:
    with pytest.raises(SandboxUnavailable, match=r"repair needs jails.*Context\(jails=…\)"):
        repair(Dataset.from_list(attempts(answer(WRONG, TESTS))), RepairSettings(), Context())


def test_prompts_that_cant_be_read_stop_a_run_before_it_begins(tmp_path: Path) -> None:
    file = tmp_path / "own.txt"
    file.write_text("### System\nRepair.\n\n### Example 1\n[Instruction]\nx\n")
    offline = ["model=demo", "select.decontaminate=null", "seeds.decontaminate=null", f"repair.prompts={file}"]
    with pytest.raises(InputError, match=r"own\.txt, Example 1: parts are \['Instruction'\]; expected each of"):
        Pipeline(load_recipe("self-repair", offline), Store(tmp_path))


@pytest.fixture
def toy() -> Iterator[Loopback]:
    def says(prompt: str, seed: int) -> str:
        number = int(digest(prompt.rpartition("[Instruction]\n")[2][:20])[:4], 16)
        code = f"def double(x):\n    return 2 * x  # {number}"
        if "[Failed Response]" in prompt:
            return f"```python\n{code}\n```\n\n[Tests]\n```python\nassert double({number}) == {2 * number}\n```"
        if prompt.endswith("```python\n"):
            return f"assert double({number}) == {2 * number}\n```"
        return f"```python\n{code if number % 2 else code.replace('2', '3')}\n```\n\n[Tests]\n"

    server = Loopback()
    server.says = says
    yield server
    server.close()


@pytest.mark.jail
def test_a_run_executes_repairs_once_and_marks_them(
    toy: Loopback, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "tasks.jsonl"
    Dataset.from_list([{"instruction": f"Task {n}: write `double(x)`."} for n in range(6)]).to_json(str(file))
    arguments = ["--recipe", "self-repair", "--store", str(tmp_path / "store"), "--input", str(file), "--set"]
    arguments += ["model=org/toy", "--set", "engine.kind=openai", "--set", f"engine.urls=[{toy.url}]"]
    for change in (
        "seeds.decontaminate=null", "select.decontaminate=null", "select.near_duplicates=null",
        "select.once_per_names=false", "responses.samples=2", "responses.parts=separate", "responses.shots=0",
        "execute.memory_mb=512", "mutants=null", "repair.max_tokens=60",
    ):  # fmt: skip
        arguments += ["--set", change]
    assert run.main(arguments) == 0
    versions = {v.dataset.removeprefix("self-repair-"): v for v in Store(tmp_path / "store").versions()}
    attempts = versions["execute"].load().to_list()
    failed = {row["first_response_id"] for row in attempts if row["repair"] == 0 and row["status"] == "failed"}
    assert failed
    assert {row["first_response_id"] for row in attempts if row["repair"] == 1} == failed
    assert {row["status"] for row in attempts if row["repair"] == 1} == {"passed"}
    kept = versions["sft"].load().to_list()
    assert {row["repair"] for row in kept} == {0, 1}
    assert len({row["instruction_id"] for row in kept}) == len(kept)
    (repaired_row, *_) = [row for row in kept if row["repair"] == 1]
    assert trace.main([repaired_row["id"], "--store", str(tmp_path / "store")]) == 0
    told = capsys.readouterr().out
    for stage in ("repair", "execute", "select", "sft"):
        assert f"self-repair-{stage}/" in told
    assert repaired_row["execute_id"] in told
    for version in versions.values():
        timings = version.timings
        assert version.lineage.stage != "execute" or timings["programs"]["made"] == 0  # all of them ran for the repairs
