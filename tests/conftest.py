"""What tests of several folders share: one real engine on the bundled model, loaded once and only if a test asks; the
published data beside the checkout, and answers graded in real jails."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from sca_hf.benchmarks import Answer, Benchmark, Grade
from sca_hf.engines.model import DEMO_MODEL
from sca_hf.engines.vllm.engine import VllmEngine
from sca_hf.evaluation.grading import grade_all
from sca_hf.sandbox import Jails

GradeAnswers = Callable[[Benchmark, Sequence[Answer]], list[Grade]]
_DATA = Path(__file__).parents[2] / "shared" / "data"

_JAILED = {"sandbox", "benchmarks", "evaluation", "mutation"}
"""Folders whose tests run programs in jails."""


def pytest_configure() -> None:
    """Let SIGINT have its usual effect, also where the suite runs in the background of a shell, which ignores it there.

    What tests start would inherit that, and could not be interrupted.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that load the engine or run programs in jails, which `make quick` leaves out."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if fixtures & {"engine", "demo_store"}:
            item.add_marker("engine")
        if item.path.parent.name in _JAILED or fixtures & {"demo_store", "grade_answers"}:
            item.add_marker("jail")
        if item.path.parent.name == "training":
            item.add_marker("slow")  # importing TRL alone takes seconds


@pytest.fixture(scope="session")
def model_folder() -> Path:
    """The folder of the bundled model."""
    return DEMO_MODEL


@pytest.fixture(scope="session")
def engine(model_folder: Path) -> Iterator[VllmEngine]:
    """The bundled model behind vLLM: 1,024 tokens of context, 64 sequences at once."""
    running = VllmEngine(str(model_folder), max_model_len=1024, max_num_seqs=64)
    yield running
    running.close()


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
