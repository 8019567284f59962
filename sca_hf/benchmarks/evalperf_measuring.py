"""EvalPerf as a benchmark: which answers are correct, and what their calls on one large input cost.

Correct is what passes HumanEval+ or MBPP+ without their most expensive inputs. The cost of an answer, and of each
reference, is the least CPU time of ROUNDS runs, each in a process of its own in the same jails, one after another in
turns, so that whatever slows the machine slows all of them. The jail measures it from outside of the program.

An answer shares its process with the input alone; one that replaces `json.loads` could still choose what it is run on.

Published costs are CPU instructions, which a jail doesn't let its programs count: scores by CPU time are like, but not
comparable with, those.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sca_hf.benchmarks.benchmark import Answer, Grade
from sca_hf.benchmarks.calls import Runner
from sca_hf.benchmarks.data import Row, Source, load_rows, need
from sca_hf.benchmarks.evalperf import MIN_CORRECT, MOST_MEASURED, speed_of
from sca_hf.benchmarks.evalplus import EvalPlus, expressions
from sca_hf.benchmarks.function_tasks import LIMITS
from sca_hf.benchmarks.mbpp_inputs import restore
from sca_hf.sandbox import Limits, Program

# The one whose commit couldn't be looked up: what was graded is told by the hash of its rows.
SOURCE = Source(("evalperf/evalperf.jsonl.gz", "evalperf/evalperf.jsonl"), repo="evalplus/evalperf", revision="main")
ROUNDS = 5

_SECONDS = 45.0
_ENDED = ("passed", "no-assertion")


@dataclass(frozen=True)
class SpeedTask:
    """`references`: programs, from the slowest to the fastest, with their `scores`. `arguments`: of the one call that
    is measured, as an expression (see `sca_hf.benchmarks.calls.Calls`)."""

    id: str
    prompt: str
    entry: str
    references: Sequence[str]
    scores: Sequence[float]
    arguments: str


class EvalPerf:
    """The 118 tasks. Needs the files of HumanEval+ and MBPP+ too."""

    # A run that is measured has 45 s; what tells the correct answers has its own limits within each call.
    limits: Limits = replace(LIMITS, memory_mb=12 * 1024)

    def __init__(self, name: str = "evalperf", folder: Path | None = None) -> None:
        self.name = name
        loaded = load_rows(name, SOURCE, folder)
        need(name, loaded.rows, ("task_id", "entry_point", "prompt", "reference", "scores", "pe_input"))
        self.tasks = {row["task_id"]: _task(row) for row in loaded.rows}
        self._plus = {
            dataset: EvalPlus(f"{dataset}+@noextreme", folder)
            for dataset in sorted({_dataset(task) for task in self.tasks})
        }
        self.defective = {
            task: why for plus in self._plus.values() for task, why in plus.defective.items() if task in self.tasks
        }
        self.revision = "-".join([loaded.revision, *(plus.revision for plus in self._plus.values())])

    @property
    def task_ids(self) -> list[str]:
        """In the order of the file."""
        return list(self.tasks)

    def program(self, answer: Answer) -> str:
        """The solution, or the prompt with the completion behind it."""
        return self._plus[_dataset(answer.task)].program(answer)

    async def grade(self, answer: Answer, jails: Runner) -> Grade:
        """Whether it is correct."""
        grade = await self._plus[_dataset(answer.task)].grade(answer, jails)
        return replace(grade, base=None, plus=None)

    async def measure(self, graded: Sequence[tuple[Answer, Grade]], jails: Runner) -> list[Grade]:
        """Return the grades with `dps`, `dps_norm` (0 to 1) of the first MOST_MEASURED correct answers to a task.

        `weight`: an answer's part of its task's mean. A task with fewer than MIN_CORRECT correct answers has no scores.
        """
        correct: dict[str, list[int]] = defaultdict(list)
        for place, (answer, grade) in enumerate(graded):
            if grade.passed:
                correct[answer.task].append(place)
        grades = [grade for _, grade in graded]
        for task_id, places in correct.items():
            if len(places) < MIN_CORRECT:
                continue
            measured = places[:MOST_MEASURED]
            task = self.tasks[task_id]
            programs = [self.program(graded[place][0]) for place in measured]
            costs = await _costs([*programs, *task.references], task, jails)
            of_references = [_reached(costs[reference]) for reference in task.references]
            for place, program in zip(measured, programs, strict=True):
                speed = speed_of(costs[program], of_references, task.scores)
                scores = {"dps": speed.dps / 100, "dps_norm": speed.dps_norm / 100, "weight": 1 / len(measured)}
                grades[place] = replace(grades[place], scores=scores)
        return grades

    def summed(self, grades: Sequence[Grade]) -> dict[str, float]:
        """Return DPS and DPS_norm, means over the tasks that count, under names that say the clock."""
        scores = [grade.scores for grade in grades if grade.scores is not None]
        tasks = sum(score["weight"] for score in scores)
        return {
            f"{name}, by least CPU time of {ROUNDS} runs": sum(score[name] * score["weight"] for score in scores)
            / tasks
            for name in ("dps", "dps_norm")
            if scores
        }


async def _costs(programs: Sequence[str], task: SpeedTask, jails: Runner) -> Mapping[str, float | None]:
    """Return each program's least CPU time; None for one that failed or had no end."""
    costs: dict[str, float | None] = {}
    for turn in range(ROUNDS):
        for program in dict.fromkeys(programs):
            if turn and costs[program] is None:
                continue
            # The comment makes it another program for the journal, which else would answer for all turns.
            code = f"# turn {turn}\n{program}\n\n{_INPUT}{task.arguments}\n{task.entry}(*_arguments)\n"
            verdict = await jails.run(Program(code, ""))
            if verdict.status not in _ENDED or verdict.cpu_seconds > _SECONDS:
                costs[program] = None
            else:
                before = costs.get(program)
                costs[program] = verdict.cpu_seconds if before is None else min(before, verdict.cpu_seconds)
    return costs


_INPUT = "from json import loads\ninf, nan = float('inf'), float('nan')\n_arguments = "


def _reached(cost: float | None) -> float:
    """A reference that fails here is reached by no answer."""
    return cost if cost is not None else -1.0


def _dataset(task_id: str) -> str:
    return "mbpp" if task_id.startswith("Mbpp/") else "humaneval"


def _task(row: Row) -> SpeedTask:
    inputs = row["pe_input"]
    inputs = json.loads(inputs) if isinstance(inputs, str) else inputs
    if _dataset(row["task_id"]) == "mbpp":
        inputs = restore(row["task_id"], inputs)
    return SpeedTask(
        row["task_id"],
        row["prompt"],
        row["entry_point"],
        list(row["reference"]),
        list(row["scores"]),
        expressions(inputs[:1])[0],
    )
