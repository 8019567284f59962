"""The life of one row: all that it was made from, all that came of it, and why it was kept or rejected.

A row that no version kept, nor its sample of rejected ones, is found too: its id follows from that of its parent, and
what the model wrote is in the journal.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from sca_hf.errors import InputError
from sca_hf.identity import row_id
from sca_hf.prompts.answers import Answer, parse_answer, parse_response, parse_tests
from sca_hf.reporting.calls import Call, Calls
from sca_hf.reporting.finding import Match
from sca_hf.reporting.reasons import Outcome, outcomes
from sca_hf.reporting.runs import Row, Run, Step, id_column
from sca_hf.stage import REJECT_REASON
from sca_hf.stages.few_shot import ended
from sca_hf.stages.responses import attempt_id

UNRECORDED = "not kept"
"""Stands for the reason of a row that is neither among a version's rows nor among the rejected ones that it keeps."""


@dataclass(frozen=True)
class Event:
    """What one stage made of a row. `reject_reason` is None if it was kept. `row`: its columns, side files included."""

    step: Step
    id: str
    row: Mapping[str, Any]
    reject_reason: str | None
    rules: Sequence[tuple[str, Outcome]]
    call: Call | None


@dataclass(frozen=True)
class Attempt:
    """One sample of an instruction with one of its suites, from the completion on.

    `traced`: it is the row that was asked for.
    """

    sample: int
    suite: int
    events: Sequence[Event]
    traced: bool


@dataclass(frozen=True)
class Life:
    """Events up to the task, then the attempts at it. `holders`: versions with one of these rows, and whether kept."""

    match: Match
    run: Run
    before: Sequence[Event]
    attempts: Sequence[Attempt]
    holders: Sequence[tuple[str, str, bool]] = field(default=())


def life(match: Match, calls: Calls, others: Iterable[Step]) -> Life:
    """The life of a row that was found. `others`: all versions in which its rows may lie besides."""
    run = match.run
    known = _known_ids(match)
    family: list[list[Event]] = []
    for step in run.steps:
        parents = [event for event in family[-1] if event.reject_reason is None] if family else []
        events = _events(run, step, parents, calls, known) if family else _first(step, calls, known, match.row)
        family.append(events)
    place = next((number for number, step in enumerate(run.steps) if step.stage == "responses"), None)
    if place is None:  # a run of ready-made answers, or one that ended before: each stage has one row
        place = next((number for number, step in enumerate(run.steps) if step.has("sample")), len(run.steps))
    before = [event for events in family[:place] for event in events]
    attempts = list(_attempts(family[place:], match.id))
    ids = {event.id for events in family for event in events}
    return Life(match, run, before, attempts, _holders(others, ids))


def _known_ids(match: Match) -> dict[str, str]:
    """Ids by stage, of the row and of what it was made from."""
    stages = [counts["stage"] for counts in match.run.funnel]
    columns = {stage: column for stage in stages if (column := match.run.id_column(stage, match.row)) is not None}
    return {stage: match.row[column] for stage, column in columns.items()} | {match.stage: match.id}


def _first(step: Step, calls: Calls, known: Mapping[str, str], row: Row) -> list[Event]:
    """The rows of the first version that is there: one, or all samples of a task whose own version is elsewhere."""
    column = id_column("instructions", step.id_columns()) if step.has("sample") else None
    wanted = row.get(column) if column is not None else known.get(step.stage)
    if wanted is None:
        raise InputError(f"the row's ids don't lead back to {step.name}, the first version of its run in this store")
    rows = [row for folder in ("data", "rejected") for row in step.where(column or "id", [wanted], folder)]
    return [_event(step, row, calls) for row in rows] or [_unrecorded(step, wanted, {}, calls)]


def _events(run: Run, step: Step, parents: Sequence[Event], calls: Calls, known: Mapping[str, str]) -> list[Event]:
    """What a stage made of rows. Before the attempts only the line of the traced row counts."""
    ids = {parent.id: parent for parent in parents}
    column = run.parent_column(step)
    rows = [row for folder in ("data", "rejected") for row in step.where(column, ids.keys(), folder)]
    if step.stage in known and not step.has("sample"):
        rows = [row for row in rows if row["id"] == known[step.stage]]
    events = [_event(step, row, calls) for row in rows]
    there = {event.id for event in events}
    for parent in parents:
        if step.stage == "responses":
            events += [event for event in _unkept_samples(step, parent, calls) if event.id not in there]
        elif not any(row[column] == parent.id for row in rows):
            made = parent.id if column == "id" else row_id(parent.id, step.stage)
            events.append(_unrecorded(step, made, parent.row, calls))
    return sorted(events, key=_place)


def _place(event: Event) -> tuple[int, int, int, str]:
    sample, suite, repair = (event.row.get(name) or 0 for name in ("sample", "suite", "repair"))
    return sample, suite, repair, event.id


def _event(step: Step, row: Row, calls: Calls) -> Event:
    measured = step.rows([row["id"]], "measurements").get(row["id"], {})
    reason = row.get(REJECT_REASON)
    return Event(
        step,
        row["id"],
        {**measured, **row},
        reason,
        outcomes(step.counts["rejected"], reason),
        calls.of(step.stage, _as_sent(step, row)),
    )


def _as_sent(step: Step, row: Row) -> Row:
    """The row with the id of the seed where it is a seed's own, as stage judge has it."""
    return row if "seed_id" in row or step.stage != "judge" else {**row, "seed_id": row["id"]}


def _unrecorded(step: Step, event_id: str, parent: Row, calls: Calls) -> Event:
    """A row that was rejected and is not among those that the version keeps: why, as far as it can be told."""
    measured = step.rows([event_id], "measurements").get(event_id, {})
    status = parent.get("status")
    reason = measured.get(REJECT_REASON) or UNRECORDED
    if reason == UNRECORDED and status not in {None, "passed"} and f"execution-{status}" in step.counts["rejected"]:
        reason = f"execution-{status}"
    rules = outcomes(step.counts["rejected"], reason) if reason != UNRECORDED else []
    return Event(step, event_id, measured, reason, rules, calls.of(step.stage, parent))


def _unkept_samples(step: Step, task: Event, calls: Calls) -> Iterator[Event]:
    """Samples of a task that were rejected, as the journal has them."""
    settings = step.lineage.recipe.get(step.stage, {})
    for sample, suite in product(range(settings.get("samples", 0)), range(settings.get("suites", 1))):
        row = {**task.row, "instruction_id": task.id, "sample": sample, "suite": suite}
        call = calls.of(step.stage, row)
        if call is None or call.completion is None or call.sampling is None:
            continue  # with `until` it was perhaps never drawn
        text = call.completion.text
        finish_reason = ended(text, call.completion.finish_reason, call.sampling)
        answer = _answer(text, finish_reason, call, settings)
        if answer.reject_reason is not None and (answer.tests or not suite):  # a response that is none has one row
            made = row | {"response": answer.response, "tests": answer.tests}
            rules = outcomes(step.counts["rejected"], answer.reject_reason)
            yield Event(step, attempt_id(task.id, sample, suite), made, answer.reject_reason, rules, call)


def _answer(text: str, finish_reason: str, call: Call, settings: Mapping[str, Any]) -> Answer:
    """The answer in a sample's completions, but for the rule on copies, which takes exemplars."""
    infer_tests, cut_tests = settings.get("infer_tests", False), settings.get("cut_tests", False)
    if settings.get("parts", "together") == "together":
        return parse_answer(text, finish_reason, infer_tests=infer_tests, cut_tests=cut_tests)
    response, reason = parse_response(text, finish_reason, infer_tests=infer_tests)
    then = call.then
    if reason is not None or then is None or then.completion is None or then.sampling is None:
        return Answer(response, "", False, reason)
    text = then.completion.text
    finish_reason = ended(text, then.completion.finish_reason, then.sampling)
    tests, is_cut, reason = parse_tests(text, finish_reason, cut_tests=cut_tests)
    return Answer(response, tests, False, reason, is_cut)


def _attempts(family: Sequence[Sequence[Event]], traced: str) -> Iterator[Attempt]:
    """The events of each attempt: the children of a response, stage by stage."""
    if not family:
        return
    for first in family[0]:
        place = first.row.get("sample") or 0, first.row.get("suite") or 0
        for events in _lines([first], family[1:]):
            yield Attempt(*place, events, any(event.id == traced for event in events))


def _lines(events: list[Event], later: Sequence[Sequence[Event]]) -> Iterator[list[Event]]:
    """Yield the events of a response to their end, a line for each of its repairs."""
    children = [event for event in later[0] if _is_child(event, events[-1])] if later else []
    if not children:
        yield events
    for child in children:
        yield from _lines([*events, child], later[1:])


def _is_child(event: Event, parent: Event) -> bool:
    column = event.step.lineage.parent_id or id_column(parent.step.stage, event.row)
    if column is not None and column in event.row:
        return bool(event.row[column] == parent.id)
    # A row that was rejected and not kept has no columns: its id alone leads back.
    return event.id in {row_id(parent.id, event.step.stage), parent.id}


def _holders(steps: Iterable[Step], ids: set[str]) -> list[tuple[str, str, bool]]:
    """Versions that have one of the rows: name, id, and whether they kept it."""
    return [
        (step.name, row["id"], folder == "data")
        for step in steps
        for folder in ("data", "rejected")
        for row in step.where("id", ids, folder)
    ]
