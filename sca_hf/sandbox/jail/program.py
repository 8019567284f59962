"""One program's side: the loop that forks, and after the fork: run the two parts, say what happened."""

import _signal  # type: ignore[import-not-found]
import _thread
import atexit
import builtins
import contextlib
import importlib.util
import marshal
import os
import random
import resource
import sys
import types
import warnings
from collections.abc import Callable
from types import CodeType
from typing import TYPE_CHECKING, Any, NoReturn, cast

from . import assertions, kernel
from .assertions import Facts
from .record import CODE, TESTS, Record, place_of
from .seccomp import Filter
from .settings import SCRATCH, TOKEN_BYTES
from .streams import ORDER_BYTES, ORDERS, PROGRAM, REPORT

if TYPE_CHECKING:
    from .test_runners import Runners

Outcome = tuple[str, str | None, int | None]
"""Status, exception, line."""

_FOLDER = os.path.dirname(__file__)
_RANDOM_SEED = 0
_RECURSION_LIMIT = 1000
_THREAD_STACK_BYTES = 2 << 20
# What unittest ends with since Python 3.12: no failure, and no assertion either.
_NO_TESTS_RAN = 5

_running: list[Record] = []


def serve(number: kernel.SharedNumber, narrow: Filter, record: Record, runners: "Runners | None") -> NoReturn:
    """Forks for each order until the first process hangs up. `number`: told that of each program's process. `narrow`:
    the filter of programs."""
    try:
        while order := int.from_bytes(os.read(ORDERS, ORDER_BYTES), "big"):
            size, anew = divmod(order, 2)
            if anew:
                os.chdir(SCRATCH[0])
            if not kernel.fork_sibling(number):
                _run_program(size, narrow, record, runners)
                break
    finally:
        os._exit(0)


def _run_program(size: int, narrow: Filter, record: Record, runners: "Runners | None") -> None:
    """In the program's own process. `size`: of the program, bytes."""
    try:
        program = os.pread(PROGRAM, size, 0)
        os.closerange(PROGRAM, ORDERS + 1)
        narrow.be_of_caller()
        kernel.install_filter(narrow)
    except BaseException:
        # A program can't do this to itself, so it says that none has run.
        os.kill(os.getpid(), _signal.SIGKILL)
    _send(program[-TOKEN_BYTES:] + perform(program, record, runners))


def perform(received: bytes, record: Record, runners: "Runners | None") -> bytes:
    """Run a program as it comes from the compiling process. Return what there is to say, as `reports` reads it."""
    code, tests, plain = marshal.loads(received)
    flags: list[str] = []
    try:
        if plain is None:
            code, tests, facts, flags = assertions.prepare(code, tests)
        else:
            facts = Facts(*plain)
        status, exception, line = execute(code, tests, facts, record, runners)
    except _Needs as needs:
        return f"{needs}\n".encode()
    except assertions.Uncompilable as refusal:
        status, exception, line = refusal.status, refusal.exception, refusal.line
    said = f"{status}\t{exception or ''}\t{line or 0}\t{record.counted}\t{','.join(flags)}\n"
    return said.encode("utf-8", "replace")


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
    # A hundred threads of the usual 8 MiB would take most of the memory that small limits leave.
    _thread.stack_size(_THREAD_STACK_BYTES)
    sys.unraisablehook = _fail_unraisable
    # `threading` takes its hook from here when it is imported.
    _thread._excepthook = _fail_in_thread
    if "threading" in sys.modules:
        cast(Any, sys.modules["threading"]).excepthook = _fail_in_thread


class _Needs(Exception):
    """The program must go to another jail, a "full" one or one with "pytest"."""


def make_record() -> Record:
    """Make a new `__main__` and its record."""
    module = types.ModuleType("__main__")
    module.__dict__.update({"__builtins__": builtins, "__file__": CODE})
    record = Record(module.__dict__)
    sys.modules["__main__"] = module
    _running[:] = [record]
    return record


def execute(code: CodeType, tests: CodeType, facts: Facts, record: Record, runners: "Runners | None") -> Outcome:
    """Run a compiled program and judge it. Raises _Needs."""
    record.offset = facts.offset
    if facts.uses_pytest or facts.uses_mocks:
        _of_runners(runners, lambda found: found.begin(facts))
    _let_import(facts.modules)
    if facts.sources is not None:
        for name, source in zip((CODE, TESTS), facts.sources, strict=True):
            with open(name, "w", encoding="utf-8", errors="replace") as file:
                file.write(source)
    status, exception, line = _run(code, tests, facts, record, runners)
    if runners is None and "unittest" in sys.modules:
        raise _Needs("full")
    if status != "passed":
        return status, exception, line
    if record.failures:
        return "failed", *record.failures[0]
    for line, _, _ in record.missing(facts.tests):
        return "tests-not-run", None, line + facts.offset
    if facts.doctest and not record.doctests:
        return "tests-not-run", None, facts.doctest + facts.offset
    return "passed" if record.counted else "no-assertion", None, None


def _run(code: CodeType, tests: CodeType, facts: Facts, record: Record, runners: "Runners | None") -> Outcome:
    begun = False
    try:
        try:
            exec(code, record.namespace)
            record.begin_tests(facts.defined)
            begun = True
            exec(tests, record.namespace)
            if record.missing(facts.tests):
                _of_runners(runners, lambda found: found.run_rest(facts))
        except SystemExit as reason:
            if not begun or not _is_end(reason, facts, record):
                raise
        # What a script does at its end: wait for its threads, then its exit functions.
        if "threading" in sys.modules:
            cast(Any, sys.modules["threading"])._shutdown()
        atexit._run_exitfuncs()
    except _Needs:
        raise
    except SystemExit as reason:
        if record.failures:
            return "failed", *record.failures[0]
        status = "tests-not-run" if record.runner_ended and not begun else "early-exit"
        return status, "SystemExit", record.line_of(reason)
    except MemoryError as reason:
        _use_reserve()
        return "out-of-memory", "MemoryError", record.line_of(reason)
    except BaseException as reason:
        _use_reserve()
        line = record.line_of(reason)
        _show(reason)
        if isinstance(reason, AssertionError) and record.failures:
            return "failed", *record.failures[0]
        return "failed", type(reason).__name__, line
    return "passed", None, None


def _of_runners(runners: "Runners | None", call: "Callable[[Runners], None]") -> None:
    """Call what a full jail has. Raises _Needs."""
    if runners is None:
        raise _Needs("full")
    try:
        call(runners)
    except ImportError:
        raise _Needs("pytest") from None


def _is_end(reason: SystemExit, facts: Facts, record: Record) -> bool:
    """Return whether a program ended as it should: by a test runner, or by the last statement of its tests."""
    if record.runner_ended and reason.code in (0, False, None, _NO_TESTS_RAN):
        return True
    step = reason.__traceback__
    while step is not None and step.tb_frame.f_code.co_filename != TESTS:
        step = step.tb_next
    at_end = step is not None and step.tb_lineno >= facts.last_line
    return at_end and reason.code in (0, False, None) and place_of(step)[0] == TESTS


def _let_import(modules: list[str]) -> None:
    """Let the tests import the answer from modules of which there are no others."""
    for name in modules:
        parts = name.split(".")
        if parts[0] not in sys.modules and importlib.util.find_spec(parts[0]) is None:
            for count in range(len(parts)):
                sys.modules[".".join(parts[: count + 1])] = sys.modules["__main__"]


def _fail_in_thread(reason: Any) -> None:
    if reason.exc_type is not SystemExit and reason.exc_value is not None:
        for record in _running:
            record.fail_by(reason.exc_value)
        _show(reason.exc_value)


def _use_reserve() -> None:
    """Lifts the memory limit by what is kept back for saying that it was reached."""
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def _fail_unraisable(reason: Any) -> None:
    """A check that failed where nothing can be raised: in an exit function, or in a finalizer."""
    if isinstance(reason.exc_value, AssertionError):
        for record in _running:
            record.fail_by(reason.exc_value)
    sys.__unraisablehook__(reason)


def _show(reason: BaseException) -> None:
    """As the interpreter would, on the program's stderr, without frames of this package."""
    frames = []
    step = reason.__traceback__
    while step is not None:
        if not step.tb_frame.f_code.co_filename.startswith(_FOLDER):
            frames.append(step)
        step = step.tb_next
    trace = None
    for frame in reversed(frames):
        trace = types.TracebackType(trace, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    # Its stderr may be closed or replaced: the verdict says what happened.
    with contextlib.suppress(Exception):
        sys.__excepthook__(type(reason), reason.with_traceback(trace), trace)


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
