"""Grades many answers at once. A broken or hostile answer fails, and stops nothing."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sca_hf.benchmarks import Answer, Benchmark, Grade
from sca_hf.benchmarks.calls import Runner
from sca_hf.errors import ScaError

_AT_ONCE = 64


@dataclass(frozen=True)
class Graded:
    """An answer and its grade."""

    answer: Answer
    grade: Grade


async def grade_all(
    benchmark: Benchmark, answers: Sequence[Answer], jails: Runner, tell: Callable[[int], None] = lambda done: None
) -> list[Graded]:
    """All grades, in the order of the answers. `tell`: hears how many are there.

    Raises ScaError alone: where jails can't be had, or the benchmark's own data don't work.
    """
    turns = asyncio.Semaphore(_AT_ONCE)
    done = 0

    async def one(answer: Answer) -> Graded:
        nonlocal done
        async with turns:
            try:
                grade = await benchmark.grade(answer, jails)
            except ScaError:
                raise
            except Exception as reason:  # the answer's doing, whatever it is: no other shares it
                grade = Grade(False, "failed", f"the grader raised {type(reason).__name__}")
        done += 1
        tell(done)
        return Graded(answer, grade)

    return await asyncio.gather(*map(one, answers))


def passes_of(graded: Sequence[Graded], part: str = "passed") -> dict[str, list[bool]]:
    """By task, whether each of its answers passed; `part`: "passed", "base" or "plus"."""
    passes: dict[str, list[bool]] = defaultdict(list)
    for one in graded:
        passes[one.answer.task].append(bool(getattr(one.grade, part)))
    return dict(passes)
