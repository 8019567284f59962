"""Which of the model's attempts it is tuned on: the choices of the paper's ablation, from one run of the pipeline.

Every choice takes at most one attempt at an instruction (`all` excepted) and makes conversations with the product's own
stage, so that the sets differ in nothing but the choice.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset
from self_alignment.families import family_of, is_withheld

from sca_hf.identity import row_random
from sca_hf.stages.context import Context
from sca_hf.stages.select import defined_names
from sca_hf.stages.sft import SftSettings, sft
from sca_hf.store import Store

EQUAL = ("passes only", "random", "failures only")
"""Those that are compared at equal size."""

Row = dict[str, Any]
_COLUMNS = ["id", "instruction", "response", "tests"]
_FAILED = ("failed", "syntax-error")


def choices(store: Store, run: str, seed: int, held_out: bool = True) -> dict[str, list[Row]]:
    """Return the rows of each choice, shuffled; with `held_out` without those of withheld families.

    `passes only` are what the run of recipe `run` selected. `random` is drawn from all attempts at an instruction,
    `failures only` from those that a wrong value, an exception or their syntax ended.
    """

    def rows_of(stage: str) -> list[Row]:
        return [row for row in _latest(store, f"{run}-{stage}") if not held_out or is_open(row["instruction"])]

    attempts = rows_of("execute")
    by_instruction = defaultdict(list)
    for row in attempts:
        by_instruction["".join(row["instruction"].split())].append(row)
    failures = [[row for row in rows if row["status"] in _FAILED] for rows in by_instruction.values()]
    found: dict[str, list[Row]] = {
        "passes only": rows_of("select"),
        "random": [_drawn(rows, seed) for rows in by_instruction.values()],
        "failures only": [_drawn(rows, seed) for rows in failures if rows],
        "all": attempts,
    }
    for choice, rows in found.items():
        row_random(seed, "order", choice).shuffle(rows)
    return found


def is_open(instruction: str) -> bool:
    """Whether a row may be trained on: its family is known, and not withheld."""
    family = family_of(instruction)
    return family is not None and not is_withheld(family)


def write_conversations(rows: Sequence[Row], seed: int, file: Path) -> None:
    """Write rows as the SFT stage makes them, for `python -m sca_hf.train --data FILE`."""
    made = sft(
        Dataset.from_list([{name: row[name] for name in _COLUMNS} for row in rows]), SftSettings(), Context(seed)
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps({"messages": row["messages"]}) + "\n" for row in made), encoding="utf-8")


def names_of(rows: Sequence[Row]) -> set[str]:
    """Return the functions and classes that responses define."""
    return {name for row in rows for name in defined_names(row["response"])}


def _latest(store: Store, name: str) -> list[Row]:
    version = store.latest(name)
    assert version is not None, f"{store.root} has no version of {name}"
    return list(version.load())


def _drawn(rows: list[Row], seed: int) -> Row:
    return row_random(seed, "choice of a response", rows[0]["instruction_id"]).choice(rows)
