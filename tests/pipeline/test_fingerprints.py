"""What changes a stage's fingerprint, and that nothing else changes its bytes."""

from dataclasses import replace
from importlib import import_module
from importlib.resources import files as bundled
from pathlib import Path

import pytest
from datasets import Dataset

from sca_hf.engines.model import DEMO_MODEL
from sca_hf.pipeline.pipeline import Pipeline
from sca_hf.pipeline.plan import Intents, StageInput
from sca_hf.recipe import Recipe
from sca_hf.store import Store
from tests.finished_run import NAMES, arguments, arguments_in, files, finish, finished, own_cache, recipe_of

__all__ = ["arguments", "finished", "own_cache"]

FEW_SHOT = DEMO_MODEL.parent / "few_shot.txt"
JUDGE = Path(str(bundled("sca_hf"))) / "prompts" / "judge.txt"


def test_the_same_recipe_gives_the_same_bytes_in_two_stores(finished: Path, tmp_path: Path) -> None:
    arguments = [*arguments_in(tmp_path / "deep" / "other"), "--set", "run.batch_size=3", "--set", "run.workers=1"]
    other = finish(recipe_of(arguments), Store(tmp_path / "store"))
    one = {version.dataset.removeprefix("demo-"): version for version in Store(finished / "store").versions()}
    for name in NAMES:
        assert one[name].fingerprint == other[name].fingerprint
        left, right = (files(version.path, without="timings.json") for version in (one[name], other[name]))
        assert left == right
        assert not [path for path, content in left.items() if str(finished).encode() in content]


CHANGES = {
    "seed=1": "seeds",
    "judge.shots=3": "judge",
    "judge.max_tokens=4": "judge",
    "seeds.max_lines=30": "seeds",
    "seeds.count=5": "seeds",
    "engine.dtype=float32": "judge",
    "engine.max_prompt_tokens=500": "judge",
    "concepts.max_tokens=47": "concepts",
    "instructions.temperature=0.5": "instructions",
    "concepts.repetition_detection=null": "concepts",
    "instructions.repetition_detection={min_count: 9}": "instructions",
    "responses.samples=3": "responses",
    "responses.infer_tests=false": "responses",
    "execute.cpu_seconds=1.0": "execute",
    "select.max_instruction_words=100": "select",
    "select.leftover_rule=substrings": "select",
    "sft.tests_probability=0.1": "sft",
    "about=something else": None,
    "run.batch_size=7": None,
    "run.concurrency=3": None,
    "run.workers=1": None,
    "run.jails=1": None,
    "engine.max_num_seqs=8": None,
}


@pytest.mark.parametrize(("change", "first"), CHANGES.items())
def test_a_changed_setting_is_of_this_stage_and_all_after_it(
    finished: Path, arguments: list[str], change: str, first: str | None
) -> None:
    _check_to_run(finished / "store", recipe_of([*arguments, "--set", change]), first)


@pytest.mark.parametrize("name", NAMES)
def test_another_version_of_a_stage_is_of_this_stage_and_all_after_it(
    finished: Path, arguments: list[str], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = import_module(f"sca_hf.stages.{name}")
    monkeypatch.setattr(module, "STAGE", replace(module.STAGE, version=99))
    _check_to_run(finished / "store", recipe_of(arguments), name)


@pytest.mark.parametrize(
    ("path", "old", "new", "first"),
    [
        ("model/config.json", "{}", '{"revision": 2}', "judge"),
        ("code/03.py", "numbers", "figures", "seeds"),
        ("few_shot.txt", "Name the programming concepts", "List the concepts", "concepts"),
        ("few_shot.txt", "Write one independent Python task", "Invent a task", "instructions"),
        ("few_shot.txt", "Answer the instruction", "Follow the instruction", "responses"),
        ("judge.txt", "neighbours in a sorted list", "neighbours in a list", "judge"),
        ("judge.txt", "Return the distinct words", "Return the words", None),  # of an exemplar that 4 shots don't show
        ("few_shot.txt", "", "", None),
    ],
)
def test_another_content_of_what_a_stage_reads(
    finished: Path, tmp_path: Path, path: str, old: str, new: str, first: str | None
) -> None:
    arguments = arguments_in(tmp_path / "elsewhere")
    changed = tmp_path / "elsewhere" / path
    for source in (FEW_SHOT, JUDGE):
        (tmp_path / "elsewhere" / source.name).write_text(source.read_text())
    assert old in changed.read_text()
    changed.write_text(changed.read_text().replace(old, new) if old else changed.read_text())
    prompts = [
        f"prompts={tmp_path / 'elsewhere' / 'few_shot.txt'}",
        f"judge.prompts={tmp_path / 'elsewhere' / 'judge.txt'}",
    ]
    recipe = recipe_of([*arguments, *(part for change in prompts for part in ("--set", change))])
    _check_to_run(finished / "store", recipe, first)


def test_a_judge_is_part_of_no_other_stages_intent(arguments: list[str]) -> None:
    judged, plain = recipe_of(arguments), recipe_of([*arguments, "--set", "judge=null"])
    given = StageInput(lambda: Dataset.from_list([]), "0" * 64, 0, ())
    assert [stage.name for stage in plain.chain] == [name for name in NAMES if name != "judge"]
    for stage in plain.chain:
        assert Intents(judged).of(stage, given) == Intents(plain).of(stage, given)


def _check_to_run(store: Path, recipe: Recipe, first: str | None) -> None:
    """Whether just the stage `first` and all after it are to run."""
    planned = Pipeline(recipe, Store(store)).plan()
    to_run = [step.stage.name for step in planned if step.cached is None]
    assert to_run == list(NAMES[NAMES.index(first) :] if first else ())
