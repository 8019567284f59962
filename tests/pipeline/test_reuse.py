"""What was generated is not generated again: after a change, only the calls are made that the change asks for."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from datasets import Dataset

from sca_hf.engines import Completion, EngineIdentity, Prompt, Sampling
from sca_hf.identity import digest
from sca_hf.pipeline.journal import Journal, JournaledEngine
from sca_hf.prompts.few_shot import FewShot, load_few_shot
from sca_hf.recipe import load_recipe
from sca_hf.stage import split
from sca_hf.stages import concepts, instructions, responses
from sca_hf.stages.context import Context

SEEDS = 40


@dataclass
class Letters:
    """An engine that writes 1 to 32 letters, one a token."""

    asked: list[Sampling] = field(default_factory=list)

    @property
    def identity(self) -> EngineIdentity:
        return EngineIdentity("letters", "1", "letters 1", "none")

    async def complete(self, prompt: Prompt, sampling: Sampling) -> Completion:
        self.asked.append(sampling)
        whole = digest(str(prompt), sampling.seed)[: 1 + int(digest(sampling.seed, str(prompt))[:2], 16) % 32]
        text = whole[: sampling.max_tokens]
        return Completion(text, "stop" if text == whole else "length", 1, len(text))

    def close(self) -> None:
        pass


class Runs:
    """Runs of the three LLM stages that share a journal; each gives the samplings that reached the engine, by stage."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._journal = Journal(folder / "journal.sqlite")
        self._number = 0

    def __call__(self, *changes: str, few_shot: FewShot | None = None) -> list[list[Sampling]]:
        rows = Dataset.from_list([{"id": f"{n:020x}", "seed": f"def f{n}(): return {n}"} for n in range(SEEDS)])
        recipe = load_recipe("demo", ["responses.samples=4", *changes])
        asked = []
        self._number += 1
        for stage in (concepts.STAGE, instructions.STAGE, responses.STAGE):
            engine = Letters()
            context = Context(
                scratch=self._folder / f"{self._number}",
                engine=JournaledEngine(engine, self._journal),
                few_shot=few_shot or load_few_shot("demo"),
            )
            rows = split(stage, len(rows), stage.run(rows, recipe[stage.name], context)).kept
            asked.append(engine.asked)
        return asked


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path)


def test_the_same_again_asks_nothing(runs: Runs) -> None:
    assert [len(asked) for asked in runs()] == [SEEDS, SEEDS, 4 * SEEDS]
    assert runs() == [[], [], []]


def test_more_tokens_ask_only_what_was_cut_off_again(runs: Runs) -> None:
    short = ["responses.max_tokens=16"]
    _, _, first = runs(*short)
    again = runs("responses.max_tokens=40")
    assert again[:2] == [[], []]
    cut = again[2]
    assert 0 < len(cut) < len(first)
    assert {sampling.max_tokens for sampling in cut} == {40}
    assert {sampling.seed for sampling in cut} < {sampling.seed for sampling in first}
    assert runs("responses.max_tokens=64") == runs(*short) == [[], [], []]


def test_more_samples_draw_only_the_new_ones(runs: Runs) -> None:
    _, _, first = runs()
    again = runs("responses.samples=7")
    assert again[:2] == [[], []]
    assert len(again[2]) == 3 * SEEDS
    assert not {sampling.seed for sampling in again[2]} & {sampling.seed for sampling in first}


@pytest.mark.parametrize(("step", "asked"), [("S->C", [1, 1, 4]), ("C->I", [0, 1, 4]), ("I->R", [0, 0, 4])])
def test_a_changed_prompt_asks_its_stage_and_those_after_it(runs: Runs, step: str, asked: list[int]) -> None:
    runs()
    known = load_few_shot("demo")
    changed = replace(known, systems=dict(known.systems) | {step: "Other words."})
    again = [len(calls) for calls in runs(few_shot=changed)]
    assert again == [calls * SEEDS for calls in asked]
