"""Runs of the demo recipe that are killed again and again, at random moments, and one that is not."""

import ctypes
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from sca_hf.store import Store

LONGEST_SECONDS = 45.0
"""A run is killed between its start and then; loading the model takes about half of that on 2 cores."""

GONE_SECONDS = 10.0
_PR_SET_CHILD_SUBREAPER = 36


def measure_kills(model: str, count: int, seed_count: int, folder: Path | None) -> None:
    """Print what of `count` kills was repeated, left running, and lost. AssertionError: a promise was broken."""
    # What loses its parent becomes this process's own child, so nothing can hide from it.
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    chance = random.Random(0)
    settings = ["--recipe", "demo", "--limit", str(seed_count), "--model", model]
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        began = time.monotonic()
        reference = _Store(Path(scratch) / "reference", settings)
        reference.finish()
        print(json.dumps({"without kills, s": round(time.monotonic() - began), "seeds": seed_count}), flush=True)
        stores: list[_Store] = []
        left = count
        while left:
            stores.append(_Store(Path(scratch) / f"killed-{len(stores)}", settings))
            while left and stores[-1].is_killed_after(chance.uniform(0.0, LONGEST_SECONDS)):
                left -= 1
            stores[-1].finish()
            assert stores[-1].manifests() == reference.manifests()
        kills = [kill for store in stores for kill in store.kills]
        first = [seconds for store in stores for seconds in store.first_tokens]
        figures = {
            "kills": len(kills),
            "stores filled, all with the same bytes": len(stores),
            "calls and programs": sum(store.written for store in stores),
            "in flight at the kills": sum(kill.in_flight for kill in kills),
            "asked again": sum(store.repeated for store in stores),
            "of these not in flight": 0,
            "engine ready to first token s, median": round(statistics.median(first), 2),
            "engine ready to first token s, most": round(max(first), 2),
            "kill to last process gone s, most": round(max(kill.gone for kill in kills), 2),
        }
        print(json.dumps(figures))


@dataclass(frozen=True)
class _Kill:
    in_flight: int
    gone: float


@dataclass
class _Store:
    """A store, and what the runs that fill it have noted (see noted_run.py)."""

    folder: Path
    settings: list[str]
    kills: list[_Kill] = field(default_factory=list)
    first_tokens: list[float] = field(default_factory=list)
    written: int = 0
    repeated: int = 0
    _asked: set[str] = field(default_factory=set)
    _open: set[str] = field(default_factory=set)

    def is_killed_after(self, seconds: float) -> bool:
        """Start a run, and kill it if it has not ended after so long."""
        run = self._start()
        try:
            run.wait(seconds)
        except subprocess.TimeoutExpired:
            killed_at = time.monotonic()
            run.send_signal(signal.SIGKILL)
            run.wait()
            self.kills.append(_Kill(self._read_notes(), _seconds_until_gone(killed_at)))
            print(json.dumps({"killed after s": round(seconds, 1)} | self.kills[-1].__dict__), flush=True)
            return True
        self._check_ended(run)
        return False

    def finish(self) -> None:
        """Run to the end. A run before may have ended: then this one finds all in the store."""
        run = self._start()
        run.wait()
        self._check_ended(run)

    def manifests(self) -> dict[str, tuple[str, str]]:
        """What tells the bytes of all versions."""
        versions = Store(self.folder).versions()
        return {version.dataset: (version.fingerprint, version.manifest_sha) for version in versions}

    def _start(self) -> "subprocess.Popen[bytes]":
        self.folder.mkdir(exist_ok=True)
        (self.folder / "notes").unlink(missing_ok=True)
        script = Path(__file__).with_name("noted_run.py")
        with (self.folder / "output").open("ab") as output:
            return subprocess.Popen(
                [sys.executable, script, self.folder / "notes", *self.settings, "--store", self.folder],
                stdout=output,
                stderr=output,
                env=os.environ | {"HF_DATASETS_CACHE": str(self.folder / "cache")},
            )

    def _check_ended(self, run: "subprocess.Popen[bytes]") -> None:
        assert run.returncode == 0, (self.folder / "output").read_text(errors="replace")[-3000:]
        assert self._read_notes() == 0
        _seconds_until_gone(time.monotonic())

    def _read_notes(self) -> int:
        """Of the run that was started last; gives the calls that it had in flight at its end."""
        notes = self.folder / "notes"
        in_flight: set[str] = set()
        ready = 0.0
        tokens: list[float] = []
        for line in notes.read_text().splitlines() if notes.exists() else ():
            what, key, at = line.split()
            if what == "ready":
                ready = float(at)
            elif what == "asked":
                assert key not in self._asked or key in self._open, "what was in the journal was asked again"
                self.repeated += key in self._asked
                self._asked.add(key)
                in_flight.add(key)
            elif what == "token":
                tokens.append(float(at))
            elif what == "refused":
                self._asked.discard(key)
                in_flight.discard(key)
            elif what == "written":
                self.written += 1
                in_flight.discard(key)
                self._open.discard(key)
        self.first_tokens += [min(tokens) - ready] if tokens else []
        self._open |= in_flight
        return len(in_flight)


def _seconds_until_gone(since: float) -> float:
    """Reap what a run has left, all of it this process's children by now."""
    while time.monotonic() - since < GONE_SECONDS:
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG)
        except ChildProcessError:
            return time.monotonic() - since
        time.sleep(0.01)
    raise AssertionError(f"{GONE_SECONDS:.0f} s after a run some of its processes live on")
