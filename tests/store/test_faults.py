"""What kills a writer leaves no half version; what the disk refuses is said in one line with the fix."""

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

import datasets
import pytest

from sca_hf.errors import StoreError
from sca_hf.store import Store

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from tests.store.conftest import Toy

_FORK = multiprocessing.get_context("fork")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter: those of pytest are closed to all but their owner."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_a_writer_killed_at_any_moment_leaves_no_half_version(tmp_path: Path, toy: "Toy") -> None:
    build = toy.build(toy.rows(3_000, size=2_000))
    started = time.monotonic()
    expected = Store(tmp_path / "expected", shard_bytes=10_000).write("toy", "f0", build)
    duration = time.monotonic() - started
    store = Store(tmp_path / "killed", shard_bytes=10_000)
    moments = random.Random(7)
    found = interrupted = 0
    for attempt in range(50):
        fingerprint = f"f{attempt}"
        writer = _FORK.Process(target=store.write, args=("toy", fingerprint, build))
        writer.start()
        time.sleep(moments.uniform(0, 1.2 * duration))
        os.kill(writer.pid or 0, signal.SIGKILL)
        writer.join()
        interrupted += bool(_leftovers(store.root))
        version = store.find("toy", fingerprint)
        if version is not None:
            found += 1
            version.verify()
            assert version.manifest_sha == expected.manifest_sha
            assert (version.path / "README.md").stat().st_size > 0
        assert len(store.versions()) == found
    assert interrupted
    last = store.write("toy", "last", build)
    assert last.load()[:] == build.judged.kept[:]
    assert _leftovers(store.root) == []


def test_a_live_writer_keeps_its_temporary_files(tmp_path: Path, toy: "Toy") -> None:
    store = Store(tmp_path)
    build = toy.build(toy.rows(3_000, size=2_000))
    writer = _FORK.Process(target=store.write, args=("toy", "slow", build))
    writer.start()
    deadline = time.monotonic() + 60
    while not [path for path in _leftovers(tmp_path) if path.is_dir()]:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    os.kill(writer.pid or 0, signal.SIGSTOP)
    held = _leftovers(tmp_path)
    store.write("toy", "quick", toy.build(toy.rows(10)))
    Store(tmp_path)
    assert _leftovers(tmp_path) == held
    os.kill(writer.pid or 0, signal.SIGCONT)
    writer.join()
    assert writer.exitcode == 0
    version = store.find("toy", "slow")
    assert version is not None
    version.verify()
    assert _leftovers(tmp_path) == []


def test_two_writers_of_one_version_at_once(tmp_path: Path, toy: "Toy") -> None:
    build = toy.build(toy.rows(2_000))
    for attempt in range(5):
        writers = [_FORK.Process(target=_write, args=(tmp_path, f"f{attempt}", build)) for _ in range(3)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        assert [writer.exitcode for writer in writers] == [0, 0, 0]
    versions = Store(tmp_path).versions()
    assert len(versions) == 5
    assert len({version.manifest_sha for version in versions}) == 1
    assert _leftovers(tmp_path) == []


def test_two_loads_at_once_share_the_cache(tmp_path: Path, toy: "Toy") -> None:
    version = Store(tmp_path).write("toy", "f0", toy.build(toy.rows(2_000)))
    readers = [_FORK.Process(target=_load, args=(version.path.parents[1], version.counts.kept)) for _ in range(4)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert [reader.exitcode for reader in readers] == [0] * 4
    assert _leftovers(Path(datasets.config.HF_DATASETS_CACHE)) == []


def test_a_root_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for root in (tmp_path / "file", tmp_path / "file" / "store"):
        with pytest.raises(StoreError, match=rf"{root} can't be written.*--store"):
            Store(root).check_writable()


def test_a_root_without_permission(open_folder: Path) -> None:
    root = open_folder / "store"
    root.mkdir(mode=0o555)
    _refused(lambda: Store(root).check_writable(), f"{root} can't be written (Permission denied)")


def test_a_store_that_became_read_only(open_folder: Path, toy: "Toy") -> None:
    store = Store(open_folder)
    first = store.write("toy", "f0", toy.build(toy.rows(10)))
    first.path.parent.chmod(0o555)
    build = toy.build(toy.rows(20))
    _refused(lambda: store.write("toy", "f1", build), f"{first.path.parent} can't be written (Permission denied)")
    assert store.versions() == [first]


def test_a_full_disk(tmp_path: Path, toy: "Toy") -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    script = f"mount -t tmpfs -o size=1m tmpfs {disk} && exec {sys.executable} -c 'import time; time.sleep(600)'"
    holder = subprocess.Popen(["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script])
    try:
        root = _mounted(holder, disk)
        store = Store(root)
        first = store.write("toy", "f0", toy.build(toy.rows(10)))
        rows = toy.rows(3_000)
        noise = random.Random(1)
        rows = rows.map(lambda row: {"instruction": noise.randbytes(1_000).hex()}, features=rows.features)
        with pytest.raises(StoreError, match=r"no space left to write .*toy.*--store"):
            store.write("toy", "f1", toy.build(rows))
        with pytest.raises(StoreError, match=r"no space left to write .*scratch"), store.scratch() as scratch:
            rows.map(lambda row: row, cache_file_name=str(scratch / "rows.arrow"))
        assert _leftovers(root) == []
        assert store.versions() == [first]
        assert first.load()["id"][:] == toy.build(toy.rows(10)).judged.kept["id"][:]
    finally:
        holder.kill()
        holder.wait()


def test_a_full_cache_is_named_when_loading(tmp_path: Path, toy: "Toy", monkeypatch: pytest.MonkeyPatch) -> None:
    version = Store(tmp_path / "store").write("toy", "f0", toy.build(toy.rows(10)))
    (tmp_path / "cache").write_text("a file, no folder")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    with pytest.raises(StoreError, match="HF_DATASETS_CACHE"):
        version.load()


def _write(root: Path, fingerprint: str, build: object) -> None:
    Store(root).write("toy", fingerprint, build)  # type: ignore[arg-type]


def _load(root: Path, rows: int) -> None:
    version = Store(root).find("toy", "f0")
    assert version is not None
    assert len(version.load()) == rows


def _leftovers(root: Path) -> list[Path]:
    return sorted(root.rglob(".tmp-*"))


def _mounted(holder: subprocess.Popen[bytes], disk: Path) -> Path:
    """The tmpfs as seen from outside the mount namespace of its holder."""
    root = Path(f"/proc/{holder.pid}/root{disk}")
    deadline = time.monotonic() + 60
    while not root.is_mount():
        if holder.poll() is not None:
            pytest.skip("this machine gives no user namespaces to mount a small disk in")
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return root


def _refused(act: Callable[[], object], message: str) -> None:
    """Assert that `act` raises StoreError with `message`, in a process without root's rights."""

    def report(results: Connection) -> None:
        if os.getuid() == 0:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
        try:
            act()
            results.send("nothing was raised")
        except StoreError as error:
            results.send(str(error))

    ours, theirs = _FORK.Pipe()
    child = _FORK.Process(target=report, args=(theirs,))
    child.start()
    theirs.close()
    said = ours.recv()
    child.join()
    assert said.startswith(message), said
    assert "--store" in said
