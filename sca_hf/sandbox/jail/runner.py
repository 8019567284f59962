"""One program's side, after the fork: give up all power, run the two parts, say what happened."""

import atexit
import builtins
import gc
import json
import os
import random
import resource
import signal
import sys
import threading
import types
import unittest
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from . import assertions, kernel, pytest_style
from .assertions import Prepared
from .seccomp import Filter

Outcome = tuple[str, str | None, int | None]
"""Status, exception, line."""

_RESERVE_BYTES = 64 << 20
_FILE = "/tmp/program.py"
_RANDOM_SEED = 0
_RECURSION_LIMIT = 1000
_default_warning_filters = list(warnings.filters)


@dataclass(frozen=True)
class Confinement:
    """What a program may use, in the kernel's terms."""

    cpu_seconds: float
    memory_bytes: int
    threads: int
    filter: Filter


def confine(limits: Confinement) -> None:
    """No capabilities, no way to more, limits, and the call filter. Raises OSError; nothing of the program has run."""
    os.setsid()
    hard = int(limits.cpu_seconds) + 3
    # Behind the jail's own watch on the CPU clock, which is finer.
    resource.setrlimit(resource.RLIMIT_CPU, (hard, hard))
    # The jail's first process counts as one.
    resource.setrlimit(resource.RLIMIT_NPROC, (limits.threads + 1, limits.threads + 1))
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes + _RESERVE_BYTES))
    kernel.drop_capabilities()
    kernel.install_filter(limits.filter)


def execute(prepared: Prepared, offset: int, preloaded: frozenset[str]) -> dict[str, Any]:
    """Runs a compiled program in a new `__main__`. `offset`: lines of the code part, added to lines of the tests."""
    record = _Record(offset)
    module = types.ModuleType("__main__")
    namespace = module.__dict__
    namespace["__builtins__"] = builtins
    namespace["__file__"] = _FILE
    namespace[assertions.HELD] = record.held
    namespace[assertions.BARE] = record.bare
    namespace[assertions.COUNT] = record.count
    sys.modules["__main__"] = module
    _start_clean(record, preloaded)
    status, exception, line = _run(prepared, namespace, record)
    count = record.counted
    if status == "passed" and record.failure is not None:
        status, exception, line = "failed", *record.failure
    elif status == "passed" and not count:
        status = "no-assertion"
    if record.last_test_line and prepared.counts_at(record.last_test_line):
        count -= 1
    return {"status": status, "exception": exception, "line": line, "assertions": count, "flags": prepared.flags}


def _run(prepared: Prepared, namespace: dict[str, Any], record: "_Record") -> Outcome:
    try:
        exec(prepared.code, namespace)
        exec(prepared.tests, namespace)
        if prepared.pytest and not pytest_style.has_run():
            pytest_style.run(namespace)
        # What a script does at its end: wait for its threads, then its exit functions.
        if threading.active_count() > 1:
            threading._shutdown()  # type: ignore[attr-defined]
        if atexit._ncallbacks():
            atexit._run_exitfuncs()
    except SystemExit as reason:
        if record.unittest_ended and reason.code in (0, False, None):
            return "passed", None, None
        if record.failure is not None:
            return "failed", *record.failure
        return "early-exit", "SystemExit", record.line_of(reason)
    except MemoryError as reason:
        _use_reserve()
        return "out-of-memory", "MemoryError", record.line_of(reason)
    except BaseException as reason:
        _use_reserve()
        line = record.line_of(reason)
        _show(reason)
        if type(reason) is AssertionError and record.failure is not None:
            return "failed", *record.failure
        return "failed", type(reason).__name__, line
    return "passed", None, None


class _Record:
    """What the assertions, threads and test runners of one program report."""

    def __init__(self, offset: int) -> None:
        self.counted = 0
        self.failure: tuple[str, int | None] | None = None
        self.unittest_ended = False
        self.last_test_line = 0
        self._offset = offset

    def count(self) -> None:
        self.counted += 1

    def held(self, value: object) -> bool:
        if value:
            self.counted += 1
            return True
        return self._fails()

    def bare(self, value: object) -> bool:
        return True if value else self._fails()

    def _fails(self) -> bool:
        frame = sys._getframe(2)
        self.fail("AssertionError", self._line(frame.f_code.co_filename, frame.f_lineno))
        return False

    def fail(self, exception: str, line: int | None) -> None:
        """Keeps the first."""
        if self.failure is None:
            self.failure = exception, line

    def line_of(self, reason: BaseException) -> int | None:
        """Line of the innermost frame that is the program's."""
        line = None
        step = reason.__traceback__
        while step is not None:
            name = step.tb_frame.f_code.co_filename
            here = self._line(name, step.tb_lineno)
            if here is not None:
                line = here
            if name == assertions.TESTS:
                self.last_test_line = step.tb_lineno
            step = step.tb_next
        return line

    def _line(self, name: str, line: int) -> int | None:
        if name == assertions.TESTS:
            return line + self._offset
        return line if name == assertions.CODE else None


def _start_clean(record: _Record, preloaded: frozenset[str]) -> None:
    """The state that a fresh interpreter would have, the same for every program."""
    cast(list[Any], warnings.filters)[:] = _default_warning_filters
    warnings._filters_mutated()  # type: ignore[attr-defined]
    random.seed(_RANDOM_SEED)
    if "numpy" in preloaded:
        sys.modules["numpy"].random.seed(_RANDOM_SEED)
    sys.setrecursionlimit(_RECURSION_LIMIT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.excepthook = _thread_hook(record)
    _watch_unittest(record)
    gc.enable()


def _thread_hook(record: _Record) -> Callable[[Any], None]:
    def failed(reason: Any) -> None:
        if reason.exc_type is not SystemExit and reason.exc_value is not None:
            record.fail(reason.exc_type.__name__, record.line_of(reason.exc_value))
            _show(reason.exc_value)

    return failed


def _watch_unittest(record: _Record) -> None:
    """A failing test fails the program, whatever it does with the result."""
    program: Any = unittest.TestProgram
    result: Any = unittest.TestResult
    run_tests, add_unexpected, add_subtest = program.runTests, result.addUnexpectedSuccess, result.addSubTest

    def watched_run(self: Any) -> None:
        try:
            run_tests(self)
        finally:
            record.unittest_ended = True

    def keep(reason: Any) -> None:
        if reason is not None:
            record.fail(reason[0].__name__, record.line_of(reason[1]))

    def watched(add: Callable[..., None]) -> Callable[..., None]:
        def watched_add(self: Any, test: Any, reason: Any) -> None:
            keep(reason)
            add(self, test, reason)

        return watched_add

    def watched_subtest(self: Any, test: Any, subtest: Any, reason: Any) -> None:
        keep(reason)
        add_subtest(self, test, subtest, reason)

    def watched_unexpected(self: Any, test: Any) -> None:
        record.fail("UnexpectedSuccess", None)
        add_unexpected(self, test)

    program.runTests = watched_run
    result.addError, result.addFailure = watched(result.addError), watched(result.addFailure)
    result.addSubTest, result.addUnexpectedSuccess = watched_subtest, watched_unexpected


def _use_reserve() -> None:
    """Lifts the memory limit by what is kept back for saying that it was reached."""
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def _show(reason: BaseException) -> None:
    """As the interpreter would, on the program's stderr, from the program's first frame on."""
    step = reason.__traceback__
    while step is not None and step.tb_frame.f_code.co_filename not in (assertions.CODE, assertions.TESTS):
        step = step.tb_next
    try:
        sys.__excepthook__(type(reason), reason.with_traceback(step or reason.__traceback__), step)
    except Exception:
        # Its stderr is closed or replaced: the verdict says what happened.
        return


def send(descriptor: int, token: bytes, report: dict[str, Any]) -> None:
    """Writes the report behind the token that proves where it comes from."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except Exception:
        # The program closed or replaced its own output; what it wrote before is kept.
        sys.stdout = sys.stderr = None
    os.write(descriptor, token + json.dumps(report).encode() + b"\n")
