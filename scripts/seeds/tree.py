"""What a measurement costs: CPU time and memory of this process and all below it."""

from __future__ import annotations

import ctypes
import math
import os
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from processes import tree

Made = TypeVar("Made")

_DISK_SECONDS = 5.0
_REAP_SECONDS = 3.0
_PR_SET_CHILD_SUBREAPER = 36
_MEMORY = re.compile(r"^(Pss|Pss_File): +(\d+)", re.MULTILINE)


def timed(function: Callable[[], Made]) -> tuple[Made, float]:
    """What the function gives, and the seconds that it took."""
    began = time.perf_counter()
    return function(), time.perf_counter() - began


class Tree:
    """This process and all below it, looked at again and again.

    `cpu_seconds`: used meanwhile, by processes too that came and went between two looks, but without what the looks
    took, which is more the more memory there is to look at. `peak_mib`: most memory at one moment, pages that several
    share counted once; `peak_own_mib`: without pages of files, which the system takes back when it needs them.
    `peak_disk_mib`: most that was in `folder` at one moment.
    """

    def __init__(self, folder: Path | None = None, seconds: float = 0.1) -> None:
        """`seconds`: between two looks."""
        self._folder = folder
        self._seconds = seconds

    def __enter__(self) -> Tree:
        self.peak_mib = self.peak_own_mib = self.peak_disk_mib = 0.0
        # What outlives its parent becomes a child of this process, so that its time counts here when it is waited for.
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
        self._before = _cpu_seconds()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        _wait_for_orphans()
        self.cpu_seconds = _cpu_seconds() - self._before - self._looking_seconds

    def _watch(self) -> None:
        looked_at_disk = -math.inf
        while not self._over.wait(self._seconds):
            memory = [_memory_mib(process) for process in tree(os.getpid())]
            self.peak_mib = max(self.peak_mib, sum(whole for whole, _ in memory))
            self.peak_own_mib = max(self.peak_own_mib, sum(whole - files for whole, files in memory))
            if self._folder and time.monotonic() - looked_at_disk > _DISK_SECONDS:
                self.peak_disk_mib = max(self.peak_disk_mib, _disk_mib(self._folder))
                looked_at_disk = time.monotonic()
        self._looking_seconds = time.thread_time()


def _cpu_seconds() -> float:
    """Of this process and all that it or its children have waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _wait_for_orphans() -> None:
    until = time.monotonic() + _REAP_SECONDS
    while time.monotonic() < until:
        try:
            ended, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not ended:
            time.sleep(0.05)


def _memory_mib(process: int) -> tuple[float, float]:
    """All of it, and that of files."""
    try:
        found = dict(_MEMORY.findall(Path(f"/proc/{process}/smaps_rollup").read_text()))
    except OSError:
        found = {}
    return int(found.get("Pss", 0)) / 1024, int(found.get("Pss_File", 0)) / 1024


def _disk_mib(folder: Path) -> float:
    blocks = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                blocks += os.lstat(os.path.join(parent, name)).st_blocks  # noqa: PTH118
            except OSError:
                continue
    return blocks * 512 / 2**20
