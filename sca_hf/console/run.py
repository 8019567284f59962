"""What a run prints: the plan, a line and a bar a stage, the funnel, where things are, and what to try next."""

import shlex
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console as Terminal
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from sca_hf.errors import ScaError, one_line
from sca_hf.pipeline.forecast import Estimate, Forecast
from sca_hf.pipeline.pipeline import Outcome
from sca_hf.pipeline.plan import Planned
from sca_hf.stage import Stage
from sca_hf.store import Version

SAMPLE_ROWS = 3
SAMPLE_LINES = 24

_LINE_CHARACTERS = 400


class Console:
    """Prints to the standard output; errors go to the standard error, one line each."""

    def __init__(self) -> None:
        self._terminal = Terminal(highlight=False)
        self._errors = Terminal(stderr=True, highlight=False, soft_wrap=True)
        if not self._terminal.is_terminal:  # a log file has no width to keep to
            self._terminal.width = 140

    def stage(self, stage: Stage, cached: Version | None) -> None:
        """Announce a stage."""
        state = f"in the store as {cached.fingerprint}" if cached else "running"
        self._terminal.print(f"[bold]{stage.name:<13}[/bold] [dim]{state}: {escape(stage.title)}[/dim]")

    def plan(self, planned: Sequence[Planned]) -> None:
        """The plan of a dry run."""
        table = Table(title="Plan (nothing was run)", title_justify="left")
        for name in ("stage", "state", "fingerprint", "rows in", "calls"):
            table.add_column(name, justify="right" if name in {"rows in", "calls"} else "left")
        exact = True
        for number, step in enumerate(planned):
            state = "to run"
            if step.cached:
                state = "[green]cached[/green]" if isinstance(step.cached, Version) else "[green]on the Hub[/green]"
            unknown = f"[dim]{'unknown until its parent has run' if number else 'unknown: the Hub did not say'}[/dim]"
            calls = "-" if not step.stage.needs else "0" if step.cached else _bound(step.most_calls, exact)
            table.add_row(step.stage.name, state, step.fingerprint or unknown, _bound(step.most_rows, exact), calls)
            exact = exact and step.cached is not None
        self._terminal.print(table)

    def forecast(self, forecasts: Sequence[Forecast]) -> None:
        """What the whole would take, with ranges of 95 %."""
        table = Table(title="Forecast of the whole, from the pilot", title_justify="left")
        table.caption = "at the pilot's speed; fuller batches are faster, and more rows have more duplicates"
        for name in ("stage", "rows in", "calls", "tokens in", "tokens out", "kept", "hours", "GPU-hours"):
            table.add_column(name, justify="left" if name == "stage" else "right")
        for step in forecasts:
            tokens = step.prompt_tokens, step.completion_tokens
            table.add_row(
                step.stage,
                *(_range(estimate, ",.0f") for estimate in (step.rows, step.calls, *tokens, step.kept)),
                _range(step.hours, ".3g"),
                _range(step.gpu_hours, ".3g") if step.gpu_hours else "-",
            )
        self._terminal.print(table)

    def outcomes(self, outcomes: Sequence[Outcome], arguments: Sequence[str]) -> None:
        """The summary of the run of `python -m sca_hf.run` with these arguments."""
        self._terminal.print(_funnel(outcomes))
        for outcome in outcomes:
            warning = outcome.stage.warning(outcome.version.counts) if outcome.stage.warning else None
            if warning:
                self._terminal.print(f"[bold yellow]warning:[/bold yellow] {escape(warning)}", soft_wrap=True)
        self._terminal.print("\n[bold]Versions[/bold]")
        for outcome in outcomes:
            self._terminal.print(f"  {outcome.version.path}", soft_wrap=True)
            if outcome.published:
                self._terminal.print(f"    on the Hub: {outcome.published}", soft_wrap=True)
        last = outcomes[-1]
        if last.stage.shows:
            self._samples(last.version, last.stage.shows)
        self._terminal.print("\n[bold]Next[/bold]")
        python = _python()
        load = f"import datasets; print(datasets.load_dataset('{last.version.path}'))"
        version = f"{last.version.dataset}/{last.version.fingerprint}"
        store = last.version.path.parents[1]
        changed = shlex.join([*arguments, "--set", "seed=1", "--dry-run"])
        self._terminal.print(f'  {python} -c "{load}"', soft_wrap=True)
        self._terminal.print(f"  {python} -m sca_hf.versions show {version} --store {store}", soft_wrap=True)
        self._terminal.print(f"  {python} -m sca_hf.run {changed}", soft_wrap=True)

    def error(self, error: ScaError) -> None:
        """One line on the standard error."""
        self._errors.print(f"[bold red]error:[/bold red] {escape(one_line(error))}")

    def interrupted(self) -> None:
        """After Ctrl-C."""
        self._errors.print("interrupted; what is finished is kept, run the same command to go on")

    def _samples(self, version: Version, columns: Sequence[str]) -> None:
        rows = version.load()
        step = max(1, len(rows) // SAMPLE_ROWS)
        self._terminal.print(f"\n[bold]{min(SAMPLE_ROWS, len(rows))} of {len(rows)} rows[/bold]")
        for index in range(0, len(rows), step)[:SAMPLE_ROWS]:
            row = rows[index]
            text = Text("\n\n").join(
                Text.assemble((f"{name}: ", "dim"), _shortened(str(row[name]))) for name in columns if row.get(name)
            )
            origin = [str(row[name]) for name in ("path", "name") if row.get(name)]
            title = escape(" · ".join([row["id"], ": ".join(origin)]))
            self._terminal.print(Panel(text, title=title, title_align="left"))


def _python() -> str:
    """This interpreter, as it can be typed here."""
    path = Path(sys.executable)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _funnel(outcomes: Sequence[Outcome]) -> Table:
    table = Table(title="Funnel", title_justify="left", caption="kept + rejected = judged, for every stage")
    for name in ("stage", "rows in", "judged", "kept"):
        table.add_column(name, justify="left" if name == "stage" else "right")
    table.add_column("rejected, by reason", ratio=1)
    for name in ("seconds", "tokens in", "tokens out"):
        table.add_column(name, justify="right")
    for outcome in outcomes:
        counts, tokens = outcome.version.counts, outcome.version.lineage.tokens
        rejected = sorted(counts.rejected.items(), key=lambda pair: -pair[1])
        table.add_row(
            outcome.stage.name,
            f"{counts.rows_in:,}",
            f"{counts.judged:,}",
            f"[green]{counts.kept:,}[/green]",
            ", ".join(f"{reason} {count:,}" for reason, count in rejected) or "-",
            "cached" if outcome.cached else f"{outcome.version.timings['seconds']:.1f}",
            f"{tokens.prompt:,}" if tokens.prompt else "-",
            f"{tokens.completion:,}" if tokens.completion else "-",
        )
    return table


def _range(estimate: Estimate, form: str) -> str:
    if not estimate.high:
        return "-"
    if estimate.low == estimate.high:
        return f"{estimate.middle:{form}}"
    return f"{estimate.middle:{form}} ({estimate.low:{form}} to {estimate.high:{form}})"


def _bound(rows: int | None, exact: bool) -> str:
    if rows is None:
        return "unknown"
    return f"{rows:,}" if exact else f"<= {rows:,}"


def _shortened(text: str) -> str:
    lines = text.strip().splitlines()
    shown = [
        textwrap.shorten(line, _LINE_CHARACTERS) if len(line) > _LINE_CHARACTERS else line
        for line in lines[:SAMPLE_LINES]
    ]
    return "\n".join(shown + ([f"… {len(lines) - SAMPLE_LINES} more lines"] if len(lines) > SAMPLE_LINES else []))
