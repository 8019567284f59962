"""The jail's first process: a warm interpreter that forks for each program, watches it and clears up after it.

It holds the capabilities of the jail's own user namespace (for clean file systems) and none outside. It never runs
program code, and compiles none: `compiler` does, or the fork where that may be slow or big.
"""

import gc
import os
import signal
import sys
import time
from typing import Any, NamedTuple

from . import assertions, compiler, kernel, messages, reports, runner
from .probe import Probe
from .reports import NEEDS_FULL, read_report
from .runner import Full, Record
from .seccomp import build_narrow, build_wide
from .watch import Ended, Watch

REPORT = 3
"""Where a program's report goes. The jail keeps its own descriptors above it."""
_KEPT_CHARS = 2000
_COLLECT_EVERY = 500
_TOKEN_BYTES = 16
_SIGNAL_NAMES = {int(number): number.name for number in signal.Signals}
SCRATCH = ("/tmp", "/dev/shm")


class Settings(NamedTuple):
    """What a jail is started with. Sizes in bytes."""

    cpu_seconds: float
    wall_seconds: float
    memory_bytes: int
    output_bytes: int
    file_bytes: int
    files: int
    open_files: int
    threads: int


class Broken(Exception):
    """The jail or the machine failed, not the program."""


def serve(control: int, link: int, processes: int, settings: Settings, full: Full | None) -> None:
    """Reports on programs until the compiling process hangs up. `control`: descriptor of the pool's socket. `link`: of
    one to the compiling process. `processes`: of this namespace's /proc, or -1. `full`: None in a jail that keeps to
    what small programs need."""
    warm = _Warm(control, processes, settings, full)
    messages.send(control, {"ready": True})
    served = 0
    while (request := compiler.take(link)) is not None:
        try:
            messages.send(control, warm.run(request))
        except (Broken, OSError, MemoryError) as reason:
            messages.send(control, {"broken": f"{type(reason).__name__}: {reason}"})
            return
        served += 1
        if served % _COLLECT_EVERY == 0:
            gc.unfreeze()
            gc.collect()


class _Warm:
    def __init__(self, control: int, processes: int, settings: Settings, full: Full | None) -> None:
        self._settings = settings
        self._calls = build_narrow()
        self._full = full
        self._rewrite = None if full is None else full.rewrite
        self._clean = [self._mount_scratch(path) for path in SCRATCH]
        os.chdir("/tmp")
        self._probe = Probe()
        self._watch = Watch(control, processes, settings.cpu_seconds, settings.wall_seconds, self._probe)
        # Taken from the start, or a pipe's other end could get it.
        os.dup2(1, REPORT)
        runner.fix_state()
        kernel.rehearse()
        kernel.install_filter(build_wide())
        gc.collect()

    def run(self, request: dict[str, Any]) -> dict[str, Any]:
        """One program's report. Raises Broken or OSError where the jail is at fault."""
        record = runner.make_record(request["offset"])
        self._probe.begin(request["prepared"] if request.get("ask", True) else None)
        token = os.urandom(_TOKEN_BYTES).hex().encode()
        report_end = self._open_streams()
        try:
            started = time.monotonic()
            # What is alive is taken out of the collector's sight, or it would touch it all in the child.
            gc.freeze()
            child = os.fork()
            if child == 0:
                self._child(request, record, token)
            ended = self._watch.until_end(child, started)
            wall = time.monotonic() - started
            # Nothing else can be alive: fork is denied. Belt and braces.
            self._end_all()
            disturbed = self._probe.disturbed(ended.stopped)
            report = self._judge(ended, read_report(report_end, token, self._full is not None))
        finally:
            os.close(report_end)
        self._clean_up()
        if disturbed:
            return self.run(request | {"ask": False})
        if report is NEEDS_FULL:
            return report
        out, too_long = self._output(1)
        err, too_long_too = self._output(2)
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

    def _open_streams(self) -> int:
        """New stdout, stderr and a way back for the next program, at their places in this process already: what is
        done before the fork copies no pages. Returns the end to read its report from."""
        for name, place in (("stdout", 1), ("stderr", 2)):
            descriptor = os.memfd_create(name)
            os.dup2(descriptor, place)
            os.close(descriptor)
        # A report is shorter than a pipe is long; a flood must not block.
        report_end, write_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        os.dup2(write_end, REPORT)
        os.close(write_end)
        return report_end

    def _child(self, request: dict[str, Any], record: Record, token: bytes) -> None:
        """Never returns."""
        try:
            os.closerange(REPORT + 1, self._settings.open_files)
            runner.confine(self._settings.cpu_seconds, self._calls)
        except BaseException:
            # A program can't do this to itself, so it says that none has run.
            os.kill(os.getpid(), signal.SIGKILL)
        try:
            runner.send(REPORT, token, self._compile_and_execute(request, record))
        finally:
            os._exit(0)

    def _compile_and_execute(self, request: dict[str, Any], record: Record) -> dict[str, Any]:
        prepared: assertions.Prepared | None = request["prepared"]
        try:
            if prepared is None:
                prepared = assertions.prepare(request["code"], request["tests"], self._rewrite)
        except assertions.NeedsFull:
            return NEEDS_FULL
        except assertions.Uncompilable as refusal:
            return reports.refused(refusal, request["offset"])
        try:
            self._probe.listen()
            return runner.execute(prepared, record, self._full)
        except assertions.NeedsFull:
            return NEEDS_FULL

    def _end_all(self) -> None:
        try:
            os.kill(-1, signal.SIGKILL)
        except ProcessLookupError:
            return
        while True:
            try:
                os.wait()
            except ChildProcessError:
                return

    def _judge(self, ended: Ended, found: dict[str, Any] | None) -> dict[str, Any]:
        if self._probe.found:
            # What the CPU limit would have said, only later.
            return reports.report("timeout")
        if os.WIFSIGNALED(ended.status) and not ended.stopped:
            number = os.WTERMSIG(ended.status)
            if number != signal.SIGKILL:
                return reports.report("killed", _SIGNAL_NAMES.get(number, f"signal {number}"))
            if ended.cpu_seconds < self._settings.cpu_seconds:
                raise Broken("a program was killed by the machine, which is probably out of memory")
        if os.WIFSIGNALED(ended.status):
            # Which of the two limits it was can depend on the machine's load: see the seconds.
            return reports.report("timeout")
        return found or reports.report("early-exit")

    def _output(self, descriptor: int) -> tuple[str, bool]:
        size = os.fstat(descriptor).st_size
        if size == 0:
            return "", False
        if size <= 2 * _KEPT_CHARS:
            kept = os.pread(descriptor, size, 0)
        else:
            first, last = os.pread(descriptor, _KEPT_CHARS, 0), os.pread(descriptor, _KEPT_CHARS, size - _KEPT_CHARS)
            kept = first + b"\n[...]\n" + last
        return kept.decode("utf-8", "replace"), size > self._settings.output_bytes

    def _mount_scratch(self, path: str) -> tuple[int, int]:
        settings = self._settings
        kernel.mount_tmpfs(path, f"size={settings.file_bytes},nr_inodes={settings.files + 1},mode=0700")
        return _change_of(path)

    def _clean_up(self) -> None:
        for index, path in enumerate(SCRATCH):
            if _change_of(path) != self._clean[index]:
                os.chdir("/")
                kernel.unmount(path)
                self._clean[index] = self._mount_scratch(path)
                os.chdir("/tmp")


def _change_of(path: str) -> tuple[int, int]:
    """Changes with whatever is made, removed or set in a scratch folder: its own times are the kernel's."""
    status = os.stat(path)
    return status.st_ctime_ns, status.st_ino


def hide() -> None:
    """Takes this package out of what a program can import by name."""
    package = __package__ or ""
    for name in [name for name in sys.modules if name == package or name.startswith(package + ".")]:
        del sys.modules[name]
