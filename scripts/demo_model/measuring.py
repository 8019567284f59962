"""The four figures of the model card, from a run of the demo recipe with ten samples an instruction.

The run is the product's own: its engine, its stages, its jail.
"""

import asyncio
import random
import re
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from demo_model.novelty import normalised, trained_instructions
from demo_model.training import PROCESSES, Training

from sca_hf.pipeline.pipeline import Pipeline
from sca_hf.recipe import load_recipe
from sca_hf.sandbox import Jails
from sca_hf.stages.pass_rules import program_of
from sca_hf.store import Store

SAMPLES = 10
_SWAPPED = 300
_MAX_TEXTS_A_STEP = 10  # of one kind in one process: 1,600 tokens a batch, and no I->R text has under 160
_FIRST_NAME = re.compile(r"^(?:def|class) (\w+)", re.MULTILINE)

Row = dict[str, Any]


@dataclass(frozen=True)
class Figures:
    """`pass_rate`: of all responses drawn. `distinct`: mean number of different answers among 10 of an instruction.

    `novel`: share of the run's instructions that are not in the training, names and literals aside. `swapped`: pass
    rate of a row's tests on the response to another row's instruction; `swapped_renamed`: the same when the other's
    function is called as the tests want it.
    """

    instructions: int
    responses: int
    pass_rate: float
    distinct: float
    novel: float
    swapped: float
    swapped_renamed: float

    def __str__(self) -> str:
        return "\n".join(
            (
                f"instructions {self.instructions}, responses {self.responses}",
                f"responses that pass: {self.pass_rate:.1%}",
                f"different answers among {SAMPLES} of an instruction: {self.distinct:.2f}",
                f"instructions not in the training, names and literals aside: {self.novel:.1%}",
                f"tests passed by the response to another row's instruction: {self.swapped:.1%}",
                f"the same with its function renamed to the one that is tested: {self.swapped_renamed:.1%}",
            )
        )


def measure(model: str, steps: int, seeds: int) -> Figures:
    """Run the demo recipe on `model` with `seeds` seeds, and measure. `steps`: those of the model's training."""
    with TemporaryDirectory() as folder:
        recipe = load_recipe("demo", [f"model={model}", f"responses.samples={SAMPLES}", "responses.until=all"])
        outcomes = Pipeline(recipe, Store(Path(folder)), last="execute", limit=seeds).run(lambda stage, cached: None)
        rows = {outcome.stage.name: list(outcome.version.load()) for outcome in outcomes}
        drawn = outcomes[3].version.counts
    passed = [row for row in rows["execute"] if row["status"] == "passed"]
    responses = drawn.kept + sum(drawn.rejected.values())
    by_instruction = defaultdict(set)
    for row in rows["responses"]:
        by_instruction[row["instruction_id"]].add((row["response"], row["tests"]))
    full = [len(answers) for answers in by_instruction.values()]
    seen = set(trained_instructions(Training.seed, PROCESSES, steps * _MAX_TEXTS_A_STEP))
    instructions = [row["instruction"] for row in rows["instructions"]]
    swapped, renamed = asyncio.run(_swapped(passed))
    return Figures(
        instructions=len(instructions),
        responses=responses,
        pass_rate=len(passed) / responses,
        distinct=sum(full) / len(full),
        novel=sum(normalised(instruction) not in seen for instruction in instructions) / len(instructions),
        swapped=swapped,
        swapped_renamed=renamed,
    )


async def _swapped(passed: list[Row]) -> tuple[float, float]:
    """Pass rates of passing rows' tests on the response to another row's instruction, as it is and renamed."""
    rng = random.Random(0)
    one_each = list({row["instruction_id"]: row for row in passed}.values())
    rng.shuffle(one_each)
    rows = one_each[:_SWAPPED]
    async with Jails(2) as jails:

        async def passes(tested: Row, other: Row, rename: bool) -> bool:
            program = program_of(other["response"], tested["tests"])
            wanted = _FIRST_NAME.search(program_of(tested["response"], "").code)
            found = _FIRST_NAME.search(program.code)
            if rename and wanted and found:
                program = replace(program, code=re.sub(rf"\b{found[1]}\b", wanted[1], program.code))
            return (await jails.run(program)).status == "passed"

        rates = []
        for rename in (False, True):
            pairs = zip(rows, [*rows[1:], *rows[:1]], strict=True)
            results = await asyncio.gather(*(passes(tested, other, rename) for tested, other in pairs))
            rates.append(sum(results) / len(results))
    return rates[0], rates[1]
