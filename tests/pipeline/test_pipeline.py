"""The whole pipeline on the real engine with the bundled model: same bytes however it runs, and nothing lost."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import pytest
from datasets import load_dataset

from sca_hf.pipeline.journals import merge
from sca_hf.recipe import load_recipe
from sca_hf.store import Store, Version
from tests.watching import finished_calls

pytestmark = pytest.mark.engine

NAMES = tuple(stage.name for stage in load_recipe("demo").chain)
RECIPE = ("--recipe", "demo", "--limit", "24", "--set", "responses.samples=3")
OTHER_SPEED = ("concurrency=5", "batch_size=3", "workers=1", "jails=1")


def start(store: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(store / "cache")}
    command = [sys.executable, "-m", "sca_hf.run", *RECIPE, "--store", str(store), *arguments]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    )


def finish(running: subprocess.Popen[str]) -> str:
    output, errors = running.communicate(timeout=500)
    assert running.returncode == 0, errors[-3000:]
    return output


def made(store: Path) -> Mapping[str, Version]:
    versions = {version.dataset.removeprefix("demo-"): version for version in Store(store).versions()}
    assert tuple(name for name in NAMES if name in versions) == NAMES
    return versions


def manifests(store: Path) -> dict[str, tuple[str, str]]:
    return {name: (version.fingerprint, version.manifest_sha) for name, version in made(store).items()}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which the demo has run once, start to end."""
    folder = tmp_path_factory.mktemp("reference")
    output = finish(start(folder))
    for word in ("Funnel", "Versions", "Next", "load_dataset", *NAMES):
        assert word in output
    return folder


def test_counts_add_up_from_stage_to_stage(store: Path) -> None:
    versions = made(store)
    for before, after in pairwise(NAMES):
        assert versions[after].counts.rows_in == versions[before].counts.kept
    for version in versions.values():
        counts = version.counts
        assert counts.judged == counts.kept + sum(counts.rejected.values())
        assert counts.kept == len(version.load())
    assert versions["seeds"].counts.kept == 24
    assert versions["responses"].counts.judged == 3 * versions["instructions"].counts.kept
    assert versions["sft"].counts.kept > 0


def test_every_row_traces_to_its_seed(store: Path) -> None:
    versions = made(store)
    rows = {name: {row["id"]: row for row in version.load()} for name, version in versions.items()}
    for row in rows["sft"].values():
        parent = rows["select"][row["select_id"]]
        for stage, key in (
            ("execute", "execute_id"),
            ("responses", "response_id"),
            ("instructions", "instruction_id"),
            ("concepts", "concepts_id"),
            ("seeds", "seed_id"),
        ):
            assert row[key] == parent[key]
            parent = rows[stage][parent[key]]
        assert (row["seed"], row["license"]) == (parent["seed"], parent["license"])
        assert rows["execute"][row["execute_id"]]["status"] == "passed"


def test_trainers_can_load_it(store: Path, tmp_path: Path) -> None:
    rows = load_dataset(str(made(store)["sft"].path), split="train", cache_dir=str(tmp_path))
    for row in rows:
        assert [message["role"] for message in row["messages"]] == ["user", "assistant"]
        assert all(message["content"].strip() for message in row["messages"])


def test_a_second_run_loads_no_model(store: Path) -> None:
    before = manifests(store)
    code = (
        "import sys; from sca_hf.run import main; code = main(sys.argv[1:]); "
        "assert 'vllm' not in sys.modules and 'torch' not in sys.modules; sys.exit(code)"
    )
    command = [sys.executable, "-c", code, *RECIPE, "--store", str(store)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("cached") == len(NAMES)
    assert manifests(store) == before


def test_a_changed_setting_runs_its_stage_and_those_after_it(store: Path) -> None:
    command = [sys.executable, "-m", "sca_hf.run", *RECIPE, "--store", str(store), "--dry-run"]
    changed = [*command, "--set", "select.once_per_names=true"]
    done = subprocess.run(changed, capture_output=True, text=True, timeout=120, check=True)
    states = {line.split()[0]: "cached" in line for line in done.stdout.splitlines() if line.startswith(NAMES)}
    assert [name for name in NAMES if states[name]] == list(NAMES[:-2])


def test_speed_settings_change_no_byte(store: Path, tmp_path: Path) -> None:
    settings = [part for setting in OTHER_SPEED for part in ("--set", f"run.{setting}")]
    finish(start(tmp_path, *settings, "--set", "engine.max_num_seqs=7"))
    assert manifests(tmp_path) == manifests(store)


def test_killed_three_times(store: Path, tmp_path: Path) -> None:
    whole, journal = finished_calls(store / "journal.sqlite"), tmp_path / "journal.sqlite"
    chance = random.Random(0)
    for share in (0.15, 0.4, 0.8):
        running = start(tmp_path)
        enough = int(whole * share) + chance.randrange(5)
        deadline = time.monotonic() + 300
        while finished_calls(journal) < enough and running.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        running.send_signal(signal.SIGKILL)
        running.communicate(timeout=60)
        assert running.returncode == -signal.SIGKILL
    held, there = finished_calls(journal), {version.path for version in Store(tmp_path).versions()}
    finish(start(tmp_path))
    assert manifests(tmp_path) == manifests(store)
    last = [version.timings for version in made(tmp_path).values() if version.path not in there]
    assert sum(timings[kind]["made"] for timings in last for kind in ("calls", "programs")) == whole - held
    assert finished_calls(journal) == whole


@pytest.mark.timeout(1500)
def test_parts_make_the_same_bytes(store: Path, tmp_path: Path) -> None:
    journals = []
    for number in (1, 2):
        output = finish(start(tmp_path / str(number), "--part", f"{number}/2"))
        assert f"part {number} of 2" in output
        journals.append(tmp_path / str(number) / f"journal.part-{number}-of-2.sqlite")
    merge(tmp_path / "store" / "journal.sqlite", journals)
    finish(start(tmp_path / "store"))
    assert manifests(tmp_path / "store") == manifests(store)
    for version in made(tmp_path / "store").values():
        assert version.timings["calls"]["made"] == version.timings["programs"]["made"] == 0
