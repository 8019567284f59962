"""Calls in a store's journal that no version of it came from: of runs that were interrupted, or versions removed."""

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from sca_hf.errors import StoreError
from sca_hf.pipeline.read_only import open_read_only
from sca_hf.store import Store
from sca_hf.store.store import CALL_BYTES


@dataclass(frozen=True)
class Unused:
    """`calls` of `all_calls`, and the bytes of their keys and values."""

    calls: int
    all_calls: int
    size: int


def unused_calls(store: Store, path: Path, *, remove: bool) -> Unused:
    """Count the calls in the journal at `path` that no version of the store came from, and `remove` them if asked to.

    Raises StoreError if a version doesn't say which calls it came from, if a run is under way, or if the journal can't
    be read or written.
    """
    if not path.is_file():
        return Unused(0, 0, 0)
    if remove and store.is_busy():
        raise StoreError(f"a run is writing to {store.root}, and its calls are in no version yet; wait for its end")
    used = _used(store)
    try:
        return _unused(path, used, remove)
    except sqlite3.Error as error:
        raise StoreError(
            f"journal {str(path)!r} can't be used ({error}); check its permissions and the disk"
        ) from error


def _used(store: Store) -> set[bytes]:
    used: set[bytes] = set()
    for name in store.names():
        version = store.find(*name)  # one that can't be read might come from any call
        calls = version.calls() if version is not None else set()
        if calls is None:
            raise StoreError(
                f"version {'/'.join(name)} doesn't say which calls it came from: an earlier sca_hf made it. "
                "Remove it (rm) and run its recipe again, which replays its calls"
            )
        used |= calls
    return used


def _unused(path: Path, used: set[bytes], remove: bool) -> Unused:
    connection = sqlite3.connect(path, isolation_level=None) if remove else open_read_only(path)
    try:
        keys, all_calls, size = [], 0, 0
        for key, length in connection.execute("SELECT key, length(key) + length(CAST(value AS BLOB)) FROM calls"):
            all_calls += 1
            if key[:CALL_BYTES] not in used:
                keys.append((key,))
                size += length
        if remove and keys:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("DELETE FROM calls WHERE key = ?", keys)
            connection.execute("COMMIT")
            connection.execute("VACUUM")
    finally:
        connection.close()
    return Unused(len(keys), all_calls, size)
