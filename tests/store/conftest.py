"""A small stage with real rows, and a cache of `datasets` of its own for every test."""

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import datasets
import huggingface_hub
import pytest
from datasets import Dataset, List, Value
from huggingface_hub.utils.tqdm import disable_progress_bars

from sca_hf.identity import row_id
from sca_hf.settings import Settings
from sca_hf.stage import Column, Stage, split
from sca_hf.store import Build
from sca_hf.store.hub import retry
from sca_hf.store.lineage import Making
from tests.store.loopback_hub import LoopbackHub

COLUMNS = {
    "id": (Value("string"), "what made the row, hashed"),
    "instruction": (Value("string"), "the task | in words"),
    "concepts": (List(Value("string")), "concepts that it is about"),
    "score": (Value("float32"), "a number, or null"),
    "attempts": (List({"text": Value("string"), "passed": Value("bool")}), "samples that were drawn"),
    "property": ({"category": Value("string"), "level": Value("int8")}, "what was asked for"),
    "license": (Value("string"), "license of the seed"),
}


class Toy:
    """Makes builds of a stage whose rows have nested columns, nulls, empty lists and two reasons of rejection."""

    reasons = ("no-heading", "too-long")

    def stage(self, name: str = "instructions", measured: bool = True) -> Stage:
        return Stage(
            name=name,
            version=3,
            title="Tasks around concepts",
            uses=(),
            adds=tuple(Column(column, feature, meaning) for column, (feature, meaning) in COLUMNS.items()),
            settings=Settings,
            run=lambda rows, settings, context: rows,
            measured=(Column("seconds", Value("float64"), "wall time"),) if measured else (),
        )

    def rows(self, count: int, licenses: tuple[str, ...] = ("MIT",), start: int = 0, size: int = 0) -> Dataset:
        """Judged rows; `size`: more characters in each instruction."""
        features = self.stage().features({})
        rows = [_row(number, licenses, size) for number in range(start, start + count)]
        return Dataset.from_dict({name: [row[name] for row in rows] for name in features}, features=features)

    def build(self, rows: Dataset, stage: Stage | None = None, **lineage: Any) -> Build:
        stage = stage or self.stage()
        made = {
            "sca_hf": "0.1.0",
            "recipe": {"name": "toy", "seed": 3407, "sampling": {"temperature": 0.7, "stop": ["### Example"]}},
            "stage": stage.name,
            "stage_version": stage.version,
            "intent": {"stage": stage.name, "settings": {"n": 10}},
            "parents": [],
            "model": {"model": "/home/me/models/tiny", "revision": "abc", "build": "vllm 0.1", "dtype": "bfloat16"},
            "packages": {"datasets": "5.2.0", "pyarrow": "26.0.0"},
            "tokens": {"prompt": 12345, "completion": 678},
        }
        judged = split(stage, len(rows), rows)
        return Build(stage, stage.adds, judged, Making(**{**made, **lineage}), {"seconds": 1.5, "host": "a-host"})


def _row(number: int, licenses: tuple[str, ...], size: int) -> dict[str, Any]:
    text = f"Write a function number {number}.\n\n```python\n# ünïcode {'x' * (number % 97)}\n```{'y' * size}"
    return {
        "id": row_id("row", number),
        "instruction": text,
        "concepts": [] if number % 4 == 0 else ["recursion", f"concept {number % 11}"],
        "score": None if number % 5 == 0 else number / 3,
        "attempts": [{"text": "t" * (number % 7), "passed": k == 0} for k in range(number % 3)],
        "property": None if number % 5 == 0 else {"category": "class", "level": number % 3},
        "license": licenses[number % len(licenses)],
        "reject_reason": None if number % 3 else Toy.reasons[number % 2],
        "seconds": number * 0.5,
    }


@pytest.fixture
def toy() -> Toy:
    return Toy()


@pytest.fixture(autouse=True)
def _own_datasets_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path_factory.mktemp("datasets-cache")))


@pytest.fixture
def loopback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    """A Hub of its own for every test, an empty cache, nobody logged in, and pauses that are short."""
    constants = huggingface_hub.constants
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)  # it would ask huggingface.co who calls
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setattr(constants, "HF_STORED_TOKENS_PATH", str(tmp_path / "no-tokens"))
    monkeypatch.setattr(retry, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(retry, "SILENCE", 20.0)
    short = SimpleNamespace(sleep=lambda seconds: time.sleep(min(seconds, 0.01)), time=time.time)
    for module in (retry, huggingface_hub.utils._http, huggingface_hub.file_download):
        monkeypatch.setattr(module, "time", short)
    disable_progress_bars()
    huggingface_hub.close_session()
    with LoopbackHub(tmp_path / "loopback-hub") as running:
        yield running
    huggingface_hub.close_session()
