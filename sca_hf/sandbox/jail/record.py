"""What the checks of one program report while it runs, and what they count for."""

import functools
import sys
from collections.abc import Iterable
from types import CodeType, FunctionType, TracebackType
from typing import Any

CODE, TESTS = "/tmp/program.py", "/tmp/test_program.py"
"""File names of the two parts in tracebacks."""

RAN = "__sca_ran__"
"""Name of the flag that the answer's functions store when they are entered."""

COMPARED, EXERCISED, CALLED = range(3)
"""How the tests use a name of the answer: as an operand or an argument; called, or something of it asked for; called
where an error is expected, which may come before any code of it runs."""

_ALWAYS_TRUE = frozenset(
    {"function", "method", "builtin_function_or_method", "method-wrapper", "wrapper_descriptor", "method_descriptor"}
    | {"type", "EnumType", "EnumMeta", "ABCMeta", "module", "property", "staticmethod", "classmethod"}
    | {"generator", "coroutine", "async_generator", "map", "filter", "zip", "enumerate", "reversed"}
    | {"Mock", "MagicMock", "AsyncMock", "NonCallableMock", "NonCallableMagicMock"}
)
"""Names of types whose objects are true whatever they hold. A mock's are true unless it is told otherwise."""

_MISSING = object()


Test = tuple[int, str, str]
"""Of a test function: its first line, with its decorators; its name; the name of its class, or ""."""


def hook_name(method: str) -> str:
    """Return the name by which an instrumented program calls a method of its record."""
    return f"__sca_{method}_hook__"


class Record:
    """Belongs to one program. Its hooks are called by the program itself."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self.namespace = namespace
        self.offset = 0
        """Lines of the code part, added to lines of the tests."""
        self.counted = 0
        self.failures: list[tuple[str, int | None]] = []
        self.started: set[int] = set()
        """First lines of tests that were started, or were skipped by their runner."""
        self.runner_ended = False
        self.doctests = 0
        """Examples that were compared."""
        self._own: dict[str, Any] = {}
        hooks = (
            self.ran,
            self.use,
            self.replaced,
            self.start,
            self.held,
            self.bare,
            self.count,
            self.all,
            self.raising,
        )
        namespace.update({hook_name(hook.__name__): hook for hook in hooks})
        namespace.update({RAN: False, hook_name("check"): _Check(self, True), hook_name("watch"): _Check(self, False)})

    def begin_tests(self, defined: list[str]) -> None:
        """`defined`: names that the code part binds."""
        self._own = {name: self.namespace[name] for name in defined if name in self.namespace}
        self.forget()

    def ran(self) -> None:
        """Code of the answer ran. Its functions store the flag themselves."""
        self.namespace[RAN] = True

    def forget(self) -> None:
        """What ran before is no reason to count what comes."""
        self.namespace[RAN] = False

    def use(self, name: str, value: Any, how: int) -> Any:
        """The tests use a name of the answer. Return what it holds.

        An object of the answer that isn't a function has run when it is used: a constant, a class without methods,
        what a decorator made. Somebody else's object in the place of something callable is no reason to count.
        """
        own = self._own.get(name, _MISSING)
        if value is own:
            # A function says itself that it ran, and a class is nothing to compare.
            if how == CALLED or not (isinstance(value, FunctionType) if how == EXERCISED else callable(value)):
                self.ran()
        elif callable(own) and callable(value) and not self._is_of_answer(value):
            self.forget()
        return value

    def replaced(self, owner: Any, value: Any) -> Any:
        """The tests set an attribute of something of the answer. Return what to set.

        A function of theirs in a class of the answer is somebody else's: what they learn by calling it is no reason to
        count. The answer may call it, as it calls any collaborator.
        """
        if not (isinstance(owner, type) and isinstance(value, FunctionType) and value.__code__.co_filename == TESTS):
            return value

        @functools.wraps(value)
        def foreign(*arguments: Any, **options: Any) -> Any:
            result = value(*arguments, **options)
            if sys._getframe(1).f_code.co_filename == TESTS:
                self.forget()
            return result

        return foreign

    def _is_of_answer(self, value: Any) -> bool:
        for _ in range(10):
            function = getattr(value, "__func__", value)
            code = getattr(function, "__code__", None)
            if isinstance(code, CodeType) and code.co_filename == CODE:
                return True
            value = getattr(function, "__wrapped__", None)
            if value is None:
                break
        return any(type(function) is own for own in self._own.values())

    def held(self, value: object) -> bool:
        """An assertion that counts if it says something. Return its truth."""
        if not value:
            return self._fails()
        if self.namespace.get(RAN) and (value is True or type(value).__name__ not in _ALWAYS_TRUE):
            self.namespace[RAN] = False
            self.counted += 1
        return True

    def bare(self, value: object) -> bool:
        """An assertion that never counts. Return its truth."""
        return True if value else self._fails()

    def count(self) -> None:
        """A check held."""
        if self.namespace.get(RAN):
            self.forget()
            self.counted += 1

    def all(self, values: Iterable[Any]) -> bool:
        """As the function of that name. Over nothing it says nothing."""
        value = _MISSING
        for value in values:
            if not value:
                return False
        if value is _MISSING:
            self.forget()
        return True

    def start(self, line: int) -> None:
        """A test starts."""
        self.started.add(line)

    def raising(self, reason: Any) -> Any:
        """The tests raise something: a failure, if it is an AssertionError, whoever catches it."""
        kind = reason if isinstance(reason, type) else type(reason)
        if issubclass(kind, AssertionError):
            self._fails(kind.__name__)
        return reason

    def _fails(self, exception: str = "AssertionError") -> bool:
        """Where a hook is called."""
        frame = sys._getframe(2)
        self.fail(exception, self.line_in(frame.f_code.co_filename, frame.f_lineno))
        return False

    def missing(self, tests: Iterable[Test]) -> list[Test]:
        """Return those that never started."""
        return [test for test in tests if test[0] not in self.started]

    def fail(self, exception: str, line: int | None) -> None:
        self.failures.append((exception, line))

    def fail_by(self, reason: BaseException) -> None:
        self.fail(type(reason).__name__, self.line_of(reason))

    def line_of(self, reason: BaseException) -> int | None:
        """Return the line of the innermost frame that is the program's."""
        name, line = place_of(reason.__traceback__)
        return self.line_in(name, line)

    def line_in(self, name: str, line: int) -> int | None:
        """Return a line of one part as a line of the program, which counts through both."""
        if name == TESTS:
            return line + self.offset
        return line if name == CODE else None


class _Check:
    """A context in which a check is called. It counts when it returns, and has failed if it raises AssertionError,
    whoever catches that; but for an assertion of the answer's own."""

    def __init__(self, record: Record, counts: bool) -> None:
        self._record, self._counts = record, counts

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, reason: BaseException | None, trace: object) -> None:
        if kind is None or reason is None:
            if self._counts:
                self._record.count()
        elif issubclass(kind, AssertionError) and place_of(reason.__traceback__)[0] == TESTS:
            self._record.fail_by(reason)


def first_line(test: Any) -> int:
    """Return the line where a test function or method of the tests begins, with its decorators; else 0."""
    while (inner := getattr(test, "__func__", getattr(test, "__wrapped__", None))) is not None:
        test = inner
    code = getattr(test, "__code__", None)
    return code.co_firstlineno if isinstance(code, CodeType) and code.co_filename == TESTS else 0


def place_of(trace: TracebackType | None) -> tuple[str, int]:
    """Return file and line of the innermost frame that is the program's; ("", 0) if none is."""
    found = "", 0
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if name in (CODE, TESTS):
            found = name, trace.tb_lineno
        trace = trace.tb_next
    return found
