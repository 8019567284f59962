"""Sources on the Hub, with the real client: what is asked for, what comes of it, and what a user is told."""

import gzip
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Dataset
from huggingface_hub import HfApi

from sca_hf import run
from sca_hf.corpus import stream as seed_stream
from sca_hf.corpus.columns import FEATURES
from sca_hf.corpus.hub import File, FileStream
from sca_hf.corpus.sources import open_source
from sca_hf.errors import HubError, InputError
from sca_hf.recipe import load_recipe
from sca_hf.stage import REJECT_REASON
from sca_hf.stages.context import Context
from sca_hf.stages.seeds import SeedSettings, seeds
from sca_hf.store import Store
from tests.store.conftest import loopback
from tests.store.loopback_hub import LoopbackHub, ask_hub_at

pytestmark = pytest.mark.slow

__all__ = ["loopback"]


@pytest.fixture
def hub(loopback: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LoopbackHub:
    """The loopback Hub as the environment's, with a repository in the layout of The Stack, in three forms."""
    ask_hub_at(loopback.url, monkeypatch)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "datasets-cache"))
    monkeypatch.setenv("HF_TOKEN", "alice-write")
    HfApi().create_repo("alice/code", repo_type="dataset")
    for number in range(3):
        name = f"data/python/data-0000{number}-of-00003.parquet"
        loopback.edit("alice/code", name, _parquet(_rows(number * 40, 40)))
    loopback.edit("alice/code", "data/lines/train.jsonl.gz", gzip.compress(_lines(_rows(0, 120))))
    loopback.edit(
        "alice/code", "data/zst/train.jsonl.zst", pa.Codec("zstd").compress(_lines(_rows(0, 120))).to_pybytes()
    )
    return loopback


def _rows(start: int, count: int) -> list[dict[str, Any]]:
    """Files of The Stack v1, each with one function; every fourth has none."""
    return [
        {
            "content": f'def add_{n}(a):\n    """Add {n}."""\n    return a + {n}\n' if n % 4 else "x = 1\n",
            "max_stars_repo_path": f"src/a{n}.py",
            "max_stars_repo_name": "one/repo",
            "max_stars_repo_licenses": ["MIT"],
        }
        for n in range(start, start + count)
    ]


def _parquet(rows: list[dict[str, Any]], group: int = 10) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), file, row_group_size=group)
    return file.getvalue()


def _lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def _stream(**settings: Any) -> FileStream:
    rows = open_source("hf://alice/code", **({"data_dir": "data/python"} | settings)).rows
    assert isinstance(rows, FileStream)
    return rows


def _local(count: int = 120) -> Dataset:
    rows = _rows(0, count)
    return Dataset.from_dict(
        {
            "path": [f"one/repo/{row['max_stars_repo_path']}" for row in rows],
            "content": [row["content"].encode() for row in rows],
            "license": ["MIT"] * count,
        },
        features=FEATURES,
    )


@pytest.mark.parametrize("form", ["python", "lines", "zst"])
@pytest.mark.parametrize("num_proc", [1, 3])
def test_a_stream_gives_the_rows_that_its_files_give(
    hub: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, num_proc: int
) -> None:
    monkeypatch.setattr(seed_stream, "PART_FILES", 7)
    stream = _stream(data_dir=f"data/{form}")
    rows = seeds(stream, SeedSettings(), Context(1, tmp_path, workers=num_proc))
    assert rows.to_list() == seeds(_local(), SeedSettings(), Context()).to_list()
    assert stream.files == 120


def test_no_more_is_read_than_gives_the_count(
    hub: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seed_stream, "PART_FILES", 5)
    hub.forget_requests()
    stream = _stream()
    rows = seeds(stream, SeedSettings(count=4), Context(1, tmp_path, workers=2))
    assert rows[REJECT_REASON][:].count(None) == 4
    assert stream.files == 10
    assert not any("00002-of" in asked.path for asked in hub.requests)
    again = seeds(_stream(), SeedSettings(count=4), Context(1, tmp_path))
    assert again.to_list() == rows.to_list()


def test_rules_that_look_at_many_seeds_make_it_read_on(
    hub: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seed_stream, "PART_FILES", 5)
    same = [row | {"content": "def f(a):\n    'doc'\n    return a\n"} for row in _rows(0, 30)]
    hub.edit("alice/code", "data/same/a.parquet", _parquet(same))
    hub.edit("alice/code", "data/same/b.parquet", _parquet(_rows(1, 60)))
    stream = _stream(data_dir="data/same")
    rows = seeds(stream, SeedSettings(count=6), Context(1, tmp_path, workers=2))
    assert rows[REJECT_REASON][:].count(None) == 6
    assert 30 < stream.files < 90


@pytest.mark.slow
def test_finished_parts_are_neither_judged_nor_asked_for_again(
    hub: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seed_stream, "PART_FILES", 7)
    program = f"""
import datasets, huggingface_hub, os, sys
from pathlib import Path
huggingface_hub.constants.ENDPOINT = datasets.config.HF_ENDPOINT = {hub.url!r}
huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE = {hub.url!r} + "/{{repo_id}}/resolve/{{revision}}/{{filename}}"
from sca_hf.stages.context import Context
from sca_hf.corpus import rules as seed_rules
from sca_hf.corpus import stream as seed_stream
from sca_hf.stages.seeds import SeedSettings, seeds
from sca_hf.corpus.sources import open_source
seed_stream.PART_FILES = 7
decode = seed_rules.decode
def slow(content):
    while b"add_95" in content:
        pass
    return decode(content)
seed_rules.decode = slow
rows = open_source("hf://alice/code", data_dir="data/python").rows
print("begun", flush=True)
context = Context(1, Path({str(tmp_path)!r}), workers=2, checkpoints=Path({str(tmp_path / "kept")!r}))
seeds(rows, SeedSettings(), context)
"""
    environment = os.environ | {"HF_HUB_CACHE": str(tmp_path / "cache"), "HF_DATASETS_CACHE": str(tmp_path / "own")}
    killed = subprocess.Popen(
        [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, start_new_session=True
    )
    try:
        for _ in range(600):
            if len(list((tmp_path / "kept" / "seeds").glob("*.json"))) >= 14:
                break
            assert killed.poll() is None
            time.sleep(0.1)
        killed.send_signal(signal.SIGKILL)  # its workers end by themselves
        assert killed.stdout is not None
        killed.stdout.read()  # which ends when the last of them has, busy as it may be
    finally:
        killed.kill()
        killed.wait()
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "kept" / "seeds").glob("*.json")}
    assert len(kept) >= 14
    hub.forget_requests()
    stream = _stream()
    monkeypatch.setattr("sca_hf.parallel.checkpoints.Checkpoints.forget", lambda self: None)
    rows = seeds(stream, SeedSettings(), Context(1, tmp_path, workers=2, checkpoints=tmp_path / "kept"))
    assert rows.to_list() == seeds(_local(), SeedSettings(), Context()).to_list()
    assert stream.files == 120
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    read = {asked.path.rsplit("/", 1)[1] for asked in hub.requests if asked.path.endswith(".parquet")}
    assert "data-00001-of-00003.parquet" not in read
    assert "data-00002-of-00003.parquet" in read


@pytest.mark.parametrize("fault", ["cut-body", 503, "cut-before"])
def test_a_connection_that_breaks_is_made_again(
    hub: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: int | str
) -> None:
    monkeypatch.setattr(seed_stream, "PART_FILES", 7)
    stream = _stream()
    assert stream.shards == 3
    hub.forget_requests()
    hub.faults = {0: fault, 2: fault}
    rows = seeds(stream, SeedSettings(), Context(1, tmp_path, workers=2))
    assert rows.to_list() == seeds(_local(), SeedSettings(), Context()).to_list()
    assert hub.asked > 3


def _first_files(where: str, settings: dict[str, Any]) -> list[File]:
    rows = open_source(where, **settings).rows
    assert isinstance(rows, FileStream)
    return next(rows.parts(0, 0, 10))


def _refused(where: str = "hf://alice/code", **settings: Any) -> str:
    with pytest.raises((InputError, HubError)) as caught:
        _first_files(where, settings)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("seed source ")
    assert where in message
    return message


def test_every_refusal_names_its_fix(hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "names no dataset; give hf://namespace/name" in _refused("hf://alice")
    assert "check that the name is right" in _refused("hf://alice/none")
    assert "no such revision; give a tag" in _refused("hf://alice/code@nowhere")
    assert "seeds.data_dir" in _refused(data_dir="data/none")
    assert "seeds.split" in _refused(data_dir="data/python", split="test")
    assert "seeds.config" in _refused(config="other")
    assert "set seeds.column" in _refused(data_dir="data/python", column="text")
    second = [{"blob_id": "1f", "path": "/a.py", "repo_name": "one/repo", "detected_licenses": ["MIT"]}]
    hub.edit("alice/code", "data/v2/train.parquet", _parquet(second))
    message = _refused(data_dir="data/v2")
    assert "Software Heritage" in message
    assert "seeds.column" in message
    hub.repos["alice/code"].gated = True
    monkeypatch.setenv("HF_TOKEN", "bob-write")
    message = _refused(data_dir="data/python")
    assert "is gated; ask for access at http" in message
    assert "hf auth login" in message


def test_the_second_stack_with_texts_is_read(hub: LoopbackHub, tmp_path: Path) -> None:
    second = {"blob_id": "1f", "path": "/a.py", "repo_name": "one/repo", "detected_licenses": ["MIT"]}
    rows = [second | {"text": "def f(a):\n    'doc'\n    return a"}]
    hub.edit("alice/code", "data/v2/train.parquet", _parquet(rows))
    (row,) = seeds(_stream(data_dir="data/v2", column="text"), SeedSettings(), Context(scratch=tmp_path))
    assert (row["path"], row["license"], row[REJECT_REASON]) == ("one/repo/a.py", "MIT", None)


def test_a_source_is_a_commit_whatever_names_it(hub: LoopbackHub) -> None:
    first = open_source("hf://alice/code", data_dir="data/python")
    assert first.name is not None
    hub.forget_requests()
    assert open_source(f"hf://{first.name}", data_dir="data/python").sha == first.sha
    assert hub.requests == []
    assert open_source("hf://alice/code", data_dir="data/lines").sha != first.sha
    hub.edit("alice/code", "README.md", b"changed")
    assert open_source("hf://alice/code", data_dir="data/python").sha != first.sha


def test_a_run_from_the_hub(hub: LoopbackHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--recipe", "demo", "--store", str(tmp_path / "store"), "--to", "seeds", "--limit", "5"]
    arguments += ["--set", "seeds.source=hf://alice/code", "--set", "seeds.data_dir=data/python"]
    assert run.main([*arguments, "--dry-run"]) == 0
    assert "to run" in capsys.readouterr().out
    assert run.main(arguments) == 0
    (made,) = Store(tmp_path / "store").versions()
    assert (made.counts.kept, made.counts.rows_in) == (5, 40)
    commit = hub.repos["alice/code"].branches["main"]
    assert made.lineage.sources == (f"alice/code@{commit}",)
    assert "--set seeds.source=hf://alice/code" in str(made.lineage.command)
    assert run.main([*arguments, "--dry-run"]) == 0
    assert "cached" in capsys.readouterr().out


@pytest.mark.parametrize("recipe", ["selfcodealign", "starcoder2-instruct"])
def test_a_plan_with_the_papers_source_needs_no_hub(
    hub: LoopbackHub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    recipe: str,
) -> None:
    assert load_recipe(recipe)["seeds"].source == "hf://bigcode/the-stack-dedup"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    assert run.main(["--recipe", recipe, "--store", str(tmp_path / "store"), "--dry-run"]) == 0
    assert "the Hub did not say" in capsys.readouterr().out


def test_a_run_that_waits_for_the_hub_says_so_at_once_and_gives_up_in_one_line(
    hub: LoopbackHub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    start = ["--recipe", "demo", "--store", str(tmp_path / "store"), "--to", "seeds"]
    assert run.main([*start, "--set", "seeds.source=hf://bigcode/nope"]) == 2
    assert caplog.messages == [
        "seed source hf://bigcode/nope: waiting for the Hub, which can't be reached; giving up in about a minute"
    ]
    said = [line for line in capsys.readouterr().err.splitlines() if "the Hub can't be reached" in line]
    assert len(said) == 1
