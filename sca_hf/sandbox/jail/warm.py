"""The jail's first process: a warm interpreter that compiles each program, forks for it, watches it and clears up
after it.

It holds the capabilities of the jail's own user namespace (for clean file systems) and none outside. It never runs
program code: it compiles, and leaves to the fork what may be slow or big to compile.
"""

import gc
import json
import math
import os
import select
import signal
import struct
import sys
import time
from typing import Any, NamedTuple

from . import assertions, kernel, runner
from .runner import Full
from .seccomp import build_filter

_NOTICE_SECONDS = 0.1
_SLEEPING_SHARE = 0.5
_SHORTEST_PAUSE_SECONDS = 0.001
_WAITED_SHARE = 0.1
_PATIENCE = 0.8
_COMPILED_HERE_CHARS = 50_000
_COMPILED_HERE_FINALLY = 3
_REPORT = 3
_REPORT_BYTES = 1 << 16
_KEPT_CHARS = 2000
_COLLECT_EVERY = 500
_TOKEN_BYTES = 16
_LENGTH = struct.Struct("!I")
_SCRATCH = ("/tmp", "/dev/shm")


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


def serve(control: int, processes: int, settings: Settings, full: Full | None) -> None:
    """Answers requests until the other side hangs up. `control`: descriptor of a socket. `processes`: of this
    namespace's /proc, or -1. `full`: None in a jail that keeps to what small programs need."""
    warm = _Warm(control, processes, settings, full)
    send_message(control, {"ready": True})
    served = 0
    while (request := _receive(control)) is not None:
        try:
            send_message(control, warm.run(request))
        except (Broken, OSError, MemoryError) as reason:
            send_message(control, {"broken": f"{type(reason).__name__}: {reason}"})
            return
        served += 1
        if served % _COLLECT_EVERY == 0:
            gc.unfreeze()
            gc.collect()


def send_message(control: int, message: dict[str, Any]) -> None:
    packed = json.dumps(message).encode()
    packed = _LENGTH.pack(len(packed)) + packed
    while packed:
        packed = packed[os.write(control, packed) :]


def _receive(control: int) -> dict[str, Any] | None:
    head = _receive_exactly(control, _LENGTH.size)
    body = head and _receive_exactly(control, _LENGTH.unpack(head)[0])
    if not body:
        return None
    request: dict[str, Any] = json.loads(body)
    return request


def _receive_exactly(control: int, size: int) -> bytes:
    received = bytearray()
    while len(received) < size:
        part = os.read(control, size - len(received))
        if not part:
            return b""
        received += part
    return bytes(received)


class _Warm:
    def __init__(self, control: int, processes: int, settings: Settings, full: Full | None) -> None:
        self._control = control
        self._processes = processes
        self._settings = settings
        self._calls = build_filter()
        self._full = full
        self._rewrite = None if full is None else full.rewrite
        self._clean = [self._mount_scratch(path) for path in _SCRATCH]
        os.chdir("/tmp")
        self._poll = select.poll()
        self._poll.register(control, select.POLLRDHUP)
        runner.fix_state()
        kernel.rehearse()
        gc.collect()

    def run(self, request: dict[str, Any]) -> dict[str, Any]:
        """One program's report. Raises Broken or OSError where the jail is at fault."""
        code, tests = request["code"], request["tests"]
        offset = code.count("\n") + 1
        prepared: assertions.Prepared | None = None
        if not request["careful"] and _compiles_fast(code) and _compiles_fast(tests):
            try:
                prepared = assertions.prepare(code, tests, self._rewrite)
            except assertions.NeedsFull:
                return {"needs_full": True}
            except assertions.Uncompilable as refusal:
                return _nothing_ran(_refused(refusal, offset))
        token = os.urandom(_TOKEN_BYTES).hex().encode()
        output, errors = os.memfd_create("stdout"), os.memfd_create("stderr")
        report_end, write_end = os.pipe()
        try:
            started = time.monotonic()
            # What is alive is taken out of the collector's sight, or it would touch it all in the child.
            gc.freeze()
            child = os.fork()
            if child == 0:
                self._child(code, tests, offset, prepared, token, (output, errors, write_end))
            os.close(write_end)
            write_end = -1
            status, usage, stopped, starved = self._watch(child, started, request["patient"])
            wall = time.monotonic() - started
            # Nothing else can be alive: fork is denied. Belt and braces.
            self._end_all()
            report = self._judge(status, stopped, _read_report(report_end, token))
            out, too_long = self._output(output)
            err, too_long_too = self._output(errors)
        finally:
            for descriptor in (output, errors, report_end, write_end):
                if descriptor >= 0:
                    os.close(descriptor)
        if "needs_full" in report:
            self._clean_up()
            return report
        if (too_long or too_long_too) and report["status"] not in ("timeout", "out-of-memory"):
            report |= {"status": "killed", "exception": "OutputLimit", "line": None}
        self._clean_up()
        return report | {
            "cpu_seconds": usage.ru_utime + usage.ru_stime,
            "wall_seconds": wall,
            "memory_mb": usage.ru_maxrss / 1024,
            "stdout": out,
            "stderr": err,
            "starved": starved,
        }

    def _child(
        self,
        code: str,
        tests: str,
        offset: int,
        prepared: assertions.Prepared | None,
        token: bytes,
        descriptors: tuple[int, int, int],
    ) -> None:
        """Never returns. `descriptors`: what becomes stdout, stderr and the way back."""
        try:
            for place, descriptor in enumerate(descriptors, start=1):
                os.dup2(descriptor, place)
            os.closerange(_REPORT + 1, self._settings.open_files)
            runner.confine(self._settings.cpu_seconds, self._calls)
        except BaseException as reason:
            runner.send(descriptors[-1], token, {"broken": f"{type(reason).__name__}: {reason}"})
            os._exit(1)
        try:
            report = self._compile_and_execute(code, tests, offset, prepared)
            runner.send(_REPORT, token, report)
        finally:
            os._exit(0)

    def _compile_and_execute(
        self, code: str, tests: str, offset: int, prepared: assertions.Prepared | None
    ) -> dict[str, Any]:
        try:
            if prepared is None:
                prepared = assertions.prepare(code, tests, self._rewrite)
        except assertions.NeedsFull:
            return {"needs_full": True}
        except assertions.Uncompilable as refusal:
            return _refused(refusal, offset)
        except Exception as reason:
            return {"broken": f"{type(reason).__name__}: {reason}"}
        try:
            return runner.execute(prepared, offset, self._full)
        except assertions.NeedsFull:
            return {"needs_full": True}

    def _watch(self, child: int, started: float, patient: bool) -> tuple[int, Any, bool, bool]:
        """(wait status, usage, whether it was stopped at a limit, whether it had been kept waiting for a core then).

        `patient`: time in the run queue doesn't count, up to a factor. For the second try, alone.
        """
        settings = self._settings
        clock = _cpu_clock(child)
        pidfd = os.pidfd_open(child)
        stopped = starved = sleeping = False
        pause = min(_NOTICE_SECONDS, settings.cpu_seconds, settings.wall_seconds)
        self._poll.register(pidfd, select.POLLIN)
        try:
            while not (ready := self._poll.poll(math.ceil(pause * 1000))):
                cpu, wall = time.clock_gettime(clock), time.monotonic() - started
                waited = self._waited(child)
                if patient and waited < math.inf:
                    wall -= min(waited, wall * _PATIENCE)
                if cpu >= settings.cpu_seconds or wall >= settings.wall_seconds:
                    stopped = True
                    starved = cpu < settings.cpu_seconds and waited > _WAITED_SHARE * wall
                    os.kill(child, signal.SIGKILL)
                    break
                idle = cpu + min(waited, wall) < _SLEEPING_SHARE * wall
                if idle != sleeping:
                    sleeping = idle
                    send_message(self._control, {"sleeping": sleeping})
                pause = min(_NOTICE_SECONDS, settings.cpu_seconds - cpu, settings.wall_seconds - wall)
                pause = max(pause, _SHORTEST_PAUSE_SECONDS)
            if any(descriptor != pidfd for descriptor, _ in ready):
                # The pool is gone. All that is in this namespace dies with its first process.
                os._exit(0)
        finally:
            self._poll.unregister(pidfd)
            os.close(pidfd)
        _, status, usage = os.wait4(child, 0)
        return status, usage, stopped, starved

    def _waited(self, child: int) -> float:
        """Seconds that its threads stood in the run queue; infinity where the machine doesn't say."""
        if self._processes < 0:
            return math.inf
        try:
            waited = 0
            tasks = os.open(f"{child}/task", os.O_RDONLY | os.O_DIRECTORY, dir_fd=self._processes)
            try:
                for task in os.listdir(tasks):
                    with open(os.open(f"{task}/schedstat", os.O_RDONLY, dir_fd=tasks)) as file:
                        waited += int(file.read().split()[1])
            finally:
                os.close(tasks)
        except (OSError, IndexError, ValueError):
            return math.inf
        return waited / 1e9

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

    def _judge(self, status: int, stopped: bool, report: dict[str, Any] | None) -> dict[str, Any]:
        if stopped:
            # Which of the two limits it was can depend on the machine's load: see the seconds.
            return _report("timeout", None)
        if os.WIFSIGNALED(status):
            number = os.WTERMSIG(status)
            if number == signal.SIGKILL:
                raise Broken("a program was killed by the machine, which is probably out of memory")
            return _report("killed", signal.Signals(number).name)
        if report is None:
            return _report("early-exit", None)
        if "broken" in report:
            raise Broken(str(report["broken"]))
        return report

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
        for index, path in enumerate(_SCRATCH):
            if _change_of(path) != self._clean[index]:
                os.chdir("/")
                kernel.unmount(path)
                self._clean[index] = self._mount_scratch(path)
                os.chdir("/tmp")


def _change_of(path: str) -> tuple[int, int]:
    """Changes with whatever is made, removed or set in a scratch folder: its own times are the kernel's."""
    status = os.stat(path)
    return status.st_ctime_ns, status.st_ino


def _compiles_fast(source: str) -> bool:
    """Nested `finally` blocks double the code at every level; the rest is bounded by the length."""
    return len(source) <= _COMPILED_HERE_CHARS and source.count("finally") <= _COMPILED_HERE_FINALLY


def _refused(refusal: assertions.Uncompilable, offset: int) -> dict[str, Any]:
    line = refusal.line
    if line is not None and refusal.part == assertions.TESTS:
        line += offset
    return _report("syntax-error", refusal.exception) | {"line": line}


def _report(status: str, exception: str | None) -> dict[str, Any]:
    return {"status": status, "exception": exception, "line": None, "assertions": 0, "flags": []}


def _nothing_ran(report: dict[str, Any]) -> dict[str, Any]:
    measured = {"cpu_seconds": 0.0, "wall_seconds": 0.0, "memory_mb": 0.0}
    return report | measured | {"stdout": "", "stderr": "", "starved": False}


def _cpu_clock(child: int) -> int:
    """The clock of a process's CPU time, as `clock_getcpuclockid` has it."""
    return (~child << 3) | 2


def _read_report(report_end: int, token: bytes) -> dict[str, Any] | None:
    """What stands behind the token; anything else in the pipe is the program's own writing."""
    os.set_blocking(report_end, False)
    try:
        written = os.read(report_end, _REPORT_BYTES)
    except BlockingIOError:
        return None
    _, found, rest = written.partition(token)
    line, ended, _ = rest.partition(b"\n")
    if not found or not ended:
        return None
    report: dict[str, Any] = json.loads(line)
    return report


def hide() -> None:
    """Takes this package out of what a program can import by name."""
    package = __package__ or ""
    for name in [name for name in sys.modules if name == package or name.startswith(package + ".")]:
        del sys.modules[name]
