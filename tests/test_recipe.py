"""Recipes are validated; every error names the key, the value and what is allowed."""

from pathlib import Path

import pytest

from sca_hf.errors import RecipeError
from sca_hf.pipeline.pipeline import Pipeline
from sca_hf.recipe import load_recipe, recipe_names
from sca_hf.store import Store


@pytest.mark.parametrize("name", recipe_names())
def test_bundled_recipes_are_valid(name: str) -> None:
    assert load_recipe(name).name == name


def test_the_papers_settings() -> None:
    recipe = load_recipe("selfcodealign")
    assert recipe.seed == 3407
    for step in (recipe["concepts"], recipe["instructions"]):
        assert (step.shots, step.temperature, step.max_tokens) == (8, 0.7, 1536)
    assert (recipe["responses"].shots, recipe["responses"].samples, recipe["responses"].temperature) == (1, 10, 0.7)
    assert recipe["instructions"].categories == {
        "function implementation": 2,
        "class implementation": 1,
        "program implementation": 1,
    }
    assert (recipe["judge"].shots, recipe["judge"].max_tokens) == (8, 5)
    assert (recipe["execute"].cpu_seconds, recipe["execute"].memory_mb) == (10.0, 4096)
    assert recipe["select"].max_instruction_words == 200
    assert (recipe["select"].leftover_rule, recipe["responses"].infer_tests) == ("substrings", False)
    assert recipe["responses"].infer_imports is False
    assert (recipe["sft"].tests_probability, recipe["sft"].max_tests_lines) == (0.5, 5)


def test_the_recipe_for_small_models_plans_with_a_local_folder(model_folder: Path, tmp_path: Path) -> None:
    offline = ("seeds.decontaminate=null", "select.decontaminate=null")
    recipe = load_recipe("laptop", [f"model={model_folder}", *offline])
    planned = {step.stage.name: step for step in Pipeline(recipe, Store(tmp_path)).plan()}
    assert list(planned) == ["seeds", "concepts", "instructions", "responses", "execute", "mutants", "select", "sft"]
    assert planned["responses"].most_rows == 300
    assert planned["responses"].most_calls == 300 * 4 * 2
    assert planned["concepts"].most_calls == planned["instructions"].most_calls == 300


def test_changes_are_typed() -> None:
    recipe = load_recipe("demo", ["responses.samples=8", "concepts.temperature=1", "seeds.count=null", "model=a/b"])
    assert recipe["responses"].samples == 8
    assert recipe["concepts"].temperature == 1.0
    assert recipe["seeds"].count is None
    assert recipe.model == "a/b"
    weights = load_recipe("demo", ["instructions.difficulties={easy: 3, hard: 1}"])["instructions"].difficulties
    assert weights == {"easy": 3, "hard": 1}


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ("responses.sample=8", ["'responses.sample'", "8", "samples"]),
        ("judge.shots=8", ["'judge'", "8", "put this stage into stages"]),
        ("seeds.near_duplicates.near=1", ["'seeds.near_duplicates.near'", "threshold"]),
        ("nothing=1", ["'nothing'", "1", "responses"]),
        ("nothing.at.all=1", ["'nothing'", "responses"]),
        ("responses.samples=many", ["responses.samples", "'many'", "integer"]),
        ("responses.samples='8'", ["responses.samples", "'8'", "integer"]),
        ("responses.samples=0", ["responses.samples", "0", "integer 1 to 10000"]),
        ("concepts.temperature=3", ["concepts.temperature", "3", "number 0.0 to 2.0"]),
        ("engine.dtype=int4", ["engine.dtype", "'int4'", "bfloat16"]),
        ("name=a/b", ["name", "'a/b'"]),
        ("engine.options.trust_remote_code=true", ["engine.options", "trust_remote_code", "take them out"]),
        ("engine.options.load_format=pt", ["engine.options", "load_format", "take them out"]),
        ("model.name=x", ["model.name=x", "'model'", "not a section"]),
        ("instructions.categories={}", ["instructions.categories", "{}"]),
        ("responses.samples", ["'responses.samples'", "key=value"]),
        ("responses.samples=[", ["responses.samples=[", "YAML"]),
        ("responses.until=0", ["responses.until = 0: give integer 1 to 10000 or all"]),
        ("responses.until=most", ["responses.until = 'most': give integer 1 to 10000 or all"]),
        ("concepts.decks=[1]", ["concepts.decks = [1]: give integer 1 to 10000 or per-row"]),
        ("engine.options={a: [1]}", ["engine.options.a = [1]: give true or false or integer or number or text"]),
        ("seeds.kinds=[lambda]", ["seeds.kinds.0 = 'lambda': give function or method or class"]),
        ("seeds.type_check=1", ["seeds.type_check = 1: give section with checker or null"]),
        ("instructions.languages={Python: x}", ["instructions.languages.Python = 'x': give integer"]),
        ("select.decontaminate={files: {A B: x}}", ["select.decontaminate.files.A B = 'A B': give text that matches"]),
        ("engine.kind=openai", ["engine: engine.kind openai and engine.urls []"]),
    ],
)
def test_a_wrong_change_names_key_value_and_what_is_allowed(change: str, parts: list[str]) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe("demo", [change])
    message = str(caught.value)
    assert "\n" not in message
    for inside in ("constrained", "literal[", "value error", "function-", "input should"):
        assert inside not in message.lower(), "a validator's own words"
    assert message.count(" = ") <= 1, "a value is wrong once, however many types it may have"
    for part in parts:
        assert part in message


def test_a_change_begins_a_section_that_the_recipe_has_as_null() -> None:
    recipe = load_recipe("demo", ["select.decontaminate.benchmarks=[humaneval]", "seeds.decontaminate.ngram=10"])
    assert recipe["select"].decontaminate.benchmarks == ("humaneval",)
    assert recipe["seeds"].decontaminate.ngram == 10
    assert "judge" in {stage.name for stage in load_recipe("selfcodealign", ["judge=null", "judge.shots=2"]).chain}


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a: [", "line 1: expected the node content"),
        ("- a", "list"),
        ("name: x", "'model' is missing"),
        ("name: 2020-01-01", "quote dates"),
    ],
)
def test_a_wrong_file_is_one_line(tmp_path: Path, text: str, part: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(RecipeError) as caught:
        load_recipe(str(file))
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_recipe_names_the_known_ones() -> None:
    with pytest.raises(RecipeError, match=", ".join(recipe_names())):
        load_recipe("dmeo")


def test_what_a_run_publishes_has_no_path_and_no_machine_setting(tmp_path: Path) -> None:
    model = tmp_path / "my-model"
    model.mkdir()
    published = load_recipe("demo", [f"model={model}", f"seeds.source={tmp_path}", "run.workers=7"]).published()
    assert published["model"] == "my-model"
    assert str(tmp_path) not in str(published)
    assert "run" not in published
    assert "judge" not in published, "what a recipe without this stage publishes knows nothing of it"
    judge = tmp_path / "verdicts.txt"
    judge.touch()
    assert load_recipe("selfcodealign", [f"judge.prompts={judge}"]).published()["judge"]["prompts"] == "verdicts.txt"


@pytest.mark.parametrize("stage", ["seeds", "preferences"])
def test_a_file_of_a_benchmark_counts_by_its_texts_and_is_published_by_its_name(tmp_path: Path, stage: str) -> None:
    def told(folder: Path, text: str) -> tuple[str, str]:
        folder.mkdir()
        file = folder / "own.jsonl"
        file.write_text(f'{{"task_id": "a", "prompt": "{text}"}}\n', encoding="utf-8")
        recipe = load_recipe("preferences", [f"{stage}.decontaminate={{files: {{own: {file}}}}}"])
        return str(recipe[stage].intent()), str(recipe.published()[stage])

    text = "Paint seven large fences red, and count the blue ones that are left."
    intent, published = told(tmp_path / "one", text)
    assert (intent, published) == told(tmp_path / "other", text)
    assert str(tmp_path) not in published
    assert "own.jsonl" in published
    assert told(tmp_path / "third", text.replace("seven", "nine"))[0] != intent
