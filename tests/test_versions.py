"""The versions command: what is there, how two differ, push, pull, remove."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sca_hf import run, versions
from sca_hf.pipeline.journal import Journal
from sca_hf.store import Store, Version
from tests.finished_run import NAMES, arguments, finished, logged_in, loopback, own_cache, published

pytestmark = pytest.mark.slow

__all__ = ["arguments", "finished", "logged_in", "loopback", "own_cache", "published"]


def test_the_versions_command(
    published: dict[str, Version], arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = ["--store", str(tmp_path / "first")]
    changed = [*arguments, "--set", "sft.tests_probability=0.0", *store]
    assert run.main([*changed, "--from", "sft"]) == 0
    old, new = published["sft"], Store(tmp_path / "first").latest("demo-sft")
    assert new is not None
    capsys.readouterr()

    def printed(*command: str, code: int = 0) -> str:
        assert versions.main([*command, *store]) == code
        captured = capsys.readouterr()
        return captured.out + captured.err

    assert printed("list").count("demo-sft/") == 2
    shown = printed("show", "demo-sft")
    assert new.fingerprint in shown
    for name in NAMES[:-1]:
        assert f"demo-{name}/{published[name].fingerprint}" in shown
    differing = printed("diff", f"demo-sft/{old.fingerprint[:9]}", "demo-sft")
    assert "tests_probability" in differing
    assert "rows gone: 0" in differing
    assert "rows changed: 0" not in differing
    assert printed("verify", "demo-select", "demo-seeds").count("ok") == 2
    assert "were made from it; remove those first" in printed("rm", "demo-select", code=2)
    assert "demo-sft/" in printed("push", "demo-sft", "--hub", "alice/other")
    assert "no version 'demo-nothing'" in printed("show", "demo-nothing", code=2)
    assert "removed" in printed("rm", "demo-sft", f"demo-sft/{old.fingerprint}")
    assert printed("list").count("demo-sft/") == 0
    pulled = printed("pull", f"alice/demo-sft@{old.fingerprint}")
    assert f"{old.counts.kept} rows" in pulled
    (shard,) = (published["seeds"].path / "data").iterdir()
    shard.write_bytes(b"PAR1")
    assert "was changed" in printed("verify", "demo-seeds", code=2)


def test_versions_by_path_by_time_and_with_children(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "mine [1]"
    shutil.copytree(finished / "store", root, symlinks=True)
    store = Store(root)
    version = {each.dataset.removeprefix("demo-"): each for each in store.versions()}

    def printed(*command: str, code: int = 0) -> str:
        assert versions.main([*command]) == code
        captured = capsys.readouterr()
        return captured.out + captured.err

    for number, name in enumerate(NAMES):
        os.utime(version[name].path / "lineage.json", (1e9 + 86_400 * number,) * 2)
    listed = printed("list", "--store", str(root)).splitlines()
    assert max(map(len, listed)) <= 80
    names = [line.split("/")[0] for line in listed if line.startswith("demo-")]
    assert names == [f"demo-{name}" for name in NAMES], "the oldest first"
    assert all(" * " in line and "2001-09-" in line for line in listed if line.startswith("demo-"))

    sft = version["sft"].path
    for path in (sft, sft.parent / "latest"):
        assert f"demo-sft/{sft.name}" in printed("show", str(path)), "the store of a path is the one that it is in"
    assert "rows gone: 0" in printed("diff", str(sft), str(sft))
    assert "ok" in printed("verify", str(sft))

    (version["execute"].path / "lineage.json").write_text("{")
    listed = printed("list", "--store", str(root)).splitlines()
    assert len([line for line in listed if line.startswith("demo-")]) == len(NAMES)
    (broken,) = [line for line in listed if line.startswith("! ")]
    assert str(version["execute"].path) in broken


def test_a_broken_lineage_costs_its_own_line(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(finished / "store", tmp_path / "store", symlinks=True)
    store = Store(tmp_path / "store")
    version = {each.dataset.removeprefix("demo-"): each for each in store.versions()}
    (version["judge"].path / "lineage.json").write_text("{")

    def printed(*command: str, code: int = 0) -> str:
        assert versions.main([*command, "--store", str(store.root)]) == code
        captured = capsys.readouterr()
        return captured.out + captured.err

    assert f"rm -r {version['judge'].path}" in printed("show", "demo-judge", code=2)
    for name in ("seeds", "concepts", "sft"):
        assert f"demo-{name}/" in printed("show", f"demo-{name}")
    said = printed("verify", code=2)
    assert said.count("ok demo-seeds/") == 1
    assert f"rm -r {version['judge'].path}" in said
    assert "rows gone: 0" in printed("diff", "demo-sft", "demo-sft")
    assert "removed demo-sft/" in printed("rm", "demo-sft")


# In a namespace of its own, the store is on a disk that nobody can write.
READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && ! touch "$0/x" 2>/dev/null && exec "$@"'


def test_a_store_on_a_read_only_disk(finished: Path, arguments: list[str], tmp_path: Path) -> None:
    store = tmp_path / "store"
    shutil.copytree(finished / "store", store, symlinks=True)
    Journal(store / "journal.sqlite").close()

    def called(module: str, *command: str, code: int = 0) -> str:
        apart = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", READ_ONLY, str(store)]
        done = subprocess.run(
            [*apart, sys.executable, "-m", f"sca_hf.{module}", *command, "--store", str(store)],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1]), "HF_DATASETS_CACHE": str(tmp_path / "c")},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    if subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "true"], check=False).returncode:
        pytest.skip("this machine gives no user namespaces to mount a disk in")
    assert called("versions", "list").count("demo-") == len(NAMES)
    assert "add_" in called("versions", "rows", "demo-sft", "--prompt", "-n", "1")
    assert called("run", *arguments, "--dry-run").count("cached") == len(NAMES)
    assert "open it in a browser" in called("report", "demo-sft")
    assert f"{store} can't be written (Read-only file system)" in called("run", *arguments, code=2)
    assert "can't be written" in called("versions", "rm", "demo-sft", code=2)


def test_children_go_before_what_they_were_made_from(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(finished / "store", tmp_path / "store", symlinks=True)
    root = ["--store", str(tmp_path / "store")]
    assert versions.main(["rm", "demo-responses", "--with-children", *root]) == 0
    removed = [line.split()[1].split("/")[0] for line in capsys.readouterr().out.splitlines()]
    assert removed == [f"demo-{name}" for name in reversed(NAMES[NAMES.index("responses") :])]
    left = {version.dataset for version in Store(tmp_path / "store").versions()}
    assert left == {f"demo-{name}" for name in NAMES[: NAMES.index("responses")]}
