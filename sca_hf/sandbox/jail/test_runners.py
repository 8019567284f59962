"""The test runners that are recognised, whose results are watched whatever a program does with them: unittest, doctest,
pytest, and mocks. Only full jails have this."""

import doctest
import sys
import unittest
from collections.abc import Callable
from typing import Any

from . import pytest_runner
from .assertions import Facts
from .record import TESTS, Record, first_line


class Runners:
    """Made before any program, in the process that all programs are forks of."""

    def __init__(self, record: Record) -> None:
        self._record = record
        _watch_unittest(record)
        _watch_doctest(record)

    def begin(self, facts: Facts) -> None:
        """Before a program runs: watch what is too large to be imported for all. Raises ImportError."""
        if facts.uses_mocks:
            _watch_mocks(self._record)
        if facts.uses_pytest:
            pytest_runner.install(self._record)

    def run_rest(self, facts: Facts) -> None:
        """Run what nothing has run and a runner can: test cases by unittest, test functions by pytest. Raises
        ImportError where pytest is needed and can't be seen."""
        record = self._record
        begun = {owner for line, _, owner in facts.tests if line in record.started}
        owners = dict.fromkeys(owner for _, _, owner in record.missing(facts.tests))
        cases = {name: case for name in owners if (case := self._test_case(name)) is not None}
        for name, case in cases.items():
            if name not in begun:
                unittest.TextTestRunner().run(unittest.defaultTestLoader.loadTestsFromTestCase(case))
        missing = record.missing(facts.tests)
        if any(name.startswith("test") and owner not in cases for _, name, owner in missing):
            pytest_runner.run(record, unittest.TestCase)

    def _test_case(self, name: str) -> type[unittest.TestCase] | None:
        found = self._record.namespace.get(name)
        return found if isinstance(found, type) and issubclass(found, unittest.TestCase) else None


def _watch_unittest(record: Record) -> None:
    program: Any = unittest.TestProgram
    result: Any = unittest.TestResult
    run_tests = program.runTests
    failures_before = 0

    def started(_test: Any) -> None:
        nonlocal failures_before
        failures_before = len(record.failures)

    def skipped(test: Any, _reason: object) -> None:
        record.start(first_line(getattr(test, getattr(test, "_testMethodName", ""), None)))

    def failed(*test_and_reason: Any) -> None:
        if test_and_reason[-1] is not None:
            record.fail_by(test_and_reason[-1][1])

    def failed_as_expected(*_: Any) -> None:
        del record.failures[failures_before:]

    def ended(self: Any) -> None:
        try:
            run_tests(self)
        finally:
            record.runner_ended = True

    program.runTests = ended
    _before(result, "startTest", started)
    _before(result, "addSkip", skipped)
    for name in ("addError", "addFailure", "addSubTest"):
        _before(result, name, failed)
    _before(result, "addExpectedFailure", failed_as_expected)
    _before(result, "addUnexpectedSuccess", lambda _: record.fail("UnexpectedSuccess", None))


def _watch_doctest(record: Record) -> None:
    def held(_out: object, _test: object, example: Any, _got: object) -> None:
        record.doctests += 1
        if example.want:
            record.count()

    def failed(*_: object) -> None:
        record.doctests += 1
        record.fail("DocTestFailure", None)

    _before(doctest.DocTestRunner, "report_success", held)
    _before(doctest.DocTestRunner, "report_failure", failed)
    _before(doctest.DocTestRunner, "report_unexpected_exception", failed)


def _watch_mocks(record: Record) -> None:
    """A mock that the tests themselves call says nothing of the answer, whatever ran before."""
    import unittest.mock

    def called(*_arguments: object, **_options: object) -> None:
        if sys._getframe(2).f_code.co_filename == TESTS:
            record.forget()

    _before(unittest.mock.CallableMixin, "__call__", called)


def _before(owner: Any, name: str, watcher: Callable[..., None]) -> None:
    """Have a method call `watcher` first, with its arguments."""
    method = getattr(owner, name)

    def watched(self: Any, /, *arguments: Any, **options: Any) -> Any:
        watcher(*arguments, **options)
        return method(self, *arguments, **options)

    setattr(owner, name, watched)
