"""What a run prints: the plan, a line and a bar a stage, the funnel, where things are, and what to try next."""

import textwrap
from collections.abc import Sequence

from rich.markup import escape

from sca_hf.console.advice import loosen
from sca_hf.console.commands import command, load_command, rows_command
from sca_hf.console.forecast import forecast_table, plan_table, scaled_line
from sca_hf.console.funnel import answers, funnel, rejected
from sca_hf.console.terminal import terminal
from sca_hf.engines.settings import EngineSettings
from sca_hf.pipeline.forecast import Forecast, Scaled
from sca_hf.pipeline.outcome import Loss, Outcome, most_rejected, rows_lost
from sca_hf.pipeline.part import Part, PartOutcome
from sca_hf.pipeline.plan import Planned
from sca_hf.reporting.reasons import meaning
from sca_hf.stage import Stage
from sca_hf.store import Version
from sca_hf.wording import counted, first_lines

SAMPLE_ROWS = 3
SAMPLE_LINES = 24

_LINE_CHARACTERS = 400


class Console:
    """Prints to the standard output."""

    def __init__(self) -> None:
        self._terminal = terminal()
        self._follows_cached = False

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
        self._terminal.print(plan_table(planned))
        if any(step.stage.needs == "engine" and not step.cached for step in planned):
            engines = {
                "vllm": "an engine in this process",
                "ray": f"{counted(engine.engines, 'replica')} on Ray",
            }.get(engine.kind, counted(engine.engines, "server"))
            seats = counted(engine.max_num_seqs, "seat")
            self._print(f"{engines} of {seats}: {counted(engine.slots, 'call')} at once")

    def forecast(self, forecasts: Sequence[Forecast], scales: Sequence[Scaled]) -> None:
        """What the whole would take, with ranges of 95 %, and what it would on other numbers of GPUs."""
        self._terminal.print(forecast_table(forecasts))
        replayed = [step.stage for step in forecasts if step.hours is None]
        if replayed:
            self._print(
                f"time unknown for {', '.join(replayed)}: the journal had all calls of the pilot. To measure them, "
                "make these calls again, and keep nothing of it: the same command with --anew"
            )
        for each in scales:
            self._print(scaled_line(each))

    def outcomes(self, outcomes: Sequence[Outcome], arguments: Sequence[str], end: str) -> None:
        """The summary of the run of `python -m sca_hf.run` with these arguments. `end`: the recipe's last stage."""
        self._summary(outcomes)
        last = outcomes[-1]
        if last.stage.shows:
            self._samples(last.version, last.stage.shows)
        self._heading("Next")
        name, store = f"{last.version.dataset}/{last.version.fingerprint}", last.version.path.parents[1]
        most = most_rejected(outcomes)
        commands = [load_command(last.version), *([_rows_of(most)] if most else [])]
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
        self._print(f"\npart {part.number} of {part.count}: {rows:,} of {counted(outcome.all_rows, 'row')}")
        for stage, counts in outcome.stages:
            self._print(
                f"  {stage.name:<13} {counted(counts.rows_in, 'row')} in, {counts.kept:,} of {counts.judged:,} kept"
            )
        for name, came in (("call", outcome.calls), ("program", outcome.programs)):
            if came.made + came.reused:
                self._print(f"{counted(came.made, name)} made, {came.reused:,} replayed")
        self._print(f"all of them are in {outcome.journal}")
        if outcome.left:
            names = ", ".join(stage.name for stage in outcome.left)
            self._print(f"left to the run without --part, which has the rows of all parts: {names}")
        self._heading("Next")
        merging = command("journal", "merge", str(outcome.journal), "--into", str(outcome.into))
        self._print(f"  {merging}  # with those of the other parts")

    def no_rows_left(self, outcomes: Sequence[Outcome]) -> None:
        """The summary of a run that ended because a stage kept no row, and how to go on."""
        self._summary(outcomes)
        losses = rows_lost(outcomes)
        if losses:
            self._heading("What rejected most")
        for loss in losses:
            stage = loss.outcome.stage.name
            judged = counted(loss.outcome.version.counts.judged, "row")
            lines = (f"{stage}, {loss.rows:,} of {judged} as {loss.reason}", meaning(loss.reason))
            for line in filter(None, (*lines, loosen(stage, loss.reason))):
                self._print(f"  {line}")
        self._heading("Next")
        for loss in losses:
            self._print(f"  {_rows_of(loss)}")

    def _summary(self, outcomes: Sequence[Outcome]) -> None:
        self._terminal.print(funnel(outcomes))
        if (asked := answers(outcomes)) is not None:
            self._terminal.print()
            self._terminal.print(asked)
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
        self._heading(f"{min(SAMPLE_ROWS, len(rows))} of {counted(len(rows), 'row')}")
        for index in range(0, len(rows), step)[:SAMPLE_ROWS]:
            row = rows[index]
            origin = [str(row[name]) for name in ("path", "name") if row.get(name)]
            self._print(" · ".join(filter(None, [row["id"], ": ".join(origin)])))
            for name in columns:
                if row.get(name):
                    self._terminal.print(f"  [dim]{name}[/dim]")
                    self._print(textwrap.indent(_shortened(str(row[name])), "    "))


def _without_end(arguments: Sequence[str]) -> list[str]:
    """Return the arguments without a `--to STAGE`."""
    pairs = zip(["", *arguments], arguments, strict=False)  # each with the one before it
    return [each for before, each in pairs if before != "--to" and each != "--to" and not each.startswith("--to=")]


def _rows_of(loss: Loss) -> str:
    """The command that shows rows which were rejected for a reason."""
    version, stage = loss.outcome.version, loss.outcome.stage
    name = f"{version.dataset}/{version.fingerprint}"
    return rows_command(name, loss.reason, version.path.parents[1], prompt=stage.needs == "engine")


def _shortened(text: str) -> str:
    """The first lines of a text, none of them without end."""
    lines = first_lines(text.strip(), SAMPLE_LINES).splitlines()
    most = _LINE_CHARACTERS
    return "\n".join(line if len(line) <= most else textwrap.shorten(line, most) for line in lines)
