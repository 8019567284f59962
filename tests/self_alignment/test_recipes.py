"""Recipes against each other: what an equal budget pays for, and what of the settings each recipe gets."""

from pathlib import Path

import pytest
from self_alignment.choices import Row
from self_alignment.experiment import Experiment
from self_alignment.recipes import DEMO_WAYS, PAPER, Way, cost_row, settings_of, within

from sca_hf.recipe import load_recipe, recipe_names
from sca_hf.store.lineage import TokenCounts


def rows(count: int) -> list[Row]:
    return [{"id": str(number)} for number in range(count)]


def test_of_rows_each_gets_as_many_as_the_fewest() -> None:
    sets = within({"a": rows(10), "b": rows(4)}, {"a": 1, "b": 99}, "rows")
    assert {name: len(of_way) for name, of_way in sets.items()} == {"a": 4, "b": 4}


def test_of_tokens_each_gets_what_the_cheapest_run_took() -> None:
    sets = within({"cheap": rows(10), "dear": rows(9)}, {"cheap": 1000, "dear": 3000}, "tokens")
    assert {name: len(of_way) for name, of_way in sets.items()} == {"cheap": 10, "dear": 3}
    assert sets["dear"] == rows(3)


def test_costs_are_told_a_row_too() -> None:
    assert cost_row("demo", 1, 16, TokenCounts(prompt=59_824, completion=31_696)).endswith("| 3,739 | 1,981 |")
    assert cost_row("demo", 1, 0, TokenCounts(prompt=10)) == "| demo | 1 | 0 | 10 | 0 | none made | none made |"


@pytest.mark.parametrize("way", DEMO_WAYS, ids=lambda way: way.name)
def test_the_demos_recipes_take_what_fits_of_its_settings(way: Way, tmp_path: Path) -> None:
    experiment = Experiment(tmp_path)
    chosen = settings_of(experiment, way)
    recipe = load_recipe(way.recipe, chosen)
    assert recipe.model == "demo"
    assert recipe["seeds"].count == 400
    assert ("instructions" in str(chosen[: -len(way.changes)])) == ("instructions" in [s.name for s in recipe.chain])
    assert [stage.name for stage in recipe.chain][-1] == "select"


def test_a_published_figure_is_a_recipes() -> None:
    assert set(PAPER) <= set(recipe_names())
