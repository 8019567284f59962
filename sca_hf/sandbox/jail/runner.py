"""One program's side: the loop that forks, and after the fork: run the two parts, say what happened.

This module is made last of all (`late`), so that what it needs lies together. Each page that is written in a fork is
copied, also where only an object's count of references is: so what is called here for each program has a name of its
own here, which is looked up without a write, and nothing is asked of objects that were made elsewhere.
"""

import _signal  # type: ignore[import-not-found]
import _thread
import atexit
import builtins
import io
import marshal
import os
import random
import resource
import sys
import types
import warnings
from collections.abc import Callable
from functools import partial
from types import CodeType
from typing import TYPE_CHECKING, Any, NoReturn, cast

from . import assertions
from .assertions import NeedsFull
from .exercise import ROUNDS, TEXTS
from .kernel import Forking
from .reports import SAYS_NEEDS_FULL
from .settings import SCRATCH, TOKEN_BYTES
from .streams import ORDER_BYTES, ORDERS, PROGRAM, REPORT

if TYPE_CHECKING:
    from .runners import Full

Outcome = tuple[str, str | None, int | None]
"""Status, exception, line."""

_FILE = "/tmp/program.py"
_HOME = SCRATCH[0]
_RANDOM_SEED = 0
_RECURSION_LIMIT = 1000
# What unittest ends with since Python 3.12: no failure, and no assertion either.
_NO_TESTS_RAN = 5
_STREAM_BYTES = 4096

# A call of a partial writes to it, and not to the function in it.
_number, _exec, _exit, _loads = partial(int.from_bytes), partial(exec), partial(os._exit, 0), partial(marshal.loads)
_read_order = partial(os.read, ORDERS, ORDER_BYTES)
_read_program, _close_others = partial(os.pread, PROGRAM), partial(os.closerange, PROGRAM, ORDERS + 1)
_write_report = partial(os.write, REPORT)
_exit_functions: Callable[[], int] = partial(atexit._ncallbacks)
_modules, _system = sys.modules, sys.__dict__

_running: list["Record"] = []
_streams: list[tuple[str, io.TextIOWrapper, Callable[[], None], object]] = []


def serve(forking: Forking, record: "Record", full: "Full | None") -> NoReturn:
    """Forks for each order until the first process hangs up."""
    clone, mark, confine = forking
    while order := _number(_read_order()):
        if order & 1:
            os.chdir(_HOME)
        child = clone()
        if not child:
            try:
                try:
                    program = _read_program(order >> 1, 0)
                    _close_others()
                    mark()
                    if confine():
                        raise OSError
                except BaseException:
                    # A program can't do this to itself, so it says that none has run.
                    os.kill(os.getpid(), _signal.SIGKILL)
                send(program[-TOKEN_BYTES:] + perform(program, record, full))
            finally:
                _exit()
        if child < 0:
            break
    _exit()


def perform(received: bytes, record: "Record", full: "Full | None") -> bytes:
    """Runs a program as it comes from the compiling process. Returns what there is to say of it."""
    record.offset, code, tests, collects = _loads(received)
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
    # As `reports` reads it, in one line: encoding JSON in a fork touches dozens of pages.
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


def renew_streams() -> None:
    """Makes the standard streams again, as they were."""
    for place, name in ((1, "stdout"), (2, "stderr")):
        old = getattr(sys, name)
        raw = io.FileIO(place, "wb", closefd=False)
        raw.name = old.name
        buffer = io.BufferedWriter(raw, _STREAM_BYTES)
        new = io.TextIOWrapper(buffer, old.encoding, old.errors, "\n", old.line_buffering, old.write_through)
        new.mode = old.mode  # type: ignore[misc]
        setattr(sys, name, new)
        setattr(sys, f"__{name}__", new)
        # The old ones are kept, or the next would lie where they did.
        _streams.append((name, new, new.flush, old))


def rehearse() -> None:
    """Runs a program often enough that the interpreter has specialised this module, and looked up what programs of its
    kind call: else each of them does, and writes it down. Before `make_record`."""
    names = assertions.CODE, assertions.TESTS
    code, tests = (compile(part, name, "exec", optimize=0) for part, name in zip(TEXTS, names, strict=True))
    program = marshal.dumps((1, code, tests, False))
    for _ in range(ROUNDS):
        record = make_record()
        record.ends = False
        perform(program, record, None)
    # Nothing holds the last one's.
    make_record()


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
        self.ends = True
        """False: the interpreter goes on, and so do its threads."""

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
    if full is None and "unittest" in _modules:
        raise NeedsFull
    if status == "passed" and record.failure is not None:
        return "failed", *record.failure
    return status, exception, line


def _run(code: CodeType, tests: CodeType, collects: bool, record: Record, full: "Full | None") -> Outcome:
    namespace = record.namespace
    try:
        _exec(code, namespace)
        _exec(tests, namespace)
        if collects and full is not None:
            full.collect(namespace)
        if record.ends:
            # What a script does at its end: wait for its threads, then its exit functions.
            if "threading" in _modules:
                cast(Any, _modules["threading"])._shutdown()
            if _exit_functions():
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


def send(said: bytes) -> None:
    """Writes what the program's process says."""
    try:
        for name, stream, flush, _ in _streams:
            if _system[name] is stream:
                flush()
            else:
                _system[name].flush()
    except Exception:
        # The program closed or replaced its own output; what it wrote before is kept.
        sys.stdout = sys.stderr = None
    try:
        _write_report(said)
    except MemoryError:
        _use_reserve()
        _write_report(said)
