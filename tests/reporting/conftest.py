"""Two real runs of the demo in one store, on the real engine and in real jails, made once; and a browser."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import datasets
import pytest

from tests.reporting.browser import Browser, installed

# Few tokens, so that some answers are cut off: then the model's own words are among what is rejected.
TOKENS = ("--set", "responses.max_tokens=120", "--set", "responses.tests_max_tokens=100")
RUN = ("--recipe", "demo", "--limit", "40", "--set", "responses.samples=3", *TOKENS)
OTHER = (*RUN[:2], *RUN[4:], "--from", "select", "--set", "select.max_instruction_words=36")


@pytest.fixture(scope="session")
def demo_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a run, and a second one that selects from the same attempts with another setting."""
    store = tmp_path_factory.mktemp("report") / "store"
    for arguments in (RUN, OTHER):
        command = [sys.executable, "-m", "sca_hf.run", *arguments, "--store", str(store)]
        environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(store.parent / "cache")}
        done = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False, env=environment)
        assert done.returncode == 0, done.stderr[-3000:]
    return store


@pytest.fixture
def store(demo_store: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    shutil.copytree(demo_store, tmp_path / "store", symlinks=True)
    return tmp_path / "store"


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = installed()
    if program is None:
        pytest.skip("no Chromium is installed, so the page can't be opened; install one (Debian: apt install chromium)")
    with Browser(program, tmp_path_factory.mktemp("chromium")) as running:
        yield running


@pytest.fixture(autouse=True)
def _own_datasets_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path_factory.mktemp("datasets-cache")))
