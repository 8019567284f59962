"""The journal: a record of finished calls, so that no call is made twice, whatever ends a run.

`Dataset.map` loses all rows of a map that is killed. So every completion and every verdict is written here before
anybody is told of it, and a run that is started again finds it here. SQLite in WAL mode: what `put` has written
survives the death of the process at any moment (not that of the machine), and two runs may share a journal. WAL mode
needs memory that all who open the file share, so it must lie on a disk of this machine.
"""

import asyncio
import json
import sqlite3
import sys
import threading
import time
from collections.abc import Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from sca_hf.engines import Completion, Engine, EngineIdentity, Fleet, Prompt, Sampling, Usage
from sca_hf.errors import StoreError
from sca_hf.identity import digest
from sca_hf.pipeline.once import Once
from sca_hf.pipeline.read_only import open_read_only
from sca_hf.sandbox import JAIL_VERSION, Jails, Program, Verdict
from sca_hf.sandbox.ray_jails import RayJails
from sca_hf.store.disk import network_kind
from sca_hf.store.store import CALL_BYTES, digests_in

T = TypeVar("T")

SCHEMA = 1
"""Version of the table; a journal with a higher one is refused."""

ELSEWHERE = "set run.journal to a file on a disk of this machine, such as /tmp/journal.sqlite"
"""What to do about a journal on a network."""

_BUSY_SECONDS = 60.0
_RETRY_SECONDS = 0.02


class Journal:
    """Values by key, in a SQLite file, for all threads of a process. StoreError: it can't be read or written."""

    _earlier = 0

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._used = bytearray()
        self._path = path
        self._lock = threading.Lock()
        if kind := network_kind(path):
            raise StoreError(
                f"journal {str(path)!r} would lie on a network file system ({kind}), where its locks don't hold; "
                f"{ELSEWHERE}"
            )
        try:
            if read_only:
                self._connection = open_read_only(path)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._connection = sqlite3.connect(
                    path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
                )
                self._open()
        except (sqlite3.Error, OSError) as error:
            raise self._failure(error) from error

    def get(self, key: str) -> dict[str, Any] | None:
        """Return the value of `key` (hex digits), or None."""
        return self.find(key)[0]

    def find(self, key: str) -> tuple[dict[str, Any] | None, bool]:
        """Return the value of `key`, or None, and whether it was there when the journal was opened."""
        with self._lock:
            try:
                row = self._connection.execute(
                    "SELECT value, rowid FROM calls WHERE key = ?", (bytes.fromhex(key),)
                ).fetchone()
            except sqlite3.Error as error:
                raise self._failure(error) from error
            if row is None:
                return None, False
            self._used += bytes.fromhex(key)[:CALL_BYTES]
        return json.loads(row[0]), row[1] <= self._earlier

    def put(self, key: str, value: dict[str, Any]) -> None:
        """Write a JSON-able value. Once this has returned it is there for good; a key that has a value keeps it."""
        text = json.dumps(value, separators=(",", ":"))
        with self._lock:
            try:
                self._connection.execute("INSERT OR IGNORE INTO calls VALUES (?, ?)", (bytes.fromhex(key), text))
            except sqlite3.Error as error:
                raise self._failure(error) from error
            self._used += bytes.fromhex(key)[:CALL_BYTES]

    @contextmanager
    def calls_used(self) -> Iterator[bytearray]:
        """Gather CALL_BYTES of each key that is written or found meanwhile, each once, in order."""
        begin, calls = len(self._used), bytearray()
        yield calls
        calls += b"".join(sorted(digests_in(self._used[begin:])))

    def close(self) -> None:
        """Give the file up."""
        with self._lock:
            self._connection.close()

    def _open(self) -> None:
        """Make the table, or take the one that is there. SQLite waits for no lock while it changes to WAL mode, so of
        runs that start at the same moment all but one must try again."""
        deadline = time.monotonic() + _BUSY_SECONDS
        while True:
            try:
                schema = self._connection.execute("PRAGMA user_version").fetchone()[0]
                if schema > SCHEMA:
                    raise StoreError(
                        f"journal {str(self._path)!r} has schema {schema}, and this sca_hf knows {SCHEMA}; "
                        "upgrade sca_hf, or choose another --store"
                    )
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._connection.execute("PRAGMA synchronous = NORMAL")
                self._connection.execute(
                    "CREATE TABLE IF NOT EXISTS calls (key BLOB NOT NULL UNIQUE, value TEXT NOT NULL)"
                )
                self._connection.execute(f"PRAGMA user_version = {SCHEMA}")
                self._earlier = self._connection.execute("SELECT max(rowid) FROM calls").fetchone()[0] or 0
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(_RETRY_SECONDS)

    def _failure(self, error: Exception) -> StoreError:
        if "locking protocol" in str(error):
            return StoreError(
                f"journal {str(self._path)!r} can't be locked ({error}): it lies on a file system without locks that "
                f"hold, as networks have; {ELSEWHERE}"
            )
        return StoreError(
            f"journal {str(self._path)!r} can't be used ({error}); "
            "free disk space or check its permissions, or choose another --store"
        )


def find_completion(
    journal: Journal, engine: Mapping[str, Any], prompt: Prompt, sampling: Sampling
) -> Completion | None:
    """The completion of a call that was made by the engine of this identity (`EngineIdentity.intent`), or None."""
    return _find(journal, *_keys(_maker(engine), prompt, sampling), sampling.max_tokens)[0]


def _find(journal: Journal, stopped: str, cut: str, max_tokens: int) -> tuple[Completion | None, bool]:
    value, is_earlier = journal.find(stopped)
    if value is None or value["completion_tokens"] > max_tokens:
        value, is_earlier = journal.find(cut)
    return None if value is None else Completion(**value), is_earlier


def _maker(engine: Mapping[str, Any]) -> str:
    return json.dumps(engine, sort_keys=True)


def _keys(maker: str, prompt: Prompt, sampling: Sampling) -> tuple[str, str]:
    """Return the key of a completion that ended with "stop", and that of one that max_tokens cut off."""
    settings = dict(vars(sampling))  # `asdict` copies all of it, which takes longer than all else here
    max_tokens = settings.pop("max_tokens")
    # What is not asked for is left out, as in journals of versions that knew of none.
    detection, alternatives = settings.pop("repetition_detection"), settings.pop("alternatives")
    if detection is not None:
        settings["repetition_detection"] = vars(detection)
    if alternatives:
        settings["alternatives"] = alternatives
    kind = "completion" if isinstance(prompt, str) else "conversation"
    stopped = digest(kind, maker, str(prompt), json.dumps(settings, sort_keys=True))
    return stopped, digest(stopped, max_tokens)


class JournaledEngine:
    """An engine whose finished completions are in the journal: a call that it holds is not made again.

    A completion that ended with "stop" serves every `max_tokens` that is at least its length. One that was cut off, or
    that repeats itself, serves its own `max_tokens` only: any other is asked again. A RowFailure is not kept: what a
    prompt may have in tokens is no part of the key.

    `made`: calls that the engine has answered; `reused`: calls that it was spared; `earlier`: those of an earlier run.
    """

    def __init__(self, engine: Engine, journal: Journal) -> None:
        self.made = self.reused = self.earlier = 0
        self._engine = engine
        self._journal = journal
        self._once = Once()
        self._maker = _maker(engine.identity.intent())

    @property
    def identity(self) -> EngineIdentity:
        """The engine's own."""
        return self._engine.identity

    @property
    def usage(self) -> Usage | None:
        """What the engine has done, if it counts."""
        return getattr(self._engine, "usage", None)

    def fleet(self) -> Fleet | None:
        """Return how its replicas or servers are now; None for one engine in this process."""
        return getattr(self._engine, "fleet", None)

    async def complete(self, prompt: Prompt, sampling: Sampling) -> Completion:
        """Return one sample, from the journal or the engine. Raises what the engine raises, and StoreError."""
        stopped, cut = _keys(self._maker, prompt, sampling)

        async def make() -> Completion:
            record, is_earlier = _find(self._journal, stopped, cut, sampling.max_tokens)
            if record is not None:
                self.reused += 1
                self.earlier += is_earlier
                return record
            completion = await self._engine.complete(prompt, sampling)
            self._journal.put(stopped if completion.finish_reason == "stop" else cut, asdict(completion))
            self.made += 1
            return completion

        completion, waited = await self._once.make(cut, make)
        self.reused += waited
        return completion

    def close(self) -> None:
        """End the engine; the journal stays open."""
        self._engine.close()


class JournaledJails:
    """Jails whose verdicts are in the journal. They are entered at the first program that it does not hold.

    `made`: programs that ran; `reused`: programs that were spared; `earlier`: those of an earlier run. A verdict is
    kept with what was measured.
    """

    def __init__(self, jails: Jails | RayJails, journal: Journal) -> None:
        self.made = self.reused = self.earlier = 0
        self._jails = jails
        self._journal = journal
        self._once = Once()
        self._lock = threading.Lock()
        self._entered = False
        self._maker = json.dumps([JAIL_VERSION, sys.version, asdict(jails.limits), jails.repeat], sort_keys=True)

    async def run(self, program: Program) -> Verdict:
        """Return the verdict on a program, from the journal or a jail. Raises SandboxUnavailable and StoreError."""
        key = digest("verdict", self._maker, program.code, program.tests)

        async def make() -> Verdict:
            record, is_earlier = self._journal.find(key)
            if record is not None:
                self.reused += 1
                self.earlier += is_earlier
                return Verdict(**record | {"flags": tuple(record["flags"])})
            verdict = await self._started().run(program)
            self._journal.put(key, asdict(verdict))
            self.made += 1
            return verdict

        verdict, waited = await self._once.make(key, make)
        self.reused += waited
        return verdict

    def close(self) -> None:
        """End the jails; the journal stays open."""
        with self._lock:
            entered, self._entered = self._entered, False
        if entered:
            _in_a_loop_of_its_own(self._jails.__aexit__(None, None, None))

    def _started(self) -> Jails | RayJails:
        with self._lock:
            if not self._entered:
                _in_a_loop_of_its_own(self._jails.__aenter__())
                self._entered = True
            return self._jails


def _in_a_loop_of_its_own(call: Coroutine[Any, Any, T]) -> T:
    """Also where this thread runs an event loop (a notebook)."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, call).result()
