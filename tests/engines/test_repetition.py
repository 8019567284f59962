"""Completions that repeat themselves: ended where the engine can, and told apart where it can't."""

import asyncio
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from sca_hf.engines import Completion, Engine, EngineIdentity, FinishReason, Prompt, Sampling
from sca_hf.engines.registry import make_engine
from sca_hf.engines.repetition import RepetitionDetection, ends_in_repetition
from sca_hf.engines.settings import EngineSettings
from sca_hf.engines.vllm.engine import VllmEngine
from sca_hf.errors import RecipeError
from sca_hf.identity import row_id
from sca_hf.pipeline.journal import Journal, JournaledEngine
from sca_hf.prompts.few_shot import load_few_shot
from sca_hf.recipe import load_recipe
from sca_hf.stage import Stage
from sca_hf.stages import concepts, instructions, responses
from sca_hf.stages.context import Context
from tests.engines.loopback_server import MODEL, Loopback

DETECTION = RepetitionDetection(max_pattern_size=16, min_pattern_size=1, min_count=3)


@pytest.mark.parametrize(
    "text",
    [
        "and again " * 40,
        "It is so.\n" + "the list of a list of " * 12 + "the li",
        "0" * 300,
        "x = [" + "0, " * 100,
        ("```python\n" + "x = 1\ny = x + 2\n" * 8 + "```\n") * 3,
        "\n" * 250,
        "Begin. " + "ÄÖ€😀" * 60,
    ],
)
def test_an_end_that_repeats(text: str) -> None:
    assert ends_in_repetition(text)
    assert not ends_in_repetition(text + "\nThat is all of it.")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "ab" * 10,
        "x = [" + "0, " * 40,
        "It is so. " * 2 + "It is",
        "".join(f"assert double({number}) == {2 * number}\n" for number in range(100)),
        ("The first of them, which is long. " * 4 + "\n") * 2,
        " ".join(map(str, range(400))),
    ],
)
def test_an_end_that_does_not(text: str) -> None:
    assert not ends_in_repetition(text)


def complete(engine: Engine, prompt: str, sampling: Sampling) -> Completion:
    return asyncio.run(engine.complete(prompt, sampling))


def test_the_engine_ends_what_repeats_and_changes_nothing_else(engine: VllmEngine) -> None:
    prompt = "### Example 1\n[Concepts]\n" + "a, b, " * 40
    ended = 0
    for seed in range(6):
        plain = Sampling(temperature=0.2, max_tokens=60, stop=(), seed=seed)
        free = complete(engine, prompt, plain)
        detected = complete(engine, prompt, replace(plain, repetition_detection=DETECTION))
        if detected.finish_reason == "repetition":
            ended += 1
            assert detected.completion_tokens < 60
            assert free.text.startswith(detected.text.rstrip("\ufffd"))
        else:
            assert detected == free
    assert ended > 0


@dataclass
class Loops:
    """An engine that writes the same text whatever it is asked."""

    text: str = "of a list " * 50
    finish_reason: FinishReason = "length"
    samplings: list[Sampling] = field(default_factory=list)

    @property
    def identity(self) -> EngineIdentity:
        return EngineIdentity("loops", "1", "loops 1", "none")

    async def complete(self, prompt: Prompt, sampling: Sampling) -> Completion:
        self.samplings.append(sampling)
        return Completion(self.text, self.finish_reason, 1, 50)

    def close(self) -> None:
        pass


def reasons(engine: Engine, stage: Stage, tmp_path: Path, *changes: str) -> list[str | None]:
    """Of the rows that a stage makes of one row."""
    row: dict[str, Any] = dict.fromkeys(stage.uses, "x") | {"concepts": ["slicing"], "id": row_id("x")}
    rows = Dataset.from_list([{name: row[name] for name in stage.uses}])
    settings = load_recipe("demo", ["responses.samples=1", *changes])[stage.name]
    context = Context(scratch=tmp_path / str(len(changes)), engine=engine, few_shot=load_few_shot("demo"))
    return list(stage.run(rows, settings, context)["reject_reason"])


@pytest.mark.parametrize("stage", [concepts.STAGE, instructions.STAGE, responses.STAGE])
@pytest.mark.parametrize("finish_reason", ["length", "repetition"])
def test_what_repeats_is_rejected_as_such(stage: Stage, finish_reason: FinishReason, tmp_path: Path) -> None:
    engine = Loops("which is a list of the things that are in the list " * 9, finish_reason)
    assert reasons(engine, stage, tmp_path) == ["repetition"]
    assert engine.samplings[0].repetition_detection == RepetitionDetection(64, 8, 11)


CUT_OFF = {"instructions": "cut-off", "responses": "cut-off-response"}


@pytest.mark.parametrize("stage", [instructions.STAGE, responses.STAGE])
def test_without_detection_it_is_cut_off(stage: Stage, tmp_path: Path) -> None:
    engine = Loops()
    assert reasons(engine, stage, tmp_path, f"{stage.name}.repetition_detection=null") == [CUT_OFF[stage.name]]
    assert engine.samplings[0].repetition_detection is None


@pytest.mark.parametrize("stage", [instructions.STAGE, responses.STAGE])
def test_what_is_long_without_repeating_is_cut_off(stage: Stage, tmp_path: Path) -> None:
    assert reasons(Loops(" ".join(map(str, range(300)))), stage, tmp_path) == [CUT_OFF[stage.name]]


def test_concepts_before_a_repetition_count(tmp_path: Path) -> None:
    again = "The code is a list of a list. " * 20
    assert reasons(Loops(f"recursion, slicing\n{again}", "repetition"), concepts.STAGE, tmp_path) == [None]
    assert reasons(Loops(again, "repetition"), concepts.STAGE, tmp_path, "about=x") == ["repetition"]
    assert reasons(Loops(" ".join(map(str, range(300)))), concepts.STAGE, tmp_path, "about=x", "seed=1") == [
        "no-concepts"
    ]


def test_where_a_sample_is_ended_is_in_its_key(tmp_path: Path) -> None:
    engine = Loops(finish_reason="repetition")
    journaled = JournaledEngine(engine, Journal(tmp_path / "journal.sqlite"))
    plain = Sampling(temperature=0.7, max_tokens=60, stop=(), seed=1)
    detecting = replace(plain, repetition_detection=DETECTION)
    for sampling in (detecting, detecting, plain, plain, replace(detecting, max_tokens=70)):
        assert complete(journaled, "x", sampling).finish_reason == "repetition"
    assert engine.samplings == [detecting, plain, replace(detecting, max_tokens=70)]


def test_servers_of_vllm_are_asked_to_end_it_and_others_are_not() -> None:
    server = Loopback()
    server.poison["x"] = "repetition"
    sampling = Sampling(temperature=0.7, max_tokens=8, stop=(), seed=1, repetition_detection=DETECTION)
    engine = make_engine(MODEL, EngineSettings(kind="openai", urls=(server.url,)))
    assert complete(engine, "x", sampling).finish_reason == "repetition"
    assert server.bodies[-1]["repetition_detection"] == {"max_pattern_size": 16, "min_pattern_size": 1, "min_count": 3}
    complete(engine, "x", replace(sampling, repetition_detection=None))
    assert "repetition_detection" not in server.bodies[-1]
    engine.close()
    server.version = None
    for kind in ("openai", "tgi"):
        other = make_engine(MODEL, EngineSettings(kind=kind, urls=(server.url,)))
        complete(other, "y", sampling)
        assert "repetition_detection" not in json.dumps(server.bodies[-1])
        other.close()
    server.close()


@pytest.mark.parametrize("kind", ["openai", "tgi"])
def test_what_a_server_lets_repeat_is_told_apart(kind: Any, tmp_path: Path) -> None:
    server = Loopback()
    server.poison[""] = "forever"
    engine = make_engine(MODEL, EngineSettings(kind=kind, urls=(server.url,)))
    assert reasons(engine, responses.STAGE, tmp_path) == ["repetition"]
    assert reasons(engine, responses.STAGE, tmp_path, "responses.repetition_detection=null") == ["cut-off-response"]
    engine.close()
    server.close()


@pytest.mark.parametrize("name", ["selfcodealign", "starcoder2-instruct"])
def test_the_papers_recipes_detect_none(name: str) -> None:
    recipe = load_recipe(name)
    steps = ("concepts", "instructions", "responses")
    assert [recipe[step].repetition_detection for step in steps] == [None] * 3


def test_sizes_that_fit_no_pattern() -> None:
    with pytest.raises(RecipeError, match="min_pattern_size 9 is above max_pattern_size 8; lower it"):
        load_recipe("demo", ["concepts.repetition_detection={min_pattern_size: 9, max_pattern_size: 8}"])
