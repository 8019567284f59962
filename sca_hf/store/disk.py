"""What the disk refuses, said so that a user can act on it; and what must be on the disk before a rename."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sca_hf.errors import StoreError

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

MOUNTS = Path("/proc/self/mounts")

# Kinds of file systems that more than one machine writes, as /proc/mounts names them.
_NETWORK = frozenset(
    {"9p", "acfs", "afs", "beegfs", "ceph", "cifs", "glusterfs", "gpfs", "lustre", "nfs", "nfs4", "ocfs2", "orangefs"}
    | {"panfs", "pvfs2", "smb3", "smbfs", "virtiofs", "wekafs"}
    | {"fuse.beegfs", "fuse.ceph", "fuse.glusterfs", "fuse.juicefs", "fuse.s3fs", "fuse.sshfs"}
)
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


def network_kind(path: Path) -> str | None:
    """Return the kind of network file system that a path lies on or would lie on ("nfs4", "lustre"); None for a local
    disk, and where this machine doesn't say."""
    lines: list[str] = []
    with suppress(OSError):
        lines = MOUNTS.read_text(errors="surrogateescape").splitlines()
    resolved, best, kind = path.expanduser().resolve(), -1, ""
    for line in lines:
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        mount = Path(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[1]))
        # Of two on the same folder, the later one hides the other.
        if len(mount.parts) >= best and resolved.is_relative_to(mount):
            best, kind = len(mount.parts), fields[2]
    return kind if kind in _NETWORK else None
