"""Held-out tasks: functions of withheld families, as a benchmark in MBPP's layout.

Their texts, names, numbers and inputs come from a stream of their own, and no function of theirs has a name that is in
the rows to train on.
"""

import json
import random
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from demo_model.function_tasks import FunctionTask, draw_function
from demo_model.sources import draw_literal
from demo_model.task import DIFFICULTIES
from self_alignment.families import family_of, is_withheld

_INPUTS = 5


def write_held_out(folder: Path, count: int, taken: Collection[str]) -> None:
    """Write `mbpp.jsonl` into `folder`, for the benchmark mbpp-all. `taken`: names of functions in rows to train on."""
    folder.mkdir(parents=True, exist_ok=True)
    names, rows = set(taken), list[dict[str, Any]]()
    tasks = _withheld_tasks()
    while len(rows) < count:
        drawn, rng = next(tasks)
        if drawn.name not in names:
            names.add(drawn.name)
            rows.append(_row(len(rows), drawn, rng))
    (folder / "mbpp.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _withheld_tasks() -> Iterator[tuple[FunctionTask, random.Random]]:
    place = 0
    while True:
        rng = random.Random(f"held-out/{place}")
        drawn = draw_function(rng, DIFFICULTIES[place % len(DIFFICULTIES)])
        family = family_of(drawn.task.instruction)
        if family is not None and is_withheld(family):
            yield drawn, rng
        place += 1


def _row(number: int, drawn: FunctionTask, rng: random.Random) -> dict[str, Any]:
    """In MBPP's layout: assertions of literal values, which the task's own solution returns."""
    source, pipeline = drawn.pipeline.source, drawn.pipeline
    inputs = [draw_literal(rng, source, pipeline.numbers(), pipeline.letters()) for _ in range(_INPUTS)]
    if source.empty and not drawn.guard:
        inputs.append(source.empty)
    calls = [f"{drawn.name}({text}{drawn.extra})" for text in inputs]
    namespace: dict[str, Any] = {}
    exec(drawn.task.code, namespace)  # the generator's own code: no model wrote it
    return {
        "task_id": number,
        "text": drawn.task.instruction,
        "code": drawn.task.code,
        "test_list": [f"assert {call} == {eval(call, namespace)!r}" for call in calls],
        "test_setup_code": "",
    }
