"""The published data beside the checkout, and answers graded in real jails."""

import asyncio
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from sca_hf.benchmarks import Answer, Benchmark, Grade
from sca_hf.evaluation.grading import grade_all
from sca_hf.sandbox import Jails

GradeAnswers = Callable[[Benchmark, Sequence[Answer]], list[Grade]]
_DATA = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture(scope="session")
def data() -> Path:
    """Skips without the data; fails in CI, which must have them."""
    if not _DATA.is_dir():
        message = f"the benchmarks' data are not beside the checkout ({_DATA.name}/)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return _DATA


@pytest.fixture(scope="session")
def grade_answers() -> GradeAnswers:
    """Grades, in the order of the answers."""

    def grade(benchmark: Benchmark, answers: Sequence[Answer]) -> list[Grade]:
        async def run() -> list[Grade]:
            async with Jails(2, benchmark.limits) as jails:
                return [one.grade for one in await grade_all(benchmark, answers, jails)]

        return asyncio.run(run())

    return grade
