"""CanItEdit (Cassano et al. 2024): 105 programs to change by an instruction, each told fully and lazily.

A task is "FULL_NAME/descriptive" or "FULL_NAME/lazy"; the score is the mean of the 210. Program: answer, newline,
tests; 15 s, here of CPU time; pass: nothing raised. 20 samples, T 0.2, top-p 0.95, 2,048 tokens (now 3,072).
ExcessCode, of answers that pass: lines that the tests don't reach, over the lines of the whole difflib output from the
program before; 0 is best.

Tests and answer share a process: see `one_process` for what is not out of an answer's reach.

Known defects, counted as published: one task needs vllm, others numpy, pandas, scikit-learn, torch, scipy, autograd, z3
and flask. The code repository's licence adds a clause against training on it.
"""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from sca_hf.benchmarks.benchmark import Answer, Grade, status_of
from sca_hf.benchmarks.calls import Runner
from sca_hf.benchmarks.data import Source, load_rows, need
from sca_hf.benchmarks.one_process import held, names_in, refusal, run_together, uncovered_lines
from sca_hf.sandbox import Limits

SOURCE = Source(
    ("canitedit/canitedit.jsonl",), repo="nuprl/CanItEdit", revision="3c07f38b1f9385f3214fcea94d4664c79df0d36a"
)
KINDS = ("descriptive", "lazy")


@dataclass(frozen=True)
class EditTask:
    """`reference`: the program after the change."""

    id: str
    before: str
    instruction: str
    tests: str
    reference: str


class CanItEdit:
    """The 105 programs with both instructions."""

    defective: Mapping[str, str] = MappingProxyType({})
    limits = Limits(cpu_seconds=15.0, wall_seconds=120.0, memory_mb=8192)

    def __init__(self, name: str = "canitedit", folder: Path | None = None) -> None:
        self.name = name
        loaded = load_rows(name, SOURCE, folder)
        need(name, loaded.rows, ("full_name", "before", "after", "tests", "instruction_lazy"))
        self.revision = loaded.revision
        self.tasks = {
            f"{row['full_name']}/{kind}": EditTask(
                f"{row['full_name']}/{kind}", row["before"], row[f"instruction_{kind}"], row["tests"], row["after"]
            )
            for row in loaded.rows
            for kind in KINDS
        }

    @property
    def task_ids(self) -> list[str]:
        """In the order of the file, descriptive before lazy."""
        return list(self.tasks)

    def program(self, answer: Answer) -> str:
        """The answer, which is a whole program in both layouts."""
        return answer.text

    async def grade(self, answer: Answer, jails: Runner) -> Grade:
        """Pass where nothing is raised. Score `excess_code` of an answer that passes."""
        task, program = self.tasks[answer.task], self.program(answer)
        refused = refusal(program, names_in(task.before + task.reference))
        if refused:
            return Grade(False, "failed", f"refused: {refused}")
        verdict = await run_together(program, task.tests, jails)
        if not held(verdict):
            reason = verdict.exception or verdict.status
            return Grade(False, status_of(reason), reason)
        uncovered = await uncovered_lines(program, task.tests, jails)
        changed = len(list(difflib.ndiff(task.before.splitlines(), program.splitlines())))
        scores = {"excess_code": uncovered / changed} if uncovered is not None and changed else None
        return Grade(True, "passed", scores=scores)

    def summed(self, grades: Sequence[Grade]) -> dict[str, float]:
        """The mean ExcessCode of answers that pass."""
        found = [grade.scores["excess_code"] for grade in grades if grade.scores is not None]
        return {"excess_code": sum(found) / len(found)} if found else {}
