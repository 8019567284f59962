"""What a run would take on other numbers of GPUs."""

import pytest

from sca_hf.pipeline.forecast import Estimate, Forecast, scaled
from sca_hf.pipeline.plan import Planned
from sca_hf.recipe import load_recipe


def forecast(stage: str, hours: float, tokens: float, gpu_hours: float | None, loading: float = 0.0) -> Forecast:
    one = Estimate(1.0, 1.0, 1.0)
    gpus = None if gpu_hours is None else Estimate(gpu_hours, gpu_hours, gpu_hours)
    written = Estimate(tokens, tokens, tokens)
    return Forecast(stage, one, one, one, one, written, one, Estimate(hours / 2, hours, hours * 2), gpus, loading)


@pytest.mark.parametrize(
    ("changes", "gpu_hours", "unit", "hours"),
    [
        (["engine.kind=ray", "engine.replicas=4", "engine.options={tensor_parallel_size: 2}"], 24.0, "GPU", 24.0),
        (["engine.kind=openai", "engine.urls=['http://a', 'http://b']"], None, "engine", 6.0),
        ([], None, "engine", 3.0),
    ],
)
def test_hours_are_those_of_the_pilot_shared_out(
    changes: list[str], gpu_hours: float | None, unit: str, hours: float
) -> None:
    recipe = load_recipe("demo", changes)
    planned = [Planned(stage, "", None, None, None, None) for stage in recipe.chain]
    forecasts = [forecast("concepts", 1.0, 3600.0, gpu_hours), forecast("responses", 2.0, 7200.0, gpu_hours)]
    forecasts.append(forecast("execute", 50.0, 0.0, None))
    one, eight = scaled(recipe, forecasts, planned, (1, 8))
    assert one.unit == unit
    assert one.hours.middle == pytest.approx(hours)
    assert eight.hours.middle == pytest.approx(hours / 8)
    assert eight.hours.low == pytest.approx(hours / 16)
    assert eight.tokens_a_second == pytest.approx(8 * 10_800 / (3600 * hours))
    assert scaled(recipe, [], planned, (1, 8)) == []


def test_more_gpus_load_the_model_no_faster() -> None:
    recipe = load_recipe("demo", ["engine.kind=openai", "engine.urls=['http://a']"])
    planned = [Planned(stage, "", None, None, None, None) for stage in recipe.chain]
    forecasts = [forecast("concepts", 2.0, 3600.0, None, loading=0.5), forecast("responses", 2.5, 7200.0, None)]
    one, eight = scaled(recipe, forecasts, planned, (1, 8))
    assert one.hours.middle == pytest.approx(4.5)
    assert eight.hours.middle == pytest.approx(0.5 + 4.0 / 8)
    assert eight.hours.high == pytest.approx(0.5 + 8.5 / 8)
    assert one.tokens_a_second == pytest.approx(10_800 / (3600 * 4.0)), "while it writes"
