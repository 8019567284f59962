"""Where benchmarks' rows come from: a folder of the user's, else the Hub at a pinned commit, or a release's file."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from sca_hf.benchmarks import canitedit, classeval, ds1000, evalplus, evoeval, humaneval, load_benchmark, mbpp
from sca_hf.benchmarks import livecodebench as lcb
from sca_hf.benchmarks.data import Source, load_rows
from sca_hf.errors import InputError
from sca_hf.evaluate import main
from tests.store.conftest import loopback
from tests.store.loopback_hub import LoopbackHub, ask_hub_at

__all__ = ["loopback"]

_PROBLEM = {
    "question_id": "abc1_a",
    "question_title": "Double",
    "question_content": "Print twice the number.",
    "contest_date": "2024-01-01T00:00:00",
    "public_test_cases": json.dumps([{"input": "2", "output": "4", "testtype": "stdin"}]),
    "private_test_cases": "[]",
}


def _sources() -> Iterator[tuple[str, Source]]:
    for module in (canitedit, classeval, ds1000, humaneval, mbpp):
        yield module.__name__, module.SOURCE
    yield from evalplus.SOURCES.items()
    yield from evoeval.SOURCES.items()
    yield "livecodebench", Source((), repo=lcb.REPO, revision=lcb.REVISION)


@pytest.mark.parametrize(("name", "source"), _sources())
def test_data_are_pinned(name: str, source: Source) -> None:
    assert re.fullmatch(r"[0-9a-f]{40}", source.revision) if source.repo else re.fullmatch(r"[0-9a-f]{32}", source.md5)


@pytest.fixture
def hub(loopback: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LoopbackHub:
    _reach(loopback.url, tmp_path, monkeypatch)
    monkeypatch.setenv("HF_TOKEN", "alice-write")
    return loopback


def _reach(url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask_hub_at(url, monkeypatch)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", folder / "datasets")
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)


def test_a_pinned_commit_is_read_whatever_main_holds(hub: LoopbackHub, tmp_path: Path) -> None:
    from huggingface_hub import HfApi

    HfApi().create_repo("alice/tasks", repo_type="dataset")
    hub.edit("alice/tasks", "test.jsonl", b'{"task": "old"}\n')
    pinned = hub.repos["alice/tasks"].branches["main"]
    hub.edit("alice/tasks", "test.jsonl", b'{"task": "new"}\n')
    for source in (
        Source(("tasks.jsonl",), repo="alice/tasks", revision=pinned),
        Source(("tasks.jsonl",), repo="alice/tasks", revision=pinned, path="test.jsonl"),
    ):
        loaded = load_rows("own", source, None)
        assert [dict(row) for row in loaded.rows] == [{"task": "old"}]
        (tmp_path / "tasks.jsonl").write_text('{"task": "mine"}\n')
        assert load_rows("own", source, tmp_path).rows == [{"task": "mine"}]


def test_livecodebenchs_files_come_from_the_hub(hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import HfApi

    monkeypatch.setattr(lcb, "REPO", "alice/contests")
    monkeypatch.setattr(lcb, "REVISION", "main")
    HfApi().create_repo("alice/contests", repo_type="dataset")
    hub.edit("alice/contests", "test.jsonl", json.dumps(_PROBLEM).encode() + b"\n")
    assert load_benchmark("livecodebench@v1").task_ids == ["abc1_a"]


def test_without_the_hub_one_line_a_benchmark_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    _reach("http://127.0.0.1:9", tmp_path, monkeypatch)
    (tmp_path / "answers.jsonl").write_text('{"task_id": "HumanEval/0", "solution": ""}\n')
    arguments = ["--samples", str(tmp_path / "answers.jsonl"), "--store", str(tmp_path / "store")]
    assert main(["--benchmark", "humaneval", "canitedit", "livecodebench@v1", *arguments]) == 2
    lines = capfd.readouterr().err.splitlines()
    assert [re.findall(r"benchmark '([\w@]+)' can't be had", line) for line in lines] == [
        ["canitedit"],
        ["livecodebench@v1"],
        ["humaneval"],
    ]
    assert all("give --data-dir DIR with" in line for line in lines)


def test_rows_may_hold_other_line_breaks_of_unicode(tmp_path: Path) -> None:
    (tmp_path / "tasks.jsonl").write_text('{"task": "one\u2028two\x85three"}\n', encoding="utf-8")
    assert load_rows("own", Source(("tasks.jsonl",)), tmp_path).rows == [{"task": "one\u2028two\x85three"}]


def test_a_file_that_lacks_a_column_is_said(tmp_path: Path) -> None:
    (tmp_path / "humaneval.jsonl").write_text('{"task_id": "HumanEval/0"}\n')
    with pytest.raises(InputError, match="a row has no 'prompt'"):
        load_benchmark("humaneval", tmp_path)
