"""What a benchmark is: tasks, the protocol that asks for answers, and a grader of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from sca_hf.benchmarks.calls import Runner
from sca_hf.sandbox import Limits

_STATUS_OF = {
    "OutOfTime": "timeout",
    "SIGXCPU": "timeout",
    "MemoryError": "out-of-memory",
    "SyntaxError": "syntax-error",
    "IndentationError": "syntax-error",
    "TabError": "syntax-error",
    "OutputLimit": "killed",
}
_STATUSES = ("timeout", "out-of-memory", "killed", "syntax-error", "early-exit")


@dataclass(frozen=True)
class Answer:
    """One answer to a task: `solution`, a whole program, or `completion`, what follows the task's prompt.

    `given_id`: the task's id as it was given, for the results; ids are compared as the benchmark writes them.
    """

    task: str
    sample: int
    solution: str | None = None
    completion: str | None = None
    given_id: str | int | None = None

    @property
    def text(self) -> str:
        """What was given, in either layout."""
        return self.solution if self.solution is not None else self.completion or ""


@dataclass(frozen=True)
class Grade:
    """`base`, `plus`: whether the benchmark's own and all of its tests passed, None where it has but one kind.

    `status`: "passed", or "failed" for a wrong value or an exception, or how else it ended: "timeout", "out-of-memory",
    "killed", "syntax-error", "early-exit". `reason`: the exception, or the first test that it failed. `scores`: of a
    benchmark that measures more.
    """

    passed: bool
    status: str
    reason: str = ""
    base: bool | None = None
    plus: bool | None = None
    scores: Mapping[str, float] | None = None


class Benchmark(Protocol):
    """Tasks by id, and how answers to them are graded. `revision` says which data these are.

    `limits`: what a program may use. `defective`: tasks whose data fail right answers or pass wrong ones, and why: they
    count as published, and a corrected score leaves them out. `grade` never raises for what an answer does.
    """

    @property
    def name(self) -> str: ...

    @property
    def revision(self) -> str: ...

    @property
    def limits(self) -> Limits: ...

    @property
    def defective(self) -> Mapping[str, str]: ...

    @property
    def tasks(self) -> Mapping[str, Any]:
        """Tasks by id; their classes differ."""
        ...

    @property
    def task_ids(self) -> list[str]: ...

    def program(self, answer: Answer) -> str:
        """The whole program that is graded."""
        ...

    async def grade(self, answer: Answer, jails: Runner) -> Grade: ...

    def summed(self, grades: Sequence[Grade]) -> Mapping[str, float]:
        """What it publishes beside pass@k, by name."""
        ...


@runtime_checkable
class Measured(Protocol):
    """A benchmark that measures correct answers once all are graded."""

    async def measure(self, graded: Sequence[tuple[Answer, Grade]], jails: Runner) -> list[Grade]:
        """The grades with what was measured."""
        ...


def status_of(reason: str) -> str:
    """The status of an answer whose run ended for `reason`: an exception's name, or a verdict's status."""
    return _STATUS_OF.get(reason) or (reason if reason in _STATUSES else "failed")
