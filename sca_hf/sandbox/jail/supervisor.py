"""The jail's first process: has the warm interpreter run programs, watches them and clears up after them.

It holds the capabilities of the jail's own user namespace (for clean file systems) and none outside. It never runs
program code, and compiles none: `compiler` does, or the fork where that may be slow or big.
"""

import _signal  # type: ignore[import-not-found]
import os
import time
from typing import Any

from . import compiler, kernel, messages, reports
from .compiler import Passed
from .reports import read_report
from .seccomp import build_first
from .settings import SCRATCH, TOKEN_BYTES, Common
from .streams import Streams
from .watch import Broken, Ended, Watch

Look = tuple[list[str], int, int, int, int, tuple[int, int, int]]


def serve(control: int, link: int, common: Common, warm: int, streams: Streams) -> None:
    """Reports on programs until the compiling process hangs up. `control`: descriptor of the pool's socket. `link`: of
    the pipe from the compiling process. `warm`: number of the warm interpreter."""
    supervisor = _Supervisor(control, common, warm, streams)
    messages.send(control, {"ready": True})
    while (program := compiler.take(link)) is not None:
        try:
            messages.send(control, supervisor.run(program))
        except (Broken, OSError, MemoryError) as reason:
            messages.send(control, {"broken": f"{type(reason).__name__}: {reason}"})
            return


class _Supervisor:
    def __init__(self, control: int, common: Common, warm: int, streams: Streams) -> None:
        # Here, so that the warm interpreter has none of it.
        import signal

        self._signal_names = {int(number): number.name for number in signal.Signals}
        self._settings = common.settings
        self._warm = warm
        self._core = -1
        self._streams = streams
        self._number = common.number
        self._anew = True
        self._clean = {path: self._mount_scratch(path) for path in SCRATCH}
        self._watch = Watch(control, common, warm)
        kernel.install_filter(build_first())

    def run(self, program: Passed) -> dict[str, Any]:
        """One program's report. Raises Broken or OSError where the jail is at fault."""
        if program.core != self._core:
            self._core = program.core
            for process in (0, self._warm):
                kernel.keep_to(self._core, process)
        self._number.place.value = 0
        token = os.urandom(TOKEN_BYTES // 2).hex().encode()
        started = time.monotonic()
        self._streams.start(program.packed + token, self._anew)
        self._anew = False
        ended = self._watch.until_end(started, program.cpu_seconds)
        wall = time.monotonic() - started + program.cpu_seconds
        report = self._judge(ended, read_report(self._streams.take_report(), token, program.flags))
        out, too_long = self._output(self._streams.out)
        err, too_long_too = self._output(self._streams.err)
        self._clean_up()
        if "needs" in report:
            return report
        if (too_long or too_long_too) and report["status"] not in ("timeout", "out-of-memory"):
            report |= {"status": "killed", "exception": "OutputLimit", "line": None}
        return report | {
            "cpu_seconds": ended.cpu_seconds,
            "wall_seconds": wall,
            "memory_mb": ended.usage.ru_maxrss / 1024,
            "stdout": out,
            "stderr": err,
            "starved": ended.starved,
        }

    def _judge(self, ended: Ended, found: dict[str, Any] | None) -> dict[str, Any]:
        if os.WIFSIGNALED(ended.status) and not ended.stopped:
            number = os.WTERMSIG(ended.status)
            if number != _signal.SIGKILL or ended.lowered:
                return reports.report("killed", self._signal_names.get(number, f"signal {number}"))
            if ended.cpu_seconds < self._settings.cpu_seconds:
                raise Broken("a program was killed by the machine, which is probably out of memory")
        if os.WIFSIGNALED(ended.status):
            # Which of the two limits it was can depend on the machine's load: see the seconds.
            return reports.report("timeout")
        return found or reports.report("early-exit")

    def _output(self, stream: int) -> tuple[str, bool]:
        kept, size = self._streams.take(stream, self._settings.kept_bytes // 2)
        return kept.decode("utf-8", "replace"), size > self._settings.output_bytes

    def _mount_scratch(self, path: str) -> Look:
        settings = self._settings
        kernel.mount_tmpfs(path, f"size={settings.file_bytes},nr_inodes={settings.files + 1},mode=0700")
        return _look_at(path)

    def _clean_up(self) -> None:
        for path, clean in self._clean.items():
            if _look_at(path) != clean:
                kernel.unmount(path)
                self._anew = True
                self._clean[path] = self._mount_scratch(path)


def _look_at(path: str) -> Look:
    """All that a program can see of an empty scratch folder. Its times alone don't tell whether it is empty: before
    Linux 6.13, they are as coarse as the kernel's ticks."""
    status = os.stat(path)
    times = status.st_atime_ns, status.st_mtime_ns, status.st_ctime_ns
    return os.listdir(path), status.st_mode, status.st_uid, status.st_gid, status.st_ino, times
