"""The test runners that are recognised: unittest, whose results are watched, and pytest's style, which is run here.

Only full jails have this, and `instrument` with it.
"""

import unittest
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from . import pytest_style
from .assertions import Rewrite
from .instrument import instrument

if TYPE_CHECKING:
    from .runner import Record


class Full(NamedTuple):
    """What a full jail has beyond others: the syntax tree, and the recognised test runners."""

    rewrite: Rewrite
    watch: "Callable[[Record], None]"
    collect: Callable[[dict[str, Any]], None]


def install() -> Full:
    """Before any program: `import pytest` finds the part of it that tests of one file use."""
    pytest_style.install()
    return Full(instrument, watch, collect)


def collect(namespace: dict[str, Any]) -> None:
    """Runs tests of pytest's style, unless the program has done so. The first failure propagates."""
    if not pytest_style.has_run():
        pytest_style.run(namespace)


def watch(record: "Record") -> None:
    """A failing test of unittest fails the program, whatever it does with the result."""
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
