"""What a run prints: the plan, a line and a bar a stage, the funnel, where things are, and what to try next."""

import textwrap
from collections.abc import Iterator, Sequence

from rich.console import Console as Terminal
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from sca_hf.console.advice import loosen
from sca_hf.console.commands import command, load_command, rows_command
from sca_hf.console.funnel import funnel, rejected
from sca_hf.engines.settings import EngineSettings
from sca_hf.pipeline.forecast import Estimate, Forecast, Scaled
from sca_hf.pipeline.part import Part, PartOutcome
from sca_hf.pipeline.pipeline import Outcome
from sca_hf.pipeline.plan import Planned
from sca_hf.reporting.reasons import meaning
from sca_hf.stage import Stage
from sca_hf.store import Version

SAMPLE_ROWS = 3
SAMPLE_LINES = 24

_LINE_CHARACTERS = 400
_UNITS = (("h", 1), ("min", 60), ("s", 3600))


class Console:
    """Prints to the standard output."""

    def __init__(self) -> None:
        self._terminal = Terminal(highlight=False)
        self._follows_cached = False
        if not self._terminal.is_terminal:  # a log file has no width to keep to
            self._terminal.width = 140

    def stage(self, stage: Stage, cached: Version | None) -> None:
        """Announce a stage."""
        state = "the run goes on here" if self._follows_cached else "running"
        if cached:
            state = f"in the store as {cached.fingerprint}"
        self._follows_cached = cached is not None
        lines = textwrap.wrap(f"{state}: {stage.title}", self._terminal.width - 15)
        self._terminal.print(f"[bold]{stage.name:<13}[/bold] [dim]{escape(lines[0])}[/dim]")
        for line in lines[1:]:
            self._terminal.print(f"{'':<13} [dim]{escape(line)}[/dim]")

    def plan(self, planned: Sequence[Planned], engine: EngineSettings) -> None:
        """The plan of a dry run. `engine`: of its recipe."""
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
        if any(step.stage.needs == "engine" and not step.cached for step in planned):
            many = {"vllm": "engine in this process", "ray": "replicas on Ray"}.get(engine.kind, "servers")
            self._print(f"{engine.engines:,} {many} of {engine.max_num_seqs:,} seats: {engine.slots:,} calls at once")

    def forecast(self, forecasts: Sequence[Forecast]) -> None:
        """What the whole would take, with ranges of 95 %."""
        table = Table(title="Forecast of the whole, from the pilot", title_justify="left")
        table.caption = "at the pilot's speed; fuller batches are faster, and more rows have more duplicates"
        replayed = [step.stage for step in forecasts if step.hours is None]
        for name in ("stage", "rows in", "calls", "tokens in", "tokens out", "kept", "time", "GPU time"):
            table.add_column(name, justify="left" if name == "stage" else "right")
        for step in forecasts:
            tokens = step.prompt_tokens, step.completion_tokens
            table.add_row(
                step.stage,
                *(_range(estimate, ",.0f") for estimate in (step.rows, step.calls, *tokens, step.kept)),
                _time(step.hours) if step.hours else "unknown",
                _time(step.gpu_hours) if step.gpu_hours else "-",
            )
        self._terminal.print(table)
        if replayed:
            self._print(
                f"time unknown for {', '.join(replayed)}: the journal had all calls of the pilot. To measure them, "
                "make these calls again, and keep nothing of it: the same command with --anew"
            )

    def scaled(self, scales: Sequence[Scaled]) -> None:
        """What the engine's stages would take on other numbers of GPUs."""
        for each in scales:
            units = each.unit if each.gpus == 1 else f"{each.unit}s"
            speed = f"{each.tokens_a_second:,.0f} tokens/s written"
            self._print(f"on {each.gpus:>2} {units}: {_time(each.hours)} for the model's stages alone, at {speed}")

    def outcomes(self, outcomes: Sequence[Outcome], arguments: Sequence[str], end: str) -> None:
        """The summary of the run of `python -m sca_hf.run` with these arguments. `end`: the recipe's last stage."""
        self._summary(outcomes)
        last = outcomes[-1]
        if last.stage.shows:
            self._samples(last.version, last.stage.shows)
        self._heading("Next")
        name, store = f"{last.version.dataset}/{last.version.fingerprint}", last.version.path.parents[1]
        commands = [load_command(last.version), *_rows(outcomes)]
        commands.append(command("report", name, "--store", str(store)))
        if last.stage.formats:  # shapes that trainers take
            commands.append(command("train", "--data", name, "--store", str(store)))
        if last.stage.name != end:
            commands.append(command("run", *_without_end(arguments), "--to", end))
        for each in commands:
            self._print(f"  {each}")

    def part(self, part: Part, outcome: PartOutcome) -> None:
        """What a part of a run did, and how to go on."""
        rows = outcome.stages[0][1].rows_in if outcome.stages else 0
        self._print(f"\npart {part.number} of {part.count}: {rows:,} of {outcome.all_rows:,} rows")
        for stage, counts in outcome.stages:
            self._print(f"  {stage.name:<13} {counts.rows_in:,} rows in, {counts.kept:,} of {counts.judged:,} kept")
        self._print(f"{outcome.made:,} calls made, {outcome.reused:,} were there; all are in {outcome.journal}")
        if outcome.left:
            names = ", ".join(stage.name for stage in outcome.left)
            self._print(f"left to the run without --part, which has the rows of all parts: {names}")
        self._heading("Next")
        merging = command("journal", "merge", str(outcome.journal), "--into", str(outcome.into))
        self._print(f"  {merging}  # with those of the other parts")

    def no_rows_left(self, outcomes: Sequence[Outcome]) -> None:
        """The summary of a run that ended because a stage kept no row, and how to go on."""
        self._summary(outcomes)
        most = _most_rejected(outcomes)
        if most is not None:
            outcome, reason = most
            count = outcome.version.counts.rejected[reason]
            self._heading("What rejected most")
            lines = (f"{outcome.stage.name}, {count:,} rows as {reason}", meaning(reason))
            for line in filter(None, (*lines, loosen(outcome.stage.name, reason))):
                self._print(f"  {line}")
        self._heading("Next")
        for each in _rows(outcomes):
            self._print(f"  {each}")

    def _summary(self, outcomes: Sequence[Outcome]) -> None:
        self._terminal.print(funnel(outcomes))
        lines = list(rejected(outcomes))
        if lines:
            self._heading("Rejected, by reason")
        for line in lines:
            self._print(line)
        for outcome in outcomes:
            warning = outcome.stage.warning(outcome.version.counts) if outcome.stage.warning else None
            if warning:
                self._terminal.print(f"[bold yellow]warning:[/bold yellow] {escape(warning)}", soft_wrap=True)
        self._heading("Versions")
        for outcome in outcomes:
            self._print(f"  {outcome.version.path}")
            if outcome.published:
                self._print(f"    on the Hub: {outcome.published}")

    def _heading(self, text: str) -> None:
        self._terminal.print(f"\n[bold]{text}[/bold]")

    def _print(self, line: str) -> None:
        """Print a line as it is: a terminal would break it, and take [brackets] for styles."""
        self._terminal.print(line, soft_wrap=True, markup=False)

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


def _without_end(arguments: Sequence[str]) -> list[str]:
    """Return the arguments without a `--to STAGE`."""
    pairs = zip(["", *arguments], arguments, strict=False)  # each with the one before it
    return [each for before, each in pairs if before != "--to" and each != "--to" and not each.startswith("--to=")]


def _rows(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """The command that shows the rows which were rejected most often, if any were."""
    most = _most_rejected(outcomes)
    if most is not None:
        outcome, reason = most
        version = outcome.version
        name = f"{version.dataset}/{version.fingerprint}"
        yield rows_command(name, reason, version.path.parents[1], prompt=outcome.stage.needs == "engine")


def _most_rejected(outcomes: Sequence[Outcome]) -> tuple[Outcome, str] | None:
    """The reason for which most rows were rejected, and its stage; in the last stage, if that kept none."""
    last = outcomes[-1]
    counted = [
        (count, number, reason)
        for number, outcome in enumerate(outcomes)
        if last.version.counts.kept or outcome is last
        for reason, count in outcome.version.counts.rejected.items()
    ]
    if not counted:
        return None
    _, number, reason = max(counted)
    return outcomes[number], reason


def _range(estimate: Estimate, form: str) -> str:
    if not estimate.high:
        return "-"
    if estimate.low == estimate.high:
        return f"{estimate.middle:{form}}"
    return f"{estimate.middle:{form}} ({estimate.low:{form}} to {estimate.high:{form}})"


def _time(hours: Estimate) -> str:
    """Hours, minutes or seconds: the largest of which there is at least one."""
    unit, factor = next(each for each in _UNITS if hours.middle * each[1] >= 1 or each is _UNITS[-1])
    return f"{_range(hours.times(factor), '.3g')} {unit}" if hours.high else "-"


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
