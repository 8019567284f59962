"""Benchmarks that ask for one function and compare what it returns with what the reference returns.

The expected values come from running the reference in a jail of its own; an answer's jail holds the answer and the
inputs alone, and values are compared outside of both.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, Protocol

from sca_hf.benchmarks.benchmark import Answer, Grade, status_of
from sca_hf.benchmarks.calls import MOST_HANDED_OUT, Calls, Returned, Runner, call
from sca_hf.errors import InputError
from sca_hf.sandbox import Limits

Part = Literal["base", "plus"]
Wrong = tuple[int, str]
"""Index of the input, and why it doesn't hold."""

_FACTOR, _TOTAL_SECONDS = 4.0, 60.0
# A reference may take longer than an answer's 60 s.
_REFERENCE_SECONDS = 120.0

LIMITS = Limits(
    cpu_seconds=_REFERENCE_SECONDS,
    wall_seconds=2 * _REFERENCE_SECONDS,
    memory_mb=4096,
    output_bytes=MOST_HANDED_OUT,
    kept_bytes=MOST_HANDED_OUT,
)


@dataclass(frozen=True)
class FunctionTask:
    """`reference`: a whole program. `inputs`: of each part, the arguments of each call as an expression (see Calls);
    `values`: the same as values, where the rule needs them."""

    id: str
    prompt: str
    entry: str
    reference: str
    inputs: Mapping[Part, Sequence[str]]
    values: Mapping[Part, Sequence[Any]]
    atol: float = 0.0


class Rule(Protocol):
    """When a returned value is taken for the expected one."""

    def __call__(self, task: FunctionTask, cases: Iterable[tuple[Any, Any, Any]]) -> Wrong | None:
        """The first of (input, expected, returned) that doesn't hold; None where all do. Raises nothing."""
        ...


class FunctionGrader:
    """Grades answers to `tasks`. `least_seconds`: the CPU time of a call is the greater of it and 4 x the reference's.

    A call's time is CPU time, so that a busy machine fails nothing.
    """

    def __init__(self, benchmark: str, tasks: Mapping[str, FunctionTask], rule: Rule, least_seconds: float) -> None:
        self._benchmark = benchmark
        self._tasks = tasks
        self._rule = rule
        self._least_seconds = least_seconds
        self._expected: dict[tuple[str, Part], asyncio.Task[Returned]] = {}

    defective: Mapping[str, str] = MappingProxyType({})

    def program(self, answer: Answer) -> str:
        """The solution, or the prompt with the completion behind it."""
        if answer.solution is not None:
            return answer.solution
        return self._tasks[answer.task].prompt + (answer.completion or "")

    async def grade(self, answer: Answer, jails: Runner) -> Grade:
        """Base inputs first, then the others if those hold, each in a run of their own."""
        program = self.program(answer)
        both = bool(self._tasks[answer.task].inputs.get("plus"))
        wrong = await self._first_wrong(answer.task, "base", program, jails)
        if wrong:
            return Grade(False, status_of(wrong), f"base: {wrong}", base=False, plus=False if both else None)
        if not both:
            return Grade(True, "passed", base=True)
        wrong = await self._first_wrong(answer.task, "plus", program, jails)
        if wrong:
            return Grade(False, status_of(wrong), f"plus: {wrong}", base=True, plus=False)
        return Grade(True, "passed", base=True, plus=True)

    def summed(self, grades: Sequence[Grade]) -> dict[str, float]:
        """Nothing beside pass@k."""
        return {}

    async def expected(self, task: str, part: Part, jails: Runner) -> Returned:
        """What the reference returns. Raises InputError where it fails, so that nothing could pass."""
        key = task, part
        if key not in self._expected:
            self._expected[key] = asyncio.create_task(self._run_reference(self._tasks[task], part, jails))
        return await asyncio.shield(self._expected[key])

    async def _first_wrong(self, task_id: str, part: Part, program: str, jails: Runner) -> str:
        """Why the program fails; "" where it doesn't."""
        task = self._tasks[task_id]
        inputs = task.inputs[part]
        if not inputs:
            return ""
        expected = await self.expected(task_id, part, jails)
        # In whole seconds, so that the program is the same in every run, and its verdict is found again.
        slow = {
            index: float(-(-_FACTOR * spent // 1))
            for index, spent in expected.seconds.items()
            if _FACTOR * spent > self._least_seconds
        }
        calls = Calls(program, task.entry, inputs, self._least_seconds, slow, _TOTAL_SECONDS)
        returned = await call(calls, jails)
        values = task.values.get(part) or [None] * len(inputs)
        wrong = self._rule(task, zip(values, expected.values, returned.values, strict=False))
        if wrong is not None:
            return f"input {wrong[0]}: {wrong[1]}"
        if returned.reason:
            return returned.reason
        return "" if len(returned.values) == len(inputs) else "NoResult"

    async def _run_reference(self, task: FunctionTask, part: Part, jails: Runner) -> Returned:
        inputs = task.inputs[part]
        seconds = _REFERENCE_SECONDS
        returned = await call(Calls(task.reference, task.entry, inputs, seconds, {}, seconds), jails)
        if len(returned.values) != len(inputs):
            raise InputError(
                f"benchmark {self._benchmark!r}: the reference of {task.id} fails ({returned.reason}) on {part} input "
                f"{len(returned.values)}; give the published file"
            )
        return returned
