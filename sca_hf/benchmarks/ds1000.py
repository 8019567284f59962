"""DS-1000 (Lai et al. 2023): 1,000 tasks of data science, in today's format (prompt, code_context, metadata).

A task is "ds1000/ID". Program: code_context, `test_execution(answer)` and, in the 159 contexts that have it,
`test_string(answer)`; 120 s, here of CPU time; pass: nothing raised. 40 samples, T 0.2, top-p 0.95, 1,024 tokens. Pins:
pandas 1.5.3, numpy 1.26.4, scikit-learn 1.4.0, scipy 1.12, matplotlib 3.8.4, torch 2.2, TensorFlow 2.16: with others
some references fail. A task whose library isn't installed fails with ModuleNotFoundError.

The context itself executes the answer, in the process of the tests: see `one_process` for what is not out of its reach.
CC BY-SA 4.0: share-alike.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from sca_hf.benchmarks.benchmark import Answer, Grade, status_of
from sca_hf.benchmarks.calls import Runner
from sca_hf.benchmarks.data import Row, Source, load_rows, need
from sca_hf.benchmarks.one_process import held, names_in, refusal, run_together
from sca_hf.sandbox import Limits

SOURCE = Source(
    ("ds1000/ds1000.jsonl.gz",), repo="xlangai/DS-1000", revision="4416080ac5cb80bdf7576aefb8f9a0b4d5426a44"
)


@dataclass(frozen=True)
class DataTask:
    """`context`: the source with `test_execution`."""

    id: str
    prompt: str
    context: str
    reference: str
    library: str


class DS1000:
    """The 1,000 tasks."""

    defective: Mapping[str, str] = MappingProxyType({})
    limits = Limits(cpu_seconds=120.0, wall_seconds=240.0, memory_mb=8192)

    def __init__(self, name: str = "ds1000", folder: Path | None = None) -> None:
        self.name = name
        loaded = load_rows(name, SOURCE, folder)
        need(name, loaded.rows, ("prompt", "reference_code", "code_context", "metadata"))
        self.revision = loaded.revision
        self.tasks = {task.id: task for task in map(_task, loaded.rows)}

    @property
    def task_ids(self) -> list[str]:
        """In the order of the file."""
        return list(self.tasks)

    @property
    def libraries(self) -> Counter[str]:
        """How many tasks each has."""
        return Counter(task.library for task in self.tasks.values())

    def program(self, answer: Answer) -> str:
        """The answer, which goes where the context says, in both layouts."""
        return answer.text

    async def grade(self, answer: Answer, jails: Runner) -> Grade:
        """Pass where nothing is raised."""
        task, code = self.tasks[answer.task], self.program(answer)
        refused = refusal(code, names_in(task.reference + task.prompt))
        if refused:
            return Grade(False, "failed", f"refused: {refused}")
        tests = f"{task.context}\ncode = {code!r}\ntest_execution(code)\n"
        if "test_string(" in task.context:
            tests += "test_string(code)\n"
        verdict = await run_together("", tests, jails)
        reason = "" if held(verdict) else verdict.exception or verdict.status
        return Grade(held(verdict), "passed" if held(verdict) else status_of(reason), reason)

    def summed(self, grades: Sequence[Grade]) -> dict[str, float]:
        """Nothing beside pass@k."""
        return {}


def _task(row: Row) -> DataTask:
    metadata = row["metadata"]
    return DataTask(
        f"ds1000/{metadata['problem_id']}",
        row["prompt"],
        row["code_context"],
        row["reference_code"],
        metadata["library"],
    )
