"""Print what the rules of selection make of attempts of real models that were looked at, one by one.

    .venv/bin/python scripts/rule_precision.py [FILE]

FILE has lines of JSON with `instruction`, `response`, `tests` and the label `right`: whether the answer does what the
task asks for (default: tests/data/real_rows.jsonl). Each attempt runs again, so the verdicts are today's. Of each rule:

- precision: the share of the attempts that it rejects that are wrong,
- recall: the share of the wrong attempts among the passing ones that it rejects,
- cost: the right ones that it rejects.
"""

import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset
from rich.console import Console
from rich.table import Table

from sca_hf import Context, Jails
from sca_hf.filters.asked_names import other_names
from sca_hf.filters.copies import ExemplarCopies, written_parts
from sca_hf.identity import row_id
from sca_hf.pipeline.journal import Journal, JournaledJails
from sca_hf.prompts.few_shot import load_few_shot
from sca_hf.stages import cross, execute, mutants
from sca_hf.stages.few_shot import WritingSettings

ROWS = Path(__file__).parent.parent / "tests" / "data" / "real_rows.jsonl"

Row = Mapping[str, Any]


def main(path: Path) -> None:
    """Print the tables."""
    rows = tried([json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()])
    passing = [row for row in rows if row["status"] == "passed"]
    failed = [row for row in rows if row["status"] != "passed"]
    console = Console(width=100)
    console.print(
        f"{len(rows)} attempts: {len(passing)} pass, {share(passing)} of them right; "
        f"{len(failed)} don't, {share(failed)} of them right"
    )
    rules = rejections(passing)
    table = Table("rule", "rejects", "precision", "recall", "cost")
    wrong = {row["id"] for row in passing if not row["right"]}
    for name, rejected in {**rules, "all of them": set().union(*rules.values())}.items():
        hits = len(rejected & wrong)
        table.add_row(
            name, str(len(rejected)), part(hits, len(rejected)), part(hits, len(wrong)), str(len(rejected) - hits)
        )
    console.print(table)


def tried(rows: Sequence[Row]) -> list[Row]:
    """Return the rows with ids, their verdicts, and of those that pass what became of their mutants and what the other
    rows' tests say of them."""
    named = [{**row, "id": row_id("labelled", number)} for number, row in enumerate(rows)]
    columns = ["id", "instruction_id", "response", "tests"]
    with tempfile.TemporaryDirectory() as scratch:
        journal = Journal(Path(scratch) / "journal.sqlite")
        executed = run(execute, Dataset.from_list(named).select_columns(columns), journal)
        attempts = executed.remove_columns(["id"]).rename_column("response_id", "id")
        measured = run(mutants, attempts.select_columns([*columns, "status"]), journal).remove_columns(
            ["reject_reason"]
        )
        examined = run(cross, measured, journal)
        found = {row["id"]: row for row in examined.to_list()}
        journal.close()
    return [{**row, **found[row["id"]]} for row in named]


def run(stage: Any, rows: Dataset, journal: Journal) -> Dataset:
    """Run a stage with jails of its own, by its default settings."""
    settings = stage.STAGE.settings()
    pool: Jails = stage.jails(settings, 2)
    jails = JournaledJails(pool, journal)
    try:
        judged: Dataset = stage.STAGE.run(rows, settings, Context(jails=jails))
    finally:
        jails.close()
    return judged


def rejections(passing: Sequence[Row]) -> dict[str, set[str]]:
    """Return the ids of the passing attempts that each rule rejects."""
    exemplars = load_few_shot("default").exemplars
    max_copied = WritingSettings().max_copied
    assert max_copied is not None
    copies = ExemplarCopies(written_parts(exemplars), max_copied)
    deck = range(len(exemplars))  # the recorded prompts showed some of these
    return {
        "other-names": {row["id"] for row in passing if other_names(row["instruction"], row["response"], row["tests"])},
        "vacuous-tests": {row["id"] for row in passing if row["mutants"] and not row["mutants_killed"]},
        "most other suites contradict it": {
            row["id"] for row in passing if row["agreement"] is not None and row["agreement"] < 0.5
        },
        "copied-exemplar": {
            row["id"]
            for row in passing
            if any(copies.find(name, row[name], deck) is not None for name in ("instruction", "response", "tests"))
        },
    }


def share(rows: Sequence[Row]) -> str:
    """Return "3 of 40": how many are right."""
    return part(sum(row["right"] for row in rows), len(rows))


def part(some: int, total: int) -> str:
    """Return "3 of 40"."""
    return f"{some} of {total}"


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROWS)
