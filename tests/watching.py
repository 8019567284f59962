"""What tests watch from outside while something runs."""

import contextlib
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from processes import tree


def until(holds: Callable[[], bool], seconds: float = 240.0) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.05)


def processes_below(pid: int, command: bytes) -> list[int]:
    """Return the processes below one whose command begins so (Ray's actors), or whose program's path ends so."""
    found = []
    for process in tree(pid):
        with contextlib.suppress(OSError):  # it has ended
            first = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")[0]
            found += [process] if first.startswith(command) or first.endswith(b"/" + command) else []
    return found


def finished_calls(journal: Path) -> int:
    """Return how many calls are in the journal of a run that may still be going on, or may not have begun."""
    try:
        with sqlite3.connect(f"file:{journal}?mode=ro", uri=True, timeout=5) as connection:
            return int(connection.execute("SELECT count(*) FROM calls").fetchone()[0])
    except sqlite3.OperationalError:
        return 0
