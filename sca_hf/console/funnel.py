"""What came of a run's rows, stage by stage, in 80 columns."""

import textwrap
from collections.abc import Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from sca_hf.pipeline.pipeline import Outcome
from sca_hf.stages.first_samples import NOT_RUN
from sca_hf.store import Version

WIDTH = 80

_STATUS = "status"
_COLUMNS = ("rows in", "judged", "kept", "passed", "seconds", "tokens/s", "calls", "replayed")


def funnel(outcomes: Sequence[Outcome]) -> Table:
    """Return the table of a run: rows, the share of programs that passed, and what it took.

    `seconds` are those without loading the model; `tokens/s` are those that it wrote in these seconds, without what
    the journal replayed; `calls` of the engine and of jails were made, or `replayed`.
    """
    table = Table(title="Funnel", title_justify="left", box=SIMPLE_HEAD, padding=0, show_edge=False)
    table.caption = "kept + rejected = judged; seconds without loading the model"
    table.add_column("stage")
    for name in _COLUMNS:
        table.add_column(name, justify="right")
    for outcome in outcomes:
        counts = outcome.version.counts
        table.add_row(
            outcome.stage.name,
            f"{counts.rows_in:,}",
            f"{counts.judged:,}",
            f"[green]{counts.kept:,}[/green]",
            _passed(outcome),
            *(("cached", "-", "-", "-") if outcome.cached else _speed(outcome.version)),
        )
    return table


def rejected(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Yield lines of at most WIDTH columns: how many rows each stage rejected, by reason, most first."""
    indent = " " * 15
    for outcome in outcomes:
        by_count = sorted(outcome.version.counts.rejected.items(), key=lambda pair: -pair[1])
        if by_count:
            text = ", ".join(f"{reason}\xa0{count:,}" for reason, count in by_count)  # a count stays by its reason
            lines = textwrap.wrap(
                text,
                WIDTH,
                initial_indent=f"  {outcome.stage.name:<13}",
                subsequent_indent=indent,
                break_on_hyphens=False,
            )
            yield from (line.replace("\xa0", " ") for line in lines)


def _passed(outcome: Outcome) -> str:
    """The share of the rows that a stage executed that passed: of neither unreadable ones nor those it gave up."""
    if not outcome.version.counts.kept or all(column.name != _STATUS for column in outcome.stage.adds):
        return "-"
    statuses = outcome.version.load().with_format("arrow")[_STATUS][:].to_pylist()
    executed = len(statuses) - statuses.count(NOT_RUN)
    return f"{statuses.count('passed') / executed:.0%}" if executed else "-"


def _speed(version: Version) -> tuple[str, str, str, str]:
    """Seconds, tokens a second, calls made and calls replayed of a stage that was run."""
    timings = version.timings
    seconds = max(timings["seconds"] - timings.get("starting", 0.0), 0.0)
    written = timings.get("written", 0)
    return (
        f"{seconds:,.1f}",
        f"{written / seconds:,.0f}" if written and seconds else "-",
        f"{timings['made']:,}" if timings.get("made") else "-",
        f"{timings['reused']:,}" if timings.get("reused") else "-",
    )
