"""What came of the stages of a run, and of a run that has no row left."""

from collections.abc import Sequence
from dataclasses import dataclass

from sca_hf.errors import InputError
from sca_hf.stage import Stage
from sca_hf.store import Version
from sca_hf.wording import counted

NEARLY_ALL = 0.9
"""The share of a stage's rows from which on a reason to reject them is taken for a mistake in the recipe."""


@dataclass(frozen=True)
class Outcome:
    """One stage of a run: its version, whether it was there already, and where it is on the Hub ("repo@tag")."""

    stage: Stage
    version: Version
    cached: bool
    published: str | None = None


@dataclass(frozen=True)
class Loss:
    """The `rows` of a stage that were rejected for one reason."""

    outcome: Outcome
    reason: str
    rows: int

    def __str__(self) -> str:
        return f"stage {self.outcome.stage.name!r} rejected {counted(self.rows, 'row')} as {self.reason}"


def most_rejected(outcomes: Sequence[Outcome]) -> Loss | None:
    """Return the reason for which most rows of a run were rejected; None if none was."""
    return max(_losses(outcomes), key=lambda loss: loss.rows, default=None)


def rows_lost(outcomes: Sequence[Outcome]) -> list[Loss]:
    """Return why a run has no row left: what rejected most rows, and what rejected most in its last stage.

    A source has as many rows as it has, of which a stage that reads it takes some. So what that rejects counts only if
    it is nearly all.
    """
    last = outcomes[-1]
    enough = [
        loss
        for loss in _losses(outcomes)
        if loss.outcome.stage.origin is None or loss.rows >= NEARLY_ALL * loss.outcome.version.counts.judged
    ]
    most = max(enough, key=lambda loss: loss.rows, default=None)
    in_last = most_rejected([last])
    return [loss for loss in (most, in_last if in_last != most else None) if loss is not None]


def _losses(outcomes: Sequence[Outcome]) -> list[Loss]:
    return [
        Loss(outcome, reason, count)
        for outcome in outcomes
        for reason, count in outcome.version.counts.rejected.items()
    ]


class NoRowsLeft(InputError):
    """A stage kept no row, so that the next one has none to work on. `outcomes`: the run up to that stage.

    `reasons`: which stage that was, and for what it rejected them.
    """

    def __init__(self, outcomes: Sequence[Outcome]) -> None:
        last = outcomes[-1]
        counts = ", ".join(f"{reason}: {count:,}" for reason, count in last.version.counts.rejected.items())
        self.reasons = f"no row left after stage {last.stage.name!r} ({counts or 'it got none'})"
        lost = rows_lost(outcomes)
        earlier = f"; before it {lost[0]}" if len(lost) > 1 else ""
        look = lost[0].outcome if lost else last
        fix = f"loosen the settings of {look.stage.name!r}, or look at the rejected rows in {look.version.path}"
        super().__init__(f"{self.reasons}{earlier}; {fix}")
        self.outcomes = outcomes
