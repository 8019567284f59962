"""What an engine does wrong costs its own row, with a reason, in each LLM stage."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from sca_hf.engines import Engine
from sca_hf.engines.registry import make_engine
from sca_hf.engines.settings import EngineSettings
from sca_hf.prompts.few_shot import load_few_shot
from sca_hf.recipe import load_recipe
from sca_hf.stage import Stage
from sca_hf.stages import concepts, instructions, responses
from sca_hf.stages.context import Context
from tests.engines.loopback_server import MODEL, Loopback

BAD = "the row that meets it"


@pytest.fixture
def server() -> Iterator[Any]:
    running = Loopback()
    yield running
    running.close()


@pytest.fixture
def engine(server: Any) -> Iterator[Engine]:
    made = make_engine(MODEL, EngineSettings(kind="openai", urls=(server.url,)))
    yield made
    made.close()


def reasons(stage: Stage, engine: Engine, folder: Path) -> list[str | None]:
    """Of five rows, the third of which has the words `BAD` in its prompt."""
    rows = []
    for number in range(5):
        text = BAD if number == 2 else "slicing"
        row: dict[str, Any] = dict.fromkeys(stage.uses, text) | {"id": f"{number:020x}"}
        rows.append(row | ({"concepts": [text]} if "concepts" in row else {}))
    recipe = load_recipe("demo", ["responses.samples=1"])
    context = Context(scratch=folder, engine=engine, few_shot=load_few_shot(recipe.prompts))
    made = stage.run(Dataset.from_list(rows), recipe[stage.name], context)
    assert len(made) == 5
    return list(made["reject_reason"])


@pytest.mark.parametrize(
    ("stage", "fault", "reason"),
    [
        (concepts.STAGE, "empty", "no-concepts"),
        (instructions.STAGE, "empty", "no-instruction"),
        (responses.STAGE, "empty", "no-response"),
        (concepts.STAGE, "forever", "repetition"),
        (instructions.STAGE, "forever", "repetition"),
        (responses.STAGE, "forever", "repetition"),
        (concepts.STAGE, "long", "prompt-too-long"),
        (instructions.STAGE, "long", "prompt-too-long"),
        (responses.STAGE, "long", "prompt-too-long"),
        (concepts.STAGE, "utf-8", "engine-error"),
        (instructions.STAGE, "surrogate", "undecodable-completion"),
        (responses.STAGE, 500, "engine-error"),
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_a_fault_costs_its_row(
    server: Any, engine: Engine, tmp_path: Path, stage: Stage, fault: Any, reason: str
) -> None:
    usual = reasons(stage, engine, tmp_path)
    server.poison[BAD] = fault
    assert reasons(stage, engine, tmp_path) == [*usual[:2], reason, *usual[3:]]
