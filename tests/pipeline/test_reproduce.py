"""The command on a card makes the same settings again."""

import shlex

import pytest

from sca_hf import run
from sca_hf.pipeline.reproduce import command
from sca_hf.recipe import load_recipe, recipe_names

CHANGES = [
    [],
    ["seed=1", "responses.samples=3", "sft.tests_probability=0.0"],
    ["seeds.forbidden_words=[a word, 'it''s']", "engine.max_model_len=null", "select.leftovers=['$HOME', '#x']"],
    ["run.batch_size=3", "run.workers=1"],
    ["judge=null"],
    ["stages=[seeds, concepts]", "concepts.shots=2"],
]


@pytest.mark.parametrize("changes", CHANGES)
def test_all_of_the_changes_are_made_to_some_recipe(changes: list[str]) -> None:
    assert any(applicable(changes, name) == changes for name in recipe_names())


@pytest.mark.parametrize("name", recipe_names())
@pytest.mark.parametrize("changes", CHANGES)
def test_the_command_leads_to_the_same_recipe(name: str, changes: list[str]) -> None:
    recipe = load_recipe(name, applicable(changes, name))
    made = command(recipe, "sft")
    assert made is not None
    words = shlex.split(made)
    assert words[:3] == ["python", "-m", "sca_hf.run"]
    given = run.parser().parse_args(words[3:])
    assert given.last == "sft"
    assert load_recipe(given.recipe, given.changes).published() == recipe.published()


def test_a_recipe_of_ones_own_has_no_such_command() -> None:
    assert command(load_recipe("demo").model_copy(update={"name": "mine"}), "sft") is None


def applicable(changes: list[str], name: str) -> list[str]:
    """Those of the changes whose section a recipe has, once its stages are changed."""
    whole = [change for change in changes if not section(change)]
    sections = {*load_recipe(name, whole).published(), "run"}
    return [change for change in changes if change in whole or section(change) in sections]


def section(change: str) -> str:
    """The section of a changed setting; empty for a setting, or a section, of the recipe itself."""
    return change.partition("=")[0].rpartition(".")[0]
