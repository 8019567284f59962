"""Some rows of a version, kept or rejected for a reason, each with the call of a model that it came from."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from sca_hf.errors import InputError
from sca_hf.reporting.calls import Call, Calls
from sca_hf.reporting.runs import Row, Run, Step

REJECT_REASON = "reject_reason"


@dataclass(frozen=True)
class Sample:
    """A row, its reason if it was rejected, and the last call that led to it, if a model was called."""

    row: Row
    reason: str | None
    call: Call | None


def samples(run: Run, calls: Calls, reason: str | None, count: int) -> Iterator[Sample]:
    """The first `count` rows of the version that a run led to, as far as it keeps them: kept rows, or those rejected
    for a `reason`. Raises InputError that names the reasons if none was rejected for it."""
    step = run.last
    reasons = step.lineage.counts.rejected
    if reason is not None and reason not in reasons:
        listed = ", ".join(f"{name} ({rows:,})" for name, rows in reasons.items()) or "none at all"
        raise InputError(f"{step.name} rejected no row as {reason!r}; its reasons are {listed}")
    rows = step.where(REJECT_REASON, [reason], "rejected") if reason is not None else list(kept_rows(step, count))
    for row in islice(rows, count):
        yield Sample(row, reason, _call(run, calls, row))


def kept_rows(step: Step, count: int) -> Iterator[Row]:
    """The first `count` rows of a version."""
    batches = step.batches(step.version.load().column_names)
    rows = (dict(zip(batch, values, strict=True)) for batch in batches for values in zip(*batch.values(), strict=True))
    return islice(rows, count)


def _call(run: Run, calls: Calls, row: Row) -> Call | None:
    """The call of the last stage of the run that can have made it."""
    made = (calls.of(step.stage, row) for step in reversed(run.steps))
    return next((call for call in made if call is not None), None)
