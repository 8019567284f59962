"""Rows to open on the page: rejected ones by reason, and kept ones with their code, tests and verdict."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from sca_hf.identity import digest
from sca_hf.reporting.calls import Call, Calls
from sca_hf.reporting.code import code, inline, plain, prose
from sca_hf.reporting.reasons import meaning
from sca_hf.reporting.runs import Row, Run, Step
from sca_hf.stage import REJECT_REASON
from sca_hf.stages.pass_rules import place_of
from sca_hf.wording import counted

ROWS = 50
_EXAMPLES = 6
_TITLE_CHARACTERS = 140
# Columns that are shown as facts of a row, where it has them.
_FACTS: Mapping[str, str] = {
    "category": "category",
    "difficulty": "difficulty",
    "sample": "sample",
    "assertions": "assertions",
    "mutation_score": "mutation score",
    "mutants": "mutants",
    "mutants_killed": "killed",
    "coverage": "coverage",
    "suites": "other suites",
    "agreement": "of them passed",
    "cpu_seconds": "CPU time",
    "memory_mb": "memory",
    "license": "license",
    "path": "file",
    "benchmark_row": "benchmark text",
}


@dataclass(frozen=True)
class Panel:
    """One part of an entry. `folded`: to be opened by the reader."""

    title: str
    body: Markup
    folded: bool = False


@dataclass(frozen=True)
class Entry:
    """A row to open. `verdict`: in a word, what became of it; `passed`: whether that is good."""

    id: str
    title: Markup
    verdict: str
    passed: bool
    facts: Sequence[tuple[str, str]]
    concepts: Sequence[str]
    panels: Sequence[Panel]


@dataclass(frozen=True)
class Reason:
    """Why rows of a stage were rejected, how many, and some of them."""

    stage: str
    name: str
    rows: int
    judged: int
    meaning: str
    entries: Sequence[Entry]


def rejected(run: Run, calls: Calls) -> list[Reason]:
    """All reasons of a run, stage by stage, the most frequent first, each with a few of its rows."""
    reasons: list[Reason] = []
    for counts in run.funnel:
        step = run.step(counts["stage"])
        examples: dict[str, list[Row]] = {}
        for row in step.every("rejected") if step else ():
            examples.setdefault(row[REJECT_REASON], []).append(row)
        for name, count in sorted(counts["rejected"].items(), key=lambda pair: (-pair[1], pair[0])):
            rows = _spaced(examples.get(name, []), _EXAMPLES)
            entries = _rejected_entries(run, step, rows, calls) if step else []
            reasons.append(Reason(counts["stage"], name, count, counts["judged"], meaning(name), entries))
    return reasons


def kept(run: Run, calls: Calls, count: int = ROWS) -> list[Entry]:
    """Some rows of the run's last version, chosen by the hash of their ids, in the order of the version."""
    ids = [row_id for batch in run.last.batches(["id"]) for row_id in batch["id"]]
    chosen = set(sorted(ids, key=lambda row_id: digest("report", row_id))[:count])
    rows = run.last.rows(chosen)
    joined = join(run, run.last, [rows[row_id] for row_id in ids if row_id in chosen])
    tally = _tally(run, joined)
    return [_entry(run, row, calls, tally) for row in joined]


def join(run: Run, step: Step, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows of a version with what earlier versions, and side files, say of them; a row's own values count."""
    joined = [dict(row) for row in rows]
    for earlier in run.steps:
        column = "id" if earlier is step else run.id_column(earlier.stage, joined[0]) if joined else None
        if column is None:
            continue
        ids = {row[column] for row in rows if row.get(column)}
        for folder in ("data", "measurements"):
            if earlier is step and folder == "data":
                continue
            found = earlier.rows(ids, folder)
            for row in joined:
                row.update({name: value for name, value in found.get(row[column], {}).items() if name not in row})
    return joined


def _rejected_entries(run: Run, step: Step, rows: Sequence[Row], calls: Calls) -> list[Entry]:
    joined = join(run, step, rows)
    return [_entry(run, row, calls, {}) for row in joined]


def _entry(run: Run, row: dict[str, Any], calls: Calls, tally: Mapping[str, tuple[int, int]]) -> Entry:
    reason = row.get(REJECT_REASON)
    status = row.get("status")
    verdict = row.get("exception") or reason or status or "kept"
    facts = [(label, _fact(name, row[name])) for name, label in _FACTS.items() if row.get(name) not in (None, "")]
    if row.get("exception"):
        place = _place(row)
        where = f" in line {place[1]} of the {place[0]}" if place else ""
        facts.insert(0, ("exception", f"{row['exception']}{where}"))
    if row.get("instruction_id") in tally:
        passed, executed = tally[row["instruction_id"]]
        facts.insert(0, ("passes", f"{passed} of {counted(row.get('samples_drawn') or executed, 'sample')}"))
    return Entry(
        id=row["id"],
        title=_title(row),
        verdict=verdict,
        passed=reason is None and status in {None, "passed"},
        facts=facts,
        concepts=row.get("concepts") or (),
        panels=_panels(run, row, calls),
    )


def _panels(run: Run, row: Row, calls: Calls) -> list[Panel]:
    """What there is to read, in the order in which it came to be."""
    executed = bool(row.get("status"))
    last = next((call for stage in _WRITERS if (call := calls.of(stage, row)) is not None), None)
    made = [call for call in (last, last and last.then) if call is not None and call.completion is not None]
    # Of a row that was rejected for what the model wrote, the completion itself tells why.
    told = not executed and row.get(REJECT_REASON) is not None and bool(made)
    panels = []
    if row.get("instruction") and not (told and last is not None and last.stage == "instructions"):
        panels.append(Panel("Instruction", prose(row["instruction"])))
    if told:
        panels += [_completion(call, folded=False) for call in made]
    else:
        panels += [Panel(name.capitalize(), prose(row[name])) for name in ("response", "tests") if row.get(name)]
    if (place := _place(row)) is not None and not told:
        name, number, _ = place
        panels.append(Panel(f"Where it ended: line {number} of the {name}", _around(row[name], number)))
    output = "\n".join(row[name].rstrip() for name in ("stdout", "stderr") if row.get(name))
    if output:
        panels.append(Panel("Output", plain(output)))
    if not told:
        panels += [_completion(call, folded=True) for call in made]
    if row.get("seed"):
        panels.append(Panel("Seed", code(row["seed"]), folded="instruction" in row))
    return panels


_ENDS = {
    "stop": "came to its end",
    "length": "was cut off at max_tokens",
    "repetition": "was ended because it repeats itself",
}
_WRITERS = ("responses", "instructions", "concepts", "judge")


def _place(row: Row) -> tuple[str, int, str] | None:
    """Where a row's program ended (see `place_of`), if it says so."""
    return place_of(row["response"], row["tests"], row["line"]) if row.get("line") else None


def _around(text: str, line: int) -> Markup:
    """A line of a text, from 1, between those next to it."""
    first = max(0, line - 3)
    shown = [
        Markup('<mark class="bad">%s</mark>') % each if number == line else escape(each)
        for number, each in enumerate(text.split("\n")[first : line + 2], start=first + 1)
    ]
    return Markup('<pre class="code" tabindex="0"><code>%s</code></pre>') % Markup("\n").join(shown)


def _completion(call: Call, folded: bool) -> Panel:
    assert call.completion is not None
    end = _ENDS[call.completion.finish_reason]
    tokens = counted(call.completion.completion_tokens, "token")
    note = f"{tokens} after a prompt of {call.completion.prompt_tokens:,}; {end}"
    return Panel(
        "Completion as it came", Markup('<p class="note">%s</p>') % note + _marked(call.completion.text), folded
    )


def _marked(text: str) -> Markup:
    """A completion as it is, with the labels of its parts made visible."""
    marked = str(plain(text)).replace(str(escape("\n[Tests]\n")), "\n<mark>[Tests]</mark>\n")
    return Markup(marked)


def _title(row: Row) -> Markup:
    text = row.get("instruction") or row.get("name") or row.get("path") or row["id"]
    first = " ".join(str(text).split())
    if len(first) > _TITLE_CHARACTERS:
        first = f"{first[: _TITLE_CHARACTERS - 1]}…"
    return inline(first + "`" * (first.count("`") % 2))


def _fact(name: str, value: Any) -> str:
    if name == "cpu_seconds":
        return f"{1000 * value:.3g} ms"
    if name == "memory_mb":
        return f"{value:.0f} MiB"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _tally(run: Run, rows: Sequence[Row]) -> dict[str, tuple[int, int]]:
    """Passes and executed samples of the rows' instructions."""
    step = run.first_with("status", "instruction_id")
    wanted = {row.get("instruction_id") for row in rows}
    executed: Counter[str] = Counter()
    passed: Counter[str] = Counter()
    for batch in step.batches(["instruction_id", "status"]) if step else ():
        for instruction, status in zip(batch["instruction_id"], batch["status"], strict=True):
            if instruction in wanted:
                executed[instruction] += 1
                passed[instruction] += status == "passed"
    return {instruction: (passed[instruction], count) for instruction, count in executed.items()}


def _spaced(rows: Sequence[Row], count: int) -> list[Row]:
    """Some rows, evenly spaced."""
    step = max(1, len(rows) / count)
    return [rows[int(number * step)] for number in range(min(count, len(rows)))]
