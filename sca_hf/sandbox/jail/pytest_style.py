"""The part of pytest that tests of one file use, so that tests written for it run and count without it.

`raises`, `approx`, `mark.parametrize`, `fixture`, `skip`, `fail` and collection by name. Installed as the module
`pytest` of a jail. A program that imports pytest is meant for its runner: its tests are collected when its last line
was reached.
"""

import contextlib
import inspect
import itertools
import math
import re
import sys
import types
import unittest
from collections.abc import Callable, Iterator
from typing import Any

_runs: list[str] = []


class Skipped(Exception):
    """Raised by `skip`."""


class Failed(AssertionError):
    """Raised by `fail`, and by `raises` where nothing was raised."""


def has_run() -> bool:
    return bool(_runs)


def run(namespace: dict[str, Any]) -> None:
    """Collects and runs `test*` functions and `Test*` classes. The first failure propagates."""
    _runs.append("collected")
    fixtures = {name: value for name, value in namespace.items() if hasattr(value, "__sca_fixture__")}
    for name, value in list(namespace.items()):
        if not isinstance(value, type):
            if name.startswith("test") and callable(value) and not hasattr(value, "__sca_fixture__"):
                _call_test(value, fixtures)
        elif issubclass(value, unittest.TestCase):
            unittest.TextTestRunner().run(unittest.defaultTestLoader.loadTestsFromTestCase(value))
        elif name.startswith("Test"):
            for method in [method for method in vars(value) if method.startswith("test")]:
                instance = value()
                getattr(instance, "setup_method", lambda: None)()
                _call_test(getattr(instance, method), fixtures)


def install() -> None:
    module = types.ModuleType("pytest")
    vars(module).update(
        raises=_raises,
        approx=_Approx,
        mark=_Mark(),
        fixture=_fixture,
        skip=_skip,
        fail=_fail,
        importorskip=__import__,
        param=lambda *values, **_: values[0] if len(values) == 1 else values,
        main=_main,
    )
    sys.modules["pytest"] = module


def _main(*_arguments: object, **_options: object) -> int:
    run(sys.modules["__main__"].__dict__)
    return 0


def _call_test(test: Callable[..., Any], fixtures: dict[str, Any]) -> None:
    if getattr(test, "__sca_skip__", False):
        return
    needed = inspect.signature(test).parameters
    for values in _cases(getattr(test, "__sca_cases__", ())):
        with contextlib.ExitStack() as stack:
            for name in needed:
                if name not in values:
                    values[name] = _value(name, fixtures, stack)
            try:
                test(**values)
            except Skipped:
                continue


def _cases(parametrized: tuple[tuple[str | list[str], list[Any]], ...]) -> Iterator[dict[str, Any]]:
    alternatives = []
    for names, rows in parametrized:
        split = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
        single = len(split) == 1
        alternatives.append([dict(zip(split, (row,) if single else row, strict=True)) for row in rows])
    for combination in itertools.product(*alternatives):
        yield {name: value for case in combination for name, value in case.items()}


def _value(name: str, fixtures: dict[str, Any], stack: contextlib.ExitStack) -> Any:
    function = fixtures[name].__sca_fixture__
    arguments = {needed: _value(needed, fixtures, stack) for needed in inspect.signature(function).parameters}
    if inspect.isgeneratorfunction(function):
        return stack.enter_context(contextlib.contextmanager(function)(**arguments))
    return function(**arguments)


def _fixture(function: Any = None, **_options: object) -> Any:
    def decorate(decorated: Any) -> Any:
        decorated.__sca_fixture__ = decorated
        return decorated

    return decorate if function is None else decorate(function)


def _skip(reason: str = "", **_options: object) -> None:
    raise Skipped(reason)


def _fail(reason: str = "", **_options: object) -> None:
    raise Failed(reason)


class _Mark:
    def __getattr__(self, name: str) -> Any:
        def mark(*arguments: Any, **options: Any) -> Any:
            if len(arguments) == 1 and callable(arguments[0]) and not options:
                return self._mark(name, (), arguments[0])
            return lambda test: self._mark(name, arguments, test)

        return mark

    def _mark(self, name: str, arguments: tuple[Any, ...], test: Any) -> Any:
        if name == "parametrize":
            test.__sca_cases__ = (*getattr(test, "__sca_cases__", ()), (arguments[0], list(arguments[1])))
        elif name == "skip" or (name == "skipif" and arguments[0]):
            test.__sca_skip__ = True
        return test


def _raises(expected: Any, *call: Any, match: str | None = None, **options: Any) -> "_Raises":
    """`with pytest.raises(Error, match=…) as info`, or `pytest.raises(Error, function, *arguments)`."""
    context = _Raises(expected, match)
    if call:
        with context:
            call[0](*call[1:], **options)
    return context


class _Raises:
    def __init__(self, expected: Any, match: str | None) -> None:
        self._expected, self._match = expected, match
        self.value: BaseException | None = None
        self.type: type[BaseException] | None = None

    def __enter__(self) -> "_Raises":
        return self

    def __exit__(self, kind: Any, value: Any, trace: Any) -> bool:
        if kind is None:
            raise Failed(f"DID NOT RAISE {self._expected}")
        if not issubclass(kind, self._expected):
            return False
        self.value, self.type = value, kind
        if self._match is not None and not re.search(self._match, str(value)):
            raise AssertionError(f"{str(value)!r} does not match {self._match!r}")
        return True


class _Approx:
    """Equal within 1e-6 of the expected value or 1e-12, as pytest has it; element by element in containers."""

    def __init__(self, expected: Any, rel: float | None = None, abs: float | None = None, nan_ok: bool = False) -> None:
        self._expected, self._rel, self._abs, self._nan_ok = expected, rel, abs, nan_ok

    def __eq__(self, actual: object) -> bool:
        return self._close(self._expected, actual)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"approx({self._expected!r})"

    def _close(self, expected: Any, actual: Any) -> bool:
        if isinstance(expected, dict):
            return expected.keys() == actual.keys() and all(self._close(expected[key], actual[key]) for key in expected)
        if hasattr(expected, "__len__") and not isinstance(expected, str):
            same = len(expected) == len(actual)
            return same and all(self._close(one, other) for one, other in zip(expected, actual, strict=True))
        if isinstance(expected, str) or expected is None:
            return bool(expected == actual)
        if expected == actual:
            return True
        if isinstance(expected, float) and math.isnan(expected):
            return self._nan_ok and isinstance(actual, float) and math.isnan(actual)
        relative = 1e-6 if self._rel is None and self._abs is None else (self._rel or 0.0)
        tolerance = max(relative * abs(expected), 1e-12 if self._abs is None else self._abs)
        return bool(abs(expected - actual) <= tolerance) and tolerance < math.inf
