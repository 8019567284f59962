"""Without a barrier and with one, and two kinds of work at once, on engines that are models."""

import asyncio
import json
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from datasets import Dataset
from generation.models import Steps, Waiting

from sca_hf.engines import Sampling
from sca_hf.identity import row_seed
from sca_hf.prompts.few_shot import load_few_shot
from sca_hf.recipe import Recipe, load_recipe
from sca_hf.sandbox import Program, Verdict
from sca_hf.stage import Stage
from sca_hf.stages import concepts, execute, responses
from sca_hf.stages.context import Context

CHUNK = 256
ROWS = 2_048


def measure_loops(folder: Path | None, *, step_seconds: float = 0.02) -> None:
    """Stage S->C against the chunk-and-wait loop, on a model whose step takes the same time for any batch up to 256."""
    recipe = load_recipe("demo", ["run.concurrency=512"])
    rows = rows_of(concepts.STAGE, ROWS)
    for name, long_share in (("uniform", 0.0), ("skewed", 0.1)):
        engine = Steps(step_seconds, CHUNK, longest=200, shortest=10, long_share=long_share)
        ours = timed(partial(run, concepts.STAGE, rows, recipe, folder, engine=engine))
        chunks = timed(partial(asyncio.run, _in_chunks(engine, rows, recipe)))
        print(
            json.dumps(
                {
                    "model of an engine": f"{step_seconds} s a step for up to {CHUNK} sequences",
                    "work": name,
                    "rows": ROWS,
                    "stage s": round(ours, 2),
                    "chunk-and-wait s": round(chunks, 2),
                    "times as fast": round(chunks / ours, 2),
                }
            ),
            flush=True,
        )


async def _in_chunks(engine: Steps, rows: Dataset, recipe: Recipe) -> None:
    ids = rows["id"][:]
    for start in range(0, len(ids), CHUNK):
        samplings = [
            Sampling(0.7, 1, (), row_seed(recipe.seed, "concepts", seed_id)) for seed_id in ids[start : start + CHUNK]
        ]
        await asyncio.gather(*(engine.complete("", sampling) for sampling in samplings))


def measure_overlap(folder: Path | None, *, seconds: float = 0.2, slots: int = 32) -> None:
    """Generation and execution one after the other and at once; both wait, and take nothing of the processor."""
    recipe = load_recipe("demo", ["responses.samples=4", "responses.parts=together", "run.concurrency=64"])
    rows = rows_of(responses.STAGE, 400)

    def engine() -> Waiting:
        return Waiting(seconds, asyncio.Semaphore(slots))

    drawn = run(responses.STAGE, rows, recipe, folder, engine=engine())
    drawn = drawn.remove_columns("reject_reason")
    generate = timed(lambda: run(responses.STAGE, rows, recipe, folder, engine=engine()))
    executed = timed(lambda: run(execute.STAGE, drawn, recipe, folder, jails=_WaitingJails(seconds, slots)))
    jails = _WaitingJails(seconds, slots)
    both = timed(lambda: run(responses.STAGE, rows, recipe, folder, engine=engine(), jails=jails))
    print(
        json.dumps(
            {
                "model of an engine and of jails": f"{slots} at once, {seconds} s each",
                "samples": len(drawn),
                "generate alone s": round(generate, 2),
                "execute alone s": round(executed, 2),
                "both at once s": round(both, 2),
                "of the larger": round(both / max(generate, executed), 3),
            }
        )
    )


class _WaitingJails:
    def __init__(self, seconds: float, slots: int) -> None:
        self._seconds = seconds
        self._slots = asyncio.Semaphore(slots)

    async def run(self, program: Program) -> Verdict:
        async with self._slots:
            await asyncio.sleep(self._seconds)
        return Verdict("passed", None, None, 1, (), 0.0, 0.0, 0.0, "", "")


def run(stage: Stage, rows: Dataset, recipe: Recipe, folder: Path | None, **given: Any) -> Dataset:
    """Run a stage in a scratch folder of its own; gives its rows in memory."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        context = Context(
            recipe.seed,
            Path(scratch),
            few_shot=load_few_shot(recipe.prompts),
            concurrency=recipe.run.concurrency or 512,
            **given,
        )
        made = stage.run(rows, recipe[stage.name], context)
        return Dataset.from_dict(made.to_dict(), features=made.features)


def rows_of(stage: Stage, count: int) -> Dataset:
    """Rows with the columns that `stage` uses."""
    row: dict[str, Any] = dict.fromkeys(stage.uses, "x")
    if "concepts" in row:
        row["concepts"] = ["slicing"]
    return Dataset.from_list([row | {"id": f"{number:020x}"} for number in range(count)])


def timed(work: Callable[[], Any]) -> float:
    """Seconds by the clock."""
    began = time.monotonic()
    work()
    return time.monotonic() - began
