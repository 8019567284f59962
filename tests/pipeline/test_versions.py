"""Runs that are published, pulled instead of computed, and gone on from."""

import shutil
import sqlite3
from pathlib import Path

import pytest

from sca_hf import run
from sca_hf.store import Store, Version
from tests.finished_run import (
    NAMES,
    arguments,
    arguments_in,
    files,
    finished,
    logged_in,
    loopback,
    own_cache,
    published,
)
from tests.store.loopback_hub import LoopbackHub

pytestmark = pytest.mark.slow

__all__ = ["arguments", "finished", "logged_in", "loopback", "own_cache", "published"]


def test_a_second_user_pulls_a_finished_run_without_a_call(
    logged_in: LoopbackHub,
    finished: Path,
    arguments: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(finished / "store", tmp_path / "first", symlinks=True)
    first = {version.dataset: version for version in Store(tmp_path / "first").versions()}
    assert run.main([*arguments, "--store", str(tmp_path / "first"), "--hub", "alice/demo"]) == 0
    assert set(logged_in.repos) == {f"alice/demo-{name}" for name in NAMES}
    assert "alice/demo-sft@v-" in capsys.readouterr().out
    elsewhere = [*arguments_in(tmp_path / "elsewhere"), "--store", str(tmp_path / "second"), "--hub", "alice/demo"]
    assert run.main([*elsewhere, "--dry-run"]) == 0
    assert capsys.readouterr().out.count("on the Hub") == len(NAMES)
    assert Store(tmp_path / "second").versions() == []
    logged_in.forget_requests()
    assert run.main(elsewhere) == 0
    second = {version.dataset: version for version in Store(tmp_path / "second").versions()}
    assert sorted(second) == sorted(f"demo-{name}" for name in NAMES)
    for dataset, version in second.items():
        assert files(version.path) == files(first[dataset].path)
    assert calls_made(tmp_path / "second") == 0
    assert all(asked.method in {"GET", "HEAD"} for asked in logged_in.requests), "nothing is pushed again"


def test_going_on_from_a_version_of_the_hub(
    published: dict[str, Version], arguments: list[str], tmp_path: Path
) -> None:
    pinned = f"alice/demo@v-{published['execute'].fingerprint}"
    start = [*arguments, "--store", str(tmp_path / "second"), "--from", "select", "--hub", pinned]
    assert run.main([*start, "--dry-run"]) == 0
    assert run.main(start) == 0
    made = {version.dataset: version for version in Store(tmp_path / "second").versions()}
    assert sorted(made) == ["demo-execute", "demo-select", "demo-sft"]
    for name in ("execute", "select", "sft"):
        assert made[f"demo-{name}"].manifest_sha == published[name].manifest_sha


def test_what_can_not_be_started_from(
    published: dict[str, Version], arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for wrong, message in (
        (["--hub", "alice/demo@v-1"], "goes with --from STAGE"),
        (["--hub", "alice/demo@v-1", "--from", "select"], "no such revision"),
        (["--hub", "bob/demo@main", "--from", "select"], "no such dataset repository"),
        (["--hub", "al ice/demo"], "no name that the Hub allows"),
        (["--from", "sft", "--input", "alice/none"], "no such dataset repository"),
        (["--from", "sft", "--input", "nowhere.parquet"], "give a folder, a file"),
    ):
        assert run.main([*arguments, "--store", str(tmp_path / "second"), *wrong]) == 2
        assert message in capsys.readouterr().err


def test_a_name_that_the_hub_forbids_is_told_before_anything_is_made(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.main([*arguments, "--store", str(tmp_path / "store"), "--hub", "alice/de mo"]) == 2
    assert "no name that the Hub allows" in capsys.readouterr().err
    assert not (tmp_path / "store").exists()


def test_a_run_finishes_a_push_that_died_and_who_only_reads_is_not_stopped_by_it(
    logged_in: LoopbackHub,
    finished: Path,
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(finished / "store", tmp_path / "first", symlinks=True)
    mine = [*arguments, "--store", str(tmp_path / "first"), "--hub", "alice/demo"]
    # The push of the first stage dies when it would bring `main` to the tagged commit.
    logged_in.fault_on = lambda method, path: 400 if path.endswith("/commit/main") else None
    assert run.main(mine) == 2
    assert "main of alice/demo-seeds" in capsys.readouterr().err
    (tag,) = logged_in.tags("alice/demo-seeds")
    assert "data/train-00000-of-00001.parquet" not in logged_in.files("alice/demo-seeds", "main")
    logged_in.forget_requests()
    logged_in.repos["alice/demo-seeds"].private = False
    monkeypatch.setenv("HF_TOKEN", "bob-write")
    theirs = [*arguments, "--store", str(tmp_path / "second"), "--hub", "alice/demo", "--to", "seeds"]
    assert run.main(theirs) == 0
    assert all(asked.method in {"GET", "HEAD"} for asked in logged_in.requests)
    monkeypatch.setenv("HF_TOKEN", "alice-write")
    assert run.main(mine) == 0
    for name in NAMES:
        repo = f"alice/demo-{name}"
        assert set(logged_in.repos[repo].branches) == {"main"}
        (tag,) = logged_in.tags(repo)
        assert logged_in.files(repo, "main") == logged_in.files(repo, tag)


def test_nothing_is_computed_that_could_not_be_pushed(
    logged_in: LoopbackHub,
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("HF_TOKEN", "alice-read")
    assert run.main([*arguments, "--store", str(tmp_path / "first"), "--hub", "alice/demo"]) == 2
    assert "the token only reads" in capsys.readouterr().err
    assert Store(tmp_path / "first").versions() == []


def calls_made(store: Path) -> int:
    with sqlite3.connect(store / "journal.sqlite") as journal:
        tables = [name for (name,) in journal.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return sum(journal.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0] for table in tables)
