"""Runs pytest itself on a program whose statements have run: its tests are collected from the module that is there."""

import os
import sys
from collections.abc import Callable, Generator
from typing import Any

from .record import TESTS, Record, first_line

_OPTIONS = ("-q", "-s", "--tb=short", "--rootdir=/tmp", "--confcutdir=/tmp", "-c", os.devnull, "-p", "no:cacheprovider")
_mains: list[Callable[..., int]] = []


def install(record: Record) -> None:
    """Have `pytest.main` run the program's own tests, whatever it is told to run: there is nothing else. Raises
    ImportError."""
    import pytest

    if not _mains:
        # Plugins that happen to be installed would change what a test means.
        os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        _mains.append(pytest.main)
        pytest.main = lambda *_, **__: run(record)


def run(record: Record, leave_out: type | tuple[()] = ()) -> int:
    """Run the tests that have not started, but for those of classes to `leave_out`. Return pytest's exit code. Raises
    ImportError."""
    install(record)
    # It wants a file to collect from.
    with open(TESTS, "a"):
        pass
    code = int(_mains[0]([*_OPTIONS, TESTS], [_plugin(record, leave_out)]))
    record.runner_ended = True
    if code not in (0, _NO_TESTS_COLLECTED) and not record.failures:
        record.fail("PytestError", None)
    return code


_NO_TESTS_COLLECTED = 5


def _plugin(record: Record, leave_out: type | tuple[()]) -> object:
    import pytest

    def is_to_run(item: Any) -> bool:
        return first_line(item.obj) not in {0, *record.started} and not issubclass(item.cls or object, leave_out)

    class Program(pytest.Module):
        def _getobj(self) -> Any:
            return sys.modules["__main__"]

    class Plugin:
        failures_before = 0

        def pytest_pycollect_makemodule(self, module_path: Any, parent: Any) -> Any:
            return Program.from_parent(parent, path=module_path)

        def pytest_collection_modifyitems(self, items: list[Any]) -> None:
            items[:] = [item for item in items if is_to_run(item)]

        def pytest_collectreport(self, report: Any) -> None:
            if report.failed:
                record.fail("CollectError", None)

        @pytest.hookimpl(tryfirst=True)
        def pytest_runtest_setup(self) -> None:
            self.failures_before = len(record.failures)

        @pytest.hookimpl(wrapper=True, tryfirst=True)
        def pytest_runtest_makereport(self, call: Any) -> Generator[None, Any, Any]:
            report = yield
            if report.skipped and hasattr(report, "wasxfail"):
                # It failed as it was meant to.
                del record.failures[self.failures_before :]
            elif report.failed and call.excinfo is not None:
                record.fail_by(call.excinfo.value)
            elif report.failed:
                record.fail("XPASS", None)
            return report

    return Plugin()
