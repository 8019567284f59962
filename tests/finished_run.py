"""A finished run for tests, made without a model or a jail, and the Hub that it is published to.

Tests import the fixtures that they use, and `own_cache` with them.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import pytest
from datasets import Dataset

from sca_hf.identity import row_id
from sca_hf.pipeline.pipeline import Pipeline
from sca_hf.recipe import Recipe, load_recipe
from sca_hf.stage import REJECT_REASON, Column, Stage, split
from sca_hf.store import Build, Store, Version
from sca_hf.store.hub.hub import Hub
from sca_hf.store.lineage import Making, Parent
from tests.code_files import write_code
from tests.store.conftest import loopback
from tests.store.loopback_hub import LoopbackHub, ask_hub_at

__all__ = ["loopback"]

STAGES = load_recipe("selfcodealign").chain
NAMES = tuple(stage.name for stage in STAGES)

RESPONSE = "Here it is.\n\n```python\ndef add_{0}(a, b):\n    return a + b + {0}\n```"
TESTS = "```python\nassert add_{0}(1, 2) == 3 + {0}\n```"


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path_factory.mktemp("datasets-cache")))
        yield


@pytest.fixture
def logged_in(loopback: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> LoopbackHub:
    """The loopback Hub as the environment's."""
    ask_hub_at(loopback.url, monkeypatch)
    monkeypatch.setenv("HF_TOKEN", "alice-write")
    return loopback


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a source, a model that is never loaded, and a store with a finished run."""
    folder = tmp_path_factory.mktemp("finished")
    finish(recipe_of(arguments_in(folder)), Store(folder / "store"))
    return folder


@pytest.fixture
def arguments(finished: Path) -> list[str]:
    """The command line of the finished run."""
    return command_line(finished)


def arguments_in(folder: Path) -> list[str]:
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "config.json").write_text("{}")
    write_code(folder / "code", 12)
    return command_line(folder)


def command_line(folder: Path) -> list[str]:
    changes = (f"seeds.source={folder / 'code'}", "select.decontaminate=null", "seeds.decontaminate=null")
    rules = ("seeds.near_duplicates=null", "seeds.type_check=null", "select.near_duplicates=null")
    settings = [
        part
        for change in (*changes, *rules, f"stages=[{', '.join(NAMES)}]", "judge.shots=4")
        for part in ("--set", change)
    ]
    return ["--recipe", "demo", "--model", str(folder / "model"), *settings]


def recipe_of(arguments: list[str]) -> Recipe:
    model = arguments[arguments.index("--model") + 1]
    return load_recipe("demo", [f"model={model}", *arguments[arguments.index("--set") + 1 :: 2]])


def finish(recipe: Recipe, store: Store) -> dict[str, Version]:
    """All stages in a store: what needs a model or a jail is written here, the rest is run."""
    for stage in STAGES:
        if stage.needs is None:
            Pipeline(recipe, store, last=stage.name).run(lambda stage, version: None)
        else:
            step = next(step for step in Pipeline(recipe, store).plan() if step.stage is stage)
            parent = store.latest(f"demo-{NAMES[NAMES.index(stage.name) - 1]}")
            assert step.fingerprint is not None
            assert parent is not None
            store.write(step.dataset, step.fingerprint, _scripted(stage, parent))
    return {version.dataset.removeprefix("demo-"): version for version in store.versions()}


def _scripted(stage: Stage, parent: Version) -> Build:
    before = parent.load()
    features = stage.features(before.features)
    rows = [_scripted_row(stage, row, number, list(features)) for number, row in enumerate(before)]
    judged = split(stage, len(rows), Dataset.from_list(rows, features=features))
    columns = [Column(name, feature, "scripted") for name, feature in judged.kept.features.items()]
    made_from = Parent(dataset=parent.dataset, fingerprint=parent.fingerprint, manifest_sha=parent.manifest_sha)
    making = Making(stage=stage.name, stage_version=stage.version, parents=(made_from,))
    return Build(stage, columns, judged, making, {"seconds": 0.0})


def _scripted_row(stage: Stage, parent: dict[str, Any], number: int, names: list[str]) -> dict[str, Any]:
    ids = {"id": row_id(parent["id"], stage.name), stage.parent_id: parent["id"]} if stage.parent_id else {}
    made = {
        "verdict": "Yes",
        "concepts": ["addition"],
        "category": "function implementation",
        "language": "Python",
        "difficulty": "easy",
        "instruction": f"Add two numbers and {number}.",
        "sample": 0,
        "suite": 0,
        "tests_inferred": False,
        "tests_cut": False,
        "response": RESPONSE.format(number),
        "tests": TESTS.format(number),
        "status": "passed",
        "assertions": 1,
        "flags": [],
        REJECT_REASON: None,
    }
    row = made | parent | ids
    return {name: row.get(name) for name in names}


@pytest.fixture
def published(logged_in: LoopbackHub, finished: Path, tmp_path: Path) -> dict[str, Version]:
    """The finished run in a store of its own, and on the Hub as alice/demo."""
    shutil.copytree(finished / "store", tmp_path / "first", symlinks=True)
    versions = {version.dataset.removeprefix("demo-"): version for version in Store(tmp_path / "first").versions()}
    for version in versions.values():
        Hub("alice/demo").push(version)
    return versions


def files(root: Path, without: str = "") -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.name != without
    }
