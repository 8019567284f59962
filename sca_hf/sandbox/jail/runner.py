"""One program's side: the loop that forks, and after the fork: run the two parts, say what happened."""

import _signal  # type: ignore[import-not-found]
import _thread
import atexit
import builtins
import contextlib
import marshal
import os
import random
import resource
import sys
import types
import warnings
from types import CodeType
from typing import TYPE_CHECKING, Any, NoReturn, cast

from . import assertions, kernel
from .assertions import NeedsFull
from .reports import SAYS_NEEDS_FULL
from .seccomp import Filter
from .settings import SCRATCH, TOKEN_BYTES
from .streams import ORDER_BYTES, ORDERS, PROGRAM, REPORT

if TYPE_CHECKING:
    from .runners import Full

Outcome = tuple[str, str | None, int | None]
"""Status, exception, line."""

_FILE = "/tmp/program.py"
_RANDOM_SEED = 0
_RECURSION_LIMIT = 1000
# What unittest ends with since Python 3.12: no failure, and no assertion either.
_NO_TESTS_RAN = 5

_running: list["Record"] = []


def serve(number: kernel.SharedNumber, narrow: Filter, record: "Record", full: "Full | None") -> NoReturn:
    """Forks for each order until the first process hangs up. `number`: told that of each program's process. `narrow`:
    the filter of programs."""
    try:
        while order := int.from_bytes(os.read(ORDERS, ORDER_BYTES), "big"):
            size, anew = divmod(order, 2)
            if anew:
                os.chdir(SCRATCH[0])
            if not kernel.fork_sibling(number):
                _run_program(size, narrow, record, full)
                break
    finally:
        os._exit(0)


def _run_program(size: int, narrow: Filter, record: "Record", full: "Full | None") -> None:
    """In the program's own process. `size`: of the program, bytes."""
    try:
        program = os.pread(PROGRAM, size, 0)
        os.closerange(PROGRAM, ORDERS + 1)
        narrow.be_of_caller()
        kernel.install_filter(narrow)
    except BaseException:
        # A program can't do this to itself, so it says that none has run.
        os.kill(os.getpid(), _signal.SIGKILL)
    _send(program[-TOKEN_BYTES:] + perform(program, record, full))


def perform(received: bytes, record: "Record", full: "Full | None") -> bytes:
    """Runs a program as it comes from the compiling process. Returns what there is to say of it."""
    record.offset, code, tests, collects = marshal.loads(received)
    counting = None
    try:
        if type(code) is str:
            rewrite = None if full is None else full.rewrite
            code, tests, collects, counting = assertions.prepare(code, tests, rewrite)
        status, exception, line = execute(code, tests, collects, record, full)
    except NeedsFull:
        return SAYS_NEEDS_FULL
    except assertions.Uncompilable as refusal:
        status, (exception, line) = "syntax-error", refusal.place(record.offset)
    held, last_line, flags = record.counted, record.last_test_line, ""
    if counting is not None:
        held, last_line, flags = counting.held(held, last_line), 0, ",".join(counting.flags)
    # As `reports` reads it, in one line.
    return f"{status}\t{exception or ''}\t{line or 0}\t{held}\t{last_line}\t{flags}\n".encode("utf-8", "replace")


def fix_state() -> None:
    """Before any program: what every fork starts with, so that it is the same for all."""
    # Not through `signal`, which looks up names for the numbers.
    _signal.signal(_signal.SIGINT, _signal.default_int_handler)
    # The compiler's opinion on the tests is nobody's stderr.
    warnings.simplefilter("ignore", SyntaxWarning)
    random.seed(_RANDOM_SEED)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(_RANDOM_SEED)
    sys.setrecursionlimit(_RECURSION_LIMIT)
    # `threading` takes its hook from here when it is imported.
    _thread._excepthook = _fail_in_thread
    if "threading" in sys.modules:
        cast(Any, sys.modules["threading"]).excepthook = _fail_in_thread


class Record:
    """What the assertions, threads and test runners of one program report."""

    def __init__(self) -> None:
        self.offset = 0
        """Lines of the code part, added to lines of the tests."""
        self.counted = 0
        self.failure: tuple[str, int | None] | None = None
        self.unittest_ended = False
        self.last_test_line = 0
        self.namespace: dict[str, Any] = {}

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
            return line + self.offset
        return line if name == assertions.CODE else None


def make_record() -> Record:
    """A new `__main__` and its record."""
    record = Record()
    module = types.ModuleType("__main__")
    record.namespace = module.__dict__
    record.namespace.update(
        {
            "__builtins__": builtins,
            "__file__": _FILE,
            assertions.HELD: record.held,
            assertions.BARE: record.bare,
            assertions.COUNT: record.count,
        }
    )
    sys.modules["__main__"] = module
    _running[:] = [record]
    return record


def execute(code: CodeType, tests: CodeType, collects: bool, record: Record, full: "Full | None") -> Outcome:
    """Runs a compiled program. Raises NeedsFull where the program used a test runner that this jail does not watch."""
    status, exception, line = _run(code, tests, collects, record, full)
    if full is None and "unittest" in sys.modules:
        raise NeedsFull
    if status == "passed" and record.failure is not None:
        return "failed", *record.failure
    return status, exception, line


def _run(code: CodeType, tests: CodeType, collects: bool, record: Record, full: "Full | None") -> Outcome:
    namespace = record.namespace
    try:
        exec(code, namespace)
        exec(tests, namespace)
        if collects and full is not None:
            full.collect(namespace)
        # What a script does at its end: wait for its threads, then its exit functions.
        if "threading" in sys.modules:
            cast(Any, sys.modules["threading"])._shutdown()
        atexit._run_exitfuncs()
    except SystemExit as reason:
        if record.unittest_ended and reason.code in (0, False, None, _NO_TESTS_RAN):
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


def _fail_in_thread(reason: Any) -> None:
    if reason.exc_type is not SystemExit and reason.exc_value is not None:
        for record in _running:
            record.fail(reason.exc_type.__name__, record.line_of(reason.exc_value))
        _show(reason.exc_value)


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


def _send(said: bytes) -> None:
    """Writes what the program's process says."""
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        # Closed or replaced by the program: what it wrote before is kept.
        with contextlib.suppress(Exception):
            stream.flush()  # type: ignore[union-attr]
    try:
        os.write(REPORT, said)
    except MemoryError:
        _use_reserve()
        os.write(REPORT, said)
