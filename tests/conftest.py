"""What tests of several folders share: one real engine on the bundled model, loaded once and only if a test asks."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sca_hf.engines.model import DEMO_MODEL
from sca_hf.engines.vllm.engine import VllmEngine

_JAILED = {"sandbox", "benchmarks", "evaluation", "mutation"}
"""Folders whose tests run programs in jails."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that load the engine or run programs in jails, which `make quick` leaves out."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if fixtures & {"engine", "demo_store"}:
            item.add_marker("engine")
        if item.path.parent.name in _JAILED or "demo_store" in fixtures:
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
