"""Folders that are written aside and renamed into place, and the removal of those that dead runs left.

A folder belongs to the process that holds the lock (flock) of the lock file next to it. The kernel drops the lock when
the process dies, however it dies. So who gets the lock of a folder knows that its run is dead.
"""

import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PREFIX = ".tmp-"
_LOCK = ".lock"


@contextmanager
def temporary_folder(parent: Path) -> Iterator[Path]:
    """A new empty folder in `parent` (made if missing), this process's own; removed at the end unless renamed by then.

    First removes what dead runs left in `parent`; what live runs write there is not touched. Raises OSError.
    """
    parent.mkdir(parents=True, exist_ok=True)
    remove_dead(parent)
    folder, lock = _locked_folder(parent)
    try:
        folder.mkdir()
        yield folder
    finally:
        _remove(folder, lock)


def remove_dead(parent: Path) -> None:
    """Remove the temporary folders in `parent` whose writers are dead."""
    for path in parent.glob(f"{_PREFIX}*{_LOCK}"):
        try:
            lock = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except (FileNotFoundError, PermissionError):  # its writer has just finished, or is another user
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # its writer lives
            os.close(lock)
            continue
        _remove(path.with_name(path.name.removesuffix(_LOCK)), lock)


def _locked_folder(parent: Path) -> tuple[Path, int]:
    while True:
        folder = parent / f"{_PREFIX}{uuid.uuid4().hex}"
        path = _lock_path(folder)
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Between the two lines above, another run may have taken the new lock file for a dead run's and removed it.
        if path.exists():
            return folder, lock
        os.close(lock)


def _remove(folder: Path, lock: int) -> None:
    """Remove a folder and its lock file, in this order: a folder without a lock file would never be found again."""
    shutil.rmtree(folder, ignore_errors=True)
    _lock_path(folder).unlink(missing_ok=True)
    fcntl.flock(lock, fcntl.LOCK_UN)  # forked children may still hold the file open
    os.close(lock)


def _lock_path(folder: Path) -> Path:
    return folder.with_name(folder.name + _LOCK)
