"""The processes of the jails that this process has started, for tests that watch them from outside."""

import os
from pathlib import Path

from processes import tree


def own_jails() -> list[int]:
    """Return those that run now.

    One on its way counts from its `exec` on: until then it shares this process's memory, which may be a gigabyte where
    other tests have loaded an engine.
    """
    return [process for process in tree(os.getpid()) if is_of_own_jail(process)]


def is_of_own_jail(process: int) -> bool:
    """Return whether its command line is that of a jail with this process as its parent."""
    try:
        command = Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return False  # it has ended
    return b"jail.launcher" in command and f'"parent": {os.getpid()}'.encode() in command
