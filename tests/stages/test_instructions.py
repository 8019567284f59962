"""How the properties of a task are drawn."""

from sca_hf.recipe import load_recipe
from sca_hf.stages.instructions import draw_property


def test_properties_follow_their_weights() -> None:
    settings = load_recipe("selfcodealign")["instructions"]
    drawn = [draw_property(settings, 3407, f"row {row}", ["slicing"]) for row in range(4000)]
    share = sum(wanted.category == "function implementation" for wanted in drawn) / len(drawn)
    assert 0.46 < share < 0.54  # 2 : 1 : 1; five standard errors are 0.04
    assert {wanted.difficulty for wanted in drawn} == {"easy", "medium", "hard"}
    assert drawn == [draw_property(settings, 3407, f"row {row}", ["slicing"]) for row in range(4000)]
