"""The same rows from the real engine: however many are in the works, and in whatever order they are sent."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, Value

from sca_hf.engines import Completion, EngineIdentity, Prompt, Sampling
from sca_hf.engines.vllm.engine import VllmEngine
from sca_hf.prompts.few_shot import load_few_shot
from sca_hf.settings import Settings
from sca_hf.stage import REJECT_REASON, Column, Stage
from sca_hf.stages import concepts
from sca_hf.stages.context import Context

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

WORDS = ["fruits", "ships", "colors", "rivers", "scores", "letters", "dishes"]


class Watched:
    """An engine, with what it was asked, in order, and how much at once."""

    def __init__(self, engine: VllmEngine) -> None:
        self.prompts: list[str] = []
        self.most_at_once = 0
        self._engine = engine
        self._at_once = 0

    @property
    def identity(self) -> EngineIdentity:
        return self._engine.identity

    async def complete(self, prompt: Prompt, sampling: Sampling) -> Completion:
        self.prompts.append(str(prompt))
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            return await self._engine.complete(prompt, sampling)
        finally:
            self._at_once -= 1

    def close(self) -> None:
        pass


def given(count: int) -> Dataset:
    rows = [
        {"id": f"{n:020x}", "seed": f"def longest_of_{n}({WORDS[n % 7]}):\n    return max({WORDS[n % 7]}, key=len)"}
        for n in range(count)
    ]
    return Dataset.from_list(rows)


def named(engine: VllmEngine, scratch: Path, rows: Dataset, concurrency: int) -> list[dict[str, Any]]:
    """What stage S->C makes of the rows, `concurrency` of them at once."""
    watched = Watched(engine)
    settings = concepts.ConceptsSettings(shots=1, max_tokens=12)
    scratch.mkdir()
    context = Context(scratch=scratch, engine=watched, few_shot=load_few_shot("demo"), concurrency=concurrency)
    made: list[dict[str, Any]] = concepts.concepts(rows, settings, context).to_list()
    assert watched.most_at_once == min(concurrency, len(rows))
    return made


def test_one_64_and_1024_rows_at_once(engine: VllmEngine, tmp_path: Path) -> None:
    rows = given(1_100)
    many = named(engine, tmp_path / "1024", rows, 1_024)
    assert len({tuple(row["concepts"]) for row in many}) > 100
    assert named(engine, tmp_path / "64", rows, 64) == many
    assert named(engine, tmp_path / "1", rows.select(range(100)), 1) == many[:100]


def test_three_orders_of_the_input(engine: VllmEngine, tmp_path: Path) -> None:
    rows = given(100)
    whole = named(engine, tmp_path / "as they are", rows, 64)
    for name, order in orders(100):
        assert named(engine, tmp_path / name, rows.select(order), 64) == [whole[number] for number in order]


def test_three_orders_of_submission(engine: VllmEngine, tmp_path: Path) -> None:
    rows = Dataset.from_dict(
        {"prompt": [f"### Example\n[Instruction]\nWrite a function number {n}." for n in range(100)]}
    )
    column = Column("text", Value("string"), "what the model wrote")
    stage = Stage("answers", 1, "Answers.", ("prompt",), (column,), Settings, lambda rows, settings, context: rows)
    made = []
    for name, order in orders(100):
        watched = Watched(engine)
        (tmp_path / name).mkdir()
        context = Context(scratch=tmp_path / name, engine=watched)

        async def answer(row: dict[str, Any], context: Context = context) -> dict[str, Any]:
            sampling = Sampling(temperature=0.7, max_tokens=12, stop=(), seed=len(row["prompt"]))
            return {"text": (await context.complete(row["prompt"], sampling))[0], REJECT_REASON: None}

        made.append(context.map_rows(stage, rows, answer, order).to_list())
        assert watched.prompts == [rows["prompt"][number] for number in order]
    assert made[0] == made[1] == made[2]
    assert [row["prompt"] for row in made[0]] == rows["prompt"][:]


def orders(count: int) -> list[tuple[str, Sequence[int]]]:
    forth = list(range(count))
    return [("forth", forth), ("back", forth[::-1]), ("shuffled", random.Random(1).sample(forth, count))]
