"""What came of a run's rows, stage by stage, in 80 columns."""

import textwrap
from collections.abc import Iterator, Sequence

from rich.console import Group

from sca_hf.console.terminal import WIDTH, plain_table, with_note
from sca_hf.pipeline.outcome import Outcome
from sca_hf.pipeline.resources import Answers
from sca_hf.stages.first_samples import NOT_RUN
from sca_hf.store import Version

_STATUS = "status"
_ANSWERS = ("calls", "programs")


def funnel(outcomes: Sequence[Outcome]) -> Group:
    """Return the table of a run: rows, the share of programs that passed, and what it took.

    `seconds` are those without loading the model; `tokens/s` are those that it wrote in these seconds, without what
    the journal replayed.
    """
    table = plain_table("Funnel", ("stage",), ("rows in", "judged", "kept", "passed", "seconds", "tokens/s"))
    for outcome in outcomes:
        counts = outcome.version.counts
        table.add_row(
            outcome.stage.name,
            f"{counts.rows_in:,}",
            f"{counts.judged:,}",
            f"[green]{counts.kept:,}[/green]",
            _passed(outcome),
            *(("cached", "-") if outcome.cached else _speed(outcome.version)),
        )
    return with_note(table, "kept + rejected = judged; seconds without loading the model")


def answers(outcomes: Sequence[Outcome]) -> Group | None:
    """Return the table of what a run's stages asked the model and the jails; None if they asked nothing."""
    asked = {
        (outcome.stage.name, kind): Answers(**outcome.version.timings.get(kind, {}))
        for outcome in outcomes
        if not outcome.cached
        for kind in _ANSWERS
    }
    asked = {key: each for key, each in asked.items() if each.made + each.reused}
    kinds = [kind for kind in _ANSWERS if any(key[1] == kind for key in asked)]
    names = [f"{kind} {came}" for kind in kinds for came in ("made", "replayed")]
    table = plain_table(None, ("stage",), names)
    for stage in dict.fromkeys(stage for stage, _ in asked):
        each = [asked.get((stage, kind), Answers()) for kind in kinds]
        counts = [count for one in each for count in (one.made, one.reused)]
        table.add_row(stage, *(f"{count:,}" if count else "-" for count in counts))
    return with_note(table, "calls of the model, programs in jails; replayed: found in the journal") if asked else None


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
                initial_indent=f"  {outcome.stage.name:<12} ",
                subsequent_indent=indent,
                break_on_hyphens=False,
                break_long_words=False,
            )
            yield from (line.replace("\xa0", " ") for line in lines)


def _passed(outcome: Outcome) -> str:
    """The share of the rows that a stage executed that passed: of neither unreadable ones nor those it gave up."""
    if not outcome.version.counts.kept or all(column.name != _STATUS for column in outcome.stage.adds):
        return "-"
    statuses = outcome.version.load().with_format("arrow")[_STATUS][:].to_pylist()
    executed = len(statuses) - statuses.count(NOT_RUN)
    return f"{statuses.count('passed') / executed:.0%}" if executed else "-"


def _speed(version: Version) -> tuple[str, str]:
    """Seconds, and tokens a second, of a stage that was run."""
    timings = version.timings
    seconds = max(timings["seconds"] - timings.get("starting", 0.0), 0.0)
    written = timings.get("written", 0)
    return f"{seconds:,.1f}", f"{written / seconds:,.0f}" if written and seconds else "-"
