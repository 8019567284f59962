"""What the disk refuses, said so that a user can act on it; and what must be on the disk before a rename."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sca_hf.errors import StoreError

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST})
_ELSEWHERE = "give another folder with --store"


@contextmanager
def store_errors(path: Path, instead: str = _ELSEWHERE) -> Iterator[None]:
    """Turn what the disk refuses into a StoreError."""
    try:
        yield
    except OSError as error:
        raise store_error(path, error, instead) from error


def store_error(path: Path, error: OSError, instead: str = _ELSEWHERE) -> StoreError:
    """Return one line with the path, what the disk said, and the fix."""
    reason = error.strerror or str(error)
    if error.errno in FULL:
        return StoreError(f"no space left to write {path} ({reason}); free some, or {instead} on another disk")
    if error.errno in _FORBIDDEN:
        return StoreError(f"{path} can't be written ({reason}); make it writable, or {instead} DIR")
    return StoreError(f"{path} can't be written: {reason}; {instead} DIR")


def sync(folder: Path, recursive: bool = True) -> None:
    """Bring a folder (and all that is in it) to the disk, so that after a crash no file is empty."""
    for path in [*(folder.rglob("*") if recursive else ()), folder]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
