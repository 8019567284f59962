"""Tables of what is to come: the plan of a run, and the forecast from a pilot."""

from collections.abc import Sequence

from rich.console import Group

from sca_hf.console.terminal import plain_table, with_note
from sca_hf.pipeline.forecast import Estimate, Forecast, Scaled
from sca_hf.pipeline.plan import Planned
from sca_hf.store import Version
from sca_hf.wording import counted

_UNITS = (("h", 1), ("min", 60), ("s", 3600))
_LARGE = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
_WRITTEN_OUT = 100_000  # numbers below it


def plan_table(planned: Sequence[Planned]) -> Group:
    """Return the plan of a dry run. What is not known before a stage has run is a bound, or `?`."""
    table = plain_table("Plan (nothing was run)", ("stage", "state", "fingerprint"), ("rows in", "calls", "programs"))
    exact = True
    for step in planned:
        state = "to run"
        if step.cached:
            state = "[green]cached[/green]" if isinstance(step.cached, Version) else "[green]on the Hub[/green]"
        asked = "0" if step.cached else _bound(step.most_calls, exact)
        calls, programs = (asked if step.stage.needs == kind else "-" for kind in ("engine", "sandbox"))
        rows = _bound(step.most_rows, exact)
        table.add_row(step.stage.name, state, step.fingerprint or "[dim]?[/dim]", rows, calls, programs)
        exact = exact and step.cached is not None
    note = ""
    if any(step.fingerprint is None for step in planned):
        source_unknown = planned[0].fingerprint is None
        why = "the Hub did not say which commit the source is at" if source_unknown else "its parent has to run"
        note = f"? not known yet: {why}"
    return with_note(table, note)


def forecast_table(forecasts: Sequence[Forecast]) -> Group:
    """Return what the whole would take, with ranges of 95 %. A column of which no stage has anything is left out."""
    columns: dict[str, list[str]] = {
        "rows in": [_range(step.rows) for step in forecasts],
        "calls": [_range(step.calls) for step in forecasts],
        "programs": [_range(step.programs) for step in forecasts],
        "tokens in": [_range(step.prompt_tokens) for step in forecasts],
        "tokens out": [_range(step.completion_tokens) for step in forecasts],
        "kept": [_range(step.kept) for step in forecasts],
        "time": [_times(step.hours) if step.hours else "unknown" for step in forecasts],
        "GPU time": [_times(step.gpu_hours) if step.gpu_hours else "-" for step in forecasts],
    }
    told = {name: cells for name, cells in columns.items() if any(cell != "-" for cell in cells)}
    table = plain_table("Forecast of the whole, from the pilot", ("stage",), list(told))
    table.leading = 1  # a row takes several lines
    table.columns[0].no_wrap = True
    for step, *cells in zip(forecasts, *told.values(), strict=True):
        table.add_row(step.stage, *cells)
    return with_note(table, "at the pilot's speed; fuller batches are faster, more rows have more duplicates")


def scaled_line(scale: Scaled) -> str:
    """Return what the model's stages would take on another number of GPUs."""
    low, middle, high, unit = _in_unit(scale.hours)
    time = middle if low == high else f"{middle} ({low} to {high})"
    speed = f"{scale.tokens_a_second:,.0f} tokens/s written"
    return f"on {counted(scale.gpus, scale.unit)}: {time} {unit} for the model's stages alone, at {speed}"


def _range(estimate: Estimate) -> str:
    low, middle, high = map(_rounded, (estimate.low, estimate.middle, estimate.high))
    return "-" if not estimate.high else middle if low == high else f"{middle}\n{low} to {high}"


def _times(hours: Estimate) -> str:
    low, middle, high, unit = _in_unit(hours)
    return f"{middle} {unit}" if low == high else f"{middle} {unit}\n{low} to {high}"


def _in_unit(hours: Estimate) -> tuple[str, str, str, str]:
    """Low, middle and high in hours, minutes or seconds, the largest of which there is at least one; and which."""
    unit, factor = next(each for each in _UNITS if hours.middle * each[1] >= 1 or each is _UNITS[-1])
    low, middle, high = (f"{factor * each:.3g}" for each in (hours.low, hours.middle, hours.high))
    return low, middle, high, unit


def _rounded(number: float) -> str:
    """A number, with three digits if it is large: a range says how little the others would mean."""
    if round(number) < _WRITTEN_OUT:
        return f"{number:,.0f}"
    size, letter = next(each for each in _LARGE if number >= each[0])
    return f"{number / size:.3g}{letter}"


def _bound(rows: int | None, exact: bool) -> str:
    if rows is None:
        return "?"
    return f"{rows:,}" if exact else f"<= {rows:,}"
