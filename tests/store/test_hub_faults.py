"""Whatever the Hub does to a push, the version is there by its tag and whole, or not there at all."""

import multiprocessing
import os
import random
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest
from huggingface_hub import close_session

from sca_hf.errors import HubError
from sca_hf.store import Store, Version
from sca_hf.store.hub import retry
from sca_hf.store.hub.hub import Hub
from tests.store.conftest import Toy
from tests.store.loopback_hub import STATUS_FAULTS, LoopbackHub

pytestmark = pytest.mark.slow

FINGERPRINT = "0123456789abcdef"
TAG = f"v-{FINGERPRINT}"
REPO = "alice/demo-instructions"
_FORK = multiprocessing.get_context("fork")


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Version:
    """A version with two shards."""
    toy, store = Toy(), Store(tmp_path_factory.mktemp("store"), shard_bytes=20_000)
    return store.write("demo-instructions", FINGERPRINT, toy.build(toy.rows(1_600), toy.stage(measured=False)))


@pytest.mark.parametrize("fault", [*STATUS_FAULTS, "cut-before", "cut-after", "cut-body", "500-after", "slow"])
def test_every_request_of_a_push_meets_every_fault(loopback: LoopbackHub, version: Version, fault: int | str) -> None:
    _hub(loopback).push(version)
    count = len(loopback.requests)
    assert count > 15
    met = 0
    for number in range(count):
        _forget(loopback)
        loopback.faults = {number: fault}
        _hub(loopback).push(version)
        _check_complete(loopback, version, REPO)
        uploads = loopback.uploads()
        assert len(uploads) == len(set(uploads)), "sent again what was answered 200"
        met += loopback.asked > number
    assert met >= count - 4, "four may be answered from the client's cache"


@pytest.mark.parametrize("fault", [429, 500, "cut-before", "cut-body", "slow"])
def test_every_request_of_a_pull_meets_every_fault(
    loopback: LoopbackHub, version: Version, fault: int | str, tmp_path: Path
) -> None:
    remote = _hub(loopback).push(version)
    loopback.forget_requests()
    _hub(loopback).pull(remote, Store(tmp_path / "count"), "demo-instructions")
    count = len(loopback.requests)
    for number in range(count):
        loopback.forget_requests()
        loopback.faults = {number: fault}
        pulled = _hub(loopback).pull(remote, Store(tmp_path / f"{number}"), "demo-instructions")
        assert pulled.manifest_sha == version.manifest_sha
        assert (pulled.path / "README.md").read_bytes() == (version.path / "README.md").read_bytes()


def test_a_request_that_is_never_answered_is_given_up(
    loopback: LoopbackHub, version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    _hub(loopback).push(version)
    firsts = {asked.kind: number for number, asked in reversed(list(enumerate(loopback.requests)))}
    monkeypatch.setattr(retry, "SILENCE", 0.4)
    close_session()
    loopback.stall_seconds = 0.6
    for number in firsts.values():
        _forget(loopback)
        loopback.faults = {number: "stall"}
        _hub(loopback).push(version)
        _check_complete(loopback, version, REPO)


@pytest.mark.parametrize("fault", [*STATUS_FAULTS, "cut-before", "cut-after"])
def test_a_push_that_fails_leaves_no_tag_and_is_completed_by_the_next(
    loopback: LoopbackHub, version: Version, fault: int | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "ATTEMPTS", 2)
    _hub(loopback).push(version)
    count = len(loopback.requests)
    for first in range(0, count, 3):
        _forget(loopback)
        loopback.fault_on = lambda method, path, first=first: fault if loopback.asked > first else None
        with suppress(HubError):
            _hub(loopback).push(version)
            _check_complete(loopback, version, REPO)
        _check_no_half(loopback, version)
        answered = loopback.uploads()
        loopback.fault_on = None
        _hub(loopback).push(version)
        _check_complete(loopback, version, REPO)
        assert not set(answered) & set(loopback.uploads()[len(answered) :])


def test_four_pushers_at_once_all_land(loopback: LoopbackHub, tmp_path: Path, toy: Toy) -> None:
    versions = [
        Store(tmp_path / f"store-{number}", shard_bytes=20_000).write(
            "demo-instructions", f"{number:016x}", toy.build(toy.rows(2_000 + number))
        )
        for number in range(4)
    ]
    same = Store(tmp_path / "same").write("demo-sft", FINGERPRINT, toy.build(toy.rows(500), toy.stage("sft")))
    pushers = [_FORK.Process(target=_push, args=(loopback.url, [version, same])) for version in versions]
    for pusher in pushers:
        pusher.start()
    for pusher in pushers:
        pusher.join()
    assert [pusher.exitcode for pusher in pushers] == [0] * 4
    for version in versions:
        _check_tagged(loopback, version, REPO)
    assert _rows(loopback, REPO, "main") in [_rows(loopback, REPO, tag) for tag in loopback.tags(REPO)]
    assert set(loopback.repos[REPO].branches) == {"main"}
    _check_complete(loopback, same, "alice/demo-sft")
    (collection,) = loopback.collections.values()
    assert {item["id"] for item in collection["items"]} == {REPO, "alice/demo-sft"}


def test_a_pusher_killed_at_any_moment_leaves_a_whole_version_or_none(
    loopback: LoopbackHub, version: Version, toy: Toy
) -> None:
    started = time.monotonic()
    _push(loopback.url, [version])
    duration = time.monotonic() - started
    moments = random.Random(7)
    untagged = 0
    for _ in range(50):
        _forget(loopback)
        pusher = _FORK.Process(target=_push, args=(loopback.url, [version]))
        pusher.start()
        time.sleep(moments.uniform(0, 1.1 * duration))
        os.kill(pusher.pid or 0, signal.SIGKILL)
        pusher.join()
        loopback.forget_requests()
        if not _check_no_half(loopback, version):
            untagged += REPO in loopback.repos
    assert untagged, "no push was killed in the middle"
    _hub(loopback).push(version)
    _check_complete(loopback, version, REPO)


def _hub(loopback: LoopbackHub) -> Hub:
    return Hub("alice/demo", endpoint=loopback.url, token="alice-write")


def _push(url: str, versions: list[Version]) -> None:
    for version in versions:
        Hub("alice/demo", endpoint=url, token="alice-write").push(version)


def _check_complete(loopback: LoopbackHub, version: Version, repo: str) -> None:
    """The version is there by its tag, `main` has come to it, and nothing is left over."""
    _check_tagged(loopback, version, repo)
    assert _rows(loopback, repo, "main") == _rows(loopback, repo, f"v-{version.fingerprint}")
    assert set(loopback.repos[repo].branches) == {"main"}


def _check_tagged(loopback: LoopbackHub, version: Version, repo: str) -> None:
    """The tag's commit has the files of the version, and no other rows."""
    held = loopback.files(repo, f"v-{version.fingerprint}")
    made = {
        str(path.relative_to(version.path)): path.read_bytes() for path in version.path.rglob("*") if path.is_file()
    }
    assert {path: held.get(path) for path in made} == made
    assert {path for path in held if path.startswith("data/")} == {path for path in made if path.startswith("data/")}


def _check_no_half(loopback: LoopbackHub, version: Version) -> bool:
    """Whether the version is there, by its tag and whole; if not, `main` has nothing of it."""
    if loopback.tags(REPO):
        _check_tagged(loopback, version, REPO)
    elif REPO in loopback.repos:
        assert _rows(loopback, REPO, "main") == {}
    return bool(loopback.tags(REPO))


def _rows(loopback: LoopbackHub, repo: str, revision: str) -> dict[str, bytes]:
    return {path: content for path, content in loopback.files(repo, revision).items() if path.endswith(".parquet")}


def _forget(loopback: LoopbackHub) -> None:
    """Make the Hub an empty one."""
    loopback.forget_requests()
    loopback.repos.clear()
    loopback.collections.clear()
    for path in loopback.folder.iterdir():
        path.unlink()
