"""Isolation: of a batch, only what breaks the process is lost; errors of the function itself are not hidden."""

import os
import pickle
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from sca_hf.parallel.crash_proof import CrashProofWorker


def _doubled(words: Sequence[str]) -> list[str]:
    for word in words:
        if word == "crash":
            os.kill(os.getpid(), signal.SIGKILL)
        if word == "leave":
            os._exit(0)
        if word == "spin":
            while True:
                pass
        if word == "eat":
            bytearray(4 * 2**30)
        if word == "raise":
            raise ValueError("a fault of the function's own")
    return [word * 2 for word in words]


@pytest.mark.parametrize("fault", ["crash", "leave", "spin", "eat"])
@pytest.mark.slow
def test_only_what_breaks_the_process_is_lost(fault: str) -> None:
    with CrashProofWorker(_doubled, cpu_seconds=0.5, memory=2**30) as isolated:
        assert isolated(["a", "b", fault, "c", fault]) == ["aa", "bb", None, "cc", None]
        assert isolated(["d"]) == ["dd"]
        assert isolated([]) == []


def test_what_the_function_raises_is_raised() -> None:
    with CrashProofWorker(_doubled) as isolated:
        with pytest.raises(ValueError, match="own"):
            isolated(["a", "raise"])
        assert isolated(["a"]) == ["aa"]


def _pid(batch: Sequence[int]) -> list[int]:
    return [os.getpid() for _ in batch]


def test_one_process_serves_many_batches_and_ends_with_the_block() -> None:
    with CrashProofWorker(_pid) as isolated:
        first, second = isolated([0]), isolated([0])
        sent: CrashProofWorker[int, int] = pickle.loads(pickle.dumps(isolated))
        with sent:
            assert sent([0]) != first
    assert first == second != [os.getpid()]
    assert not Path(f"/proc/{first[0]}").exists()


def test_the_process_ends_when_its_parent_is_killed() -> None:
    read, write = os.pipe()
    parent = os.fork()
    if not parent:
        os.write(write, str(CrashProofWorker(_pid)([0])[0]).encode())
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(parent, 0)
    child = Path("/proc", os.read(read, 20).decode(), "stat")
    until = time.monotonic() + 60
    while child.exists() and child.read_text().split()[2] != "Z" and time.monotonic() < until:
        time.sleep(0.05)
    assert not child.exists() or child.read_text().split()[2] == "Z"
