"""S->I: a task straight from code, with the exemplars' code and tasks before it."""

from pathlib import Path

import pytest

from sca_hf.errors import InputError
from sca_hf.identity import digest
from sca_hf.pipeline.pipeline import Pipeline
from sca_hf.prompts.few_shot import load_few_shot
from sca_hf.recipe import load_recipe
from sca_hf.stages.oss_instruct import STAGE, OssInstructSettings
from sca_hf.store import Store
from tests.stages.asking import Row, reasons, rows_of, served

SEEDS: list[Row] = [{"id": f"{n:020x}", "seed": f"total += weights[{n}] * {n}", "path": f"{n}.py"} for n in range(6)]


def says(prompt: str, seed: int) -> str:
    return f"Write `f{digest(prompt, seed)[:6]}(x)`.\n\n[Response]\nHere it is."


def test_the_prompt_ends_with_the_code_and_shows_no_concepts(tmp_path: Path) -> None:
    with served(says) as server:
        rows = rows_of(STAGE, server, tmp_path, SEEDS, OssInstructSettings(shots=2))
        assert reasons(rows) == [None] * 6
        prompts = list(server.asked)
    assert len({row["instruction"] for row in rows}) == 6
    assert all(row["instruction"].startswith("Write `f") and "Response" not in row["instruction"] for row in rows)
    assert [(row["seed_id"], row["path"]) for row in rows] == [(seed["id"], seed["path"]) for seed in SEEDS]
    for prompt in prompts:
        assert prompt.startswith(load_few_shot("default").systems["S->I"])
        assert prompt.count("[Code]") == prompt.count("[Instruction]") - 1 == 3  # the system text names it too
        assert "concepts:" not in prompt
    assert sum(prompt.endswith(f"```python\n{SEEDS[3]['seed']}\n```\n\n[Instruction]\n") for prompt in prompts) == 1


def test_the_same_rows_for_any_order_and_concurrency(tmp_path: Path) -> None:
    with served(says) as server:
        rows = rows_of(STAGE, server, tmp_path / "1", SEEDS)
        other = rows_of(STAGE, server, tmp_path / "2", SEEDS[::-1], concurrency=2, batch_size=1)
    assert sorted(map(str, rows)) == sorted(map(str, other))


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("", "no-instruction"),
        ("Write f.\n\n[Tests]\nassert f", "not-an-instruction"),
        ("and again " * 2000, "repetition"),
        (" ".join(f"w{n}" for n in range(2000)), "cut-off"),
    ],
)
def test_faults(said: str, reason: str, tmp_path: Path) -> None:
    with served(lambda prompt, seed: said) as server:
        assert reasons(rows_of(STAGE, server, tmp_path, SEEDS[:1])) == [reason]


def test_a_copied_exemplar_is_rejected(tmp_path: Path) -> None:
    few_shot = load_few_shot("default")
    with served(lambda prompt, seed: few_shot.exemplars[4].instruction) as server:
        rows = rows_of(STAGE, server, tmp_path, SEEDS[:1], OssInstructSettings(shots=21))
    assert reasons(rows) == ["copied-exemplar-5"]


def test_a_file_of_exemplars_without_the_step_is_told(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "sca_hf/prompts/few_shot.txt").read_text()
    begin, end = text.index("### System: S->I"), text.index("### System: I->R")
    file = tmp_path / "reference.txt"
    file.write_text(text[:begin] + text[end:])
    offline = ["model=demo", f"prompts={file}"]
    Pipeline(load_recipe("selfcodealign", offline), Store(tmp_path))  # no stage of it needs the step
    with pytest.raises(InputError, match=r"'### System: S->I', which stage 'oss_instruct' needs; add it"):
        Pipeline(load_recipe("selfcodealign-s2i", offline), Store(tmp_path))
