"""Journals of parts: united into one, and copied while a run writes them."""

import json
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sca_hf.errors import StoreError
from sca_hf.pipeline.journal import SCHEMA, Journal
from sca_hf.store.disk import network_kind, store_errors, sync

MEASURED = frozenset({"cpu_seconds", "wall_seconds", "memory_mb", "stdout", "stderr"})
"""What of a verdict is measured, and may differ from run to run (`sca_hf.sandbox.Verdict`)."""

_SHOWN = 160


@dataclass(frozen=True)
class Merged:
    """What a journal gave: its `calls`, and how many of these were `new`."""

    journal: Path
    calls: int
    new: int


def merge(target: Path, parts: Sequence[Path]) -> list[Merged]:
    """Write the calls of `parts` into the journal `target`, made if missing; all of them or, on an error, none.

    Raises StoreError for a file that is no journal, and where one call has two answers: then with both of them. Only
    what is measured of a program may differ; the first one's stays.
    """
    for part in parts:
        if not part.is_file():
            raise StoreError(f"there is no journal {str(part)!r}; give the files that runs with --part wrote")
    Journal(target).close()
    merged = []
    with closing(sqlite3.connect(target, isolation_level=None)) as into, _errors(target):
        into.execute("PRAGMA synchronous = FULL")
        into.execute("BEGIN IMMEDIATE")
        for number, part in enumerate(parts):
            with _opened(part) as calls:
                merged.append(_merge_one(into, calls, part, [target, *parts[:number]]))
        into.execute("COMMIT")
    return merged


def copy(journal: Path, to: Path) -> None:
    """Copy a journal as it is at one moment, also while a run writes it. `to` is replaced whole, on any file system."""
    with tempfile.TemporaryDirectory(prefix="sca-hf-journal-") as folder:
        whole = Path(folder) / "journal.sqlite"
        with _opened(journal) as calls, _errors(whole), closing(sqlite3.connect(whole)) as into:
            calls.backup(into)
        with store_errors(to, "give another file"):
            to.parent.mkdir(parents=True, exist_ok=True)
            beside = to.with_name(f".{to.name}.tmp")
            shutil.copyfile(whole, beside)
            beside.replace(to)
            sync(to.parent, recursive=False)


def _merge_one(into: sqlite3.Connection, calls: sqlite3.Connection, part: Path, before: Sequence[Path]) -> Merged:
    count = new = 0
    differing: list[tuple[bytes, str, str]] = []
    for key, value in calls.execute("SELECT key, value FROM calls"):
        count += 1
        there = into.execute("SELECT value FROM calls WHERE key = ?", (key,)).fetchone()
        if there is None:
            into.execute("INSERT INTO calls VALUES (?, ?)", (key, value))
            new += 1
        elif there[0] != value and _answer(there[0]) != _answer(value):
            differing.append((key, there[0], value))
    if differing:
        key, first, second = differing[0]
        shown = " and ".join(
            f"{str(journal)!r} has {answer}"
            for journal, answer in zip((_holder(key, before), part), _differing(first, second), strict=True)
        )
        others = f"; so have {len(differing) - 1:,} other calls" if len(differing) > 1 else ""
        raise StoreError(
            f"call {key.hex()[:16]} has two answers: {shown}{others}; engines or machines differ that should not: "
            "leave one of these journals out (what is missing is asked again), or make it again on the others' machine"
        )
    return Merged(part, count, new)


def _answer(value: str) -> dict[str, Any]:
    return {name: each for name, each in json.loads(value).items() if name not in MEASURED}


def _differing(first: str, second: str) -> tuple[str, str]:
    """The fields of two answers that differ, of texts the part from a little before the first difference."""
    one, other = _answer(first), _answer(second)
    names = [name for name in {**one, **other} if one.get(name) != other.get(name)]
    shown: tuple[dict[str, Any], dict[str, Any]] = {}, {}
    for name in names:
        left, right = one.get(name), other.get(name)
        begin = 0
        if isinstance(left, str) and isinstance(right, str):
            same = next((place for place, pair in enumerate(zip(left, right, strict=False)) if len({*pair}) > 1), 0)
            begin = max(0, same - _SHOWN // 4)
        for fields, value in zip(shown, (left, right), strict=True):
            fields[name] = value[begin : begin + _SHOWN] if isinstance(value, str) else value
    return json.dumps(shown[0], ensure_ascii=False), json.dumps(shown[1], ensure_ascii=False)


def _holder(key: bytes, journals: Sequence[Path]) -> Path:
    """The first of these journals that has a call."""
    for journal in journals:
        with _opened(journal) as calls:
            if calls.execute("SELECT 1 FROM calls WHERE key = ?", (key,)).fetchone():
                return journal
    raise AssertionError(f"no journal has {key.hex()}")


@contextmanager
def _opened(journal: Path) -> Iterator[sqlite3.Connection]:
    """A journal to be read; a copy of it where it lies on a network. Raises StoreError."""
    with _on_this_machine(journal) as path, _errors(journal), closing(sqlite3.connect(path)) as calls:
        schema = calls.execute("PRAGMA user_version").fetchone()[0]
        if schema != SCHEMA:
            raise StoreError(
                f"{str(journal)!r} is not a journal of schema {SCHEMA}, but of {schema}; give a file that a run with "
                "--part wrote, and use one version of sca_hf on all machines"
            )
        yield calls


@contextmanager
def _on_this_machine(journal: Path) -> Iterator[Path]:
    if network_kind(journal) is None:
        yield journal
        return
    with tempfile.TemporaryDirectory(prefix="sca-hf-journal-") as folder:
        for file in (journal, journal.with_name(f"{journal.name}-wal")):  # the latter: what a killed run wrote last
            if file.exists():
                shutil.copyfile(file, Path(folder) / file.name)
        yield Path(folder) / journal.name


@contextmanager
def _errors(journal: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise StoreError(
            f"journal {str(journal)!r} can't be used ({error}); check the file and its permissions, and free disk space"
        ) from error
