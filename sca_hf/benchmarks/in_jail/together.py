"""Loads an answer where its tests will run, after noting what of the interpreter and of libraries they rely on.

The tests come behind it (`tests.py`): nothing of them is there while the answer is loaded.
"""

import builtins
import contextlib
import importlib
import sys
import types
import unittest
from collections.abc import Callable, Iterable
from typing import Any

HELD: list[Any] = []
SEEN: dict[str, Any] = {}
FILE = "/tmp/program.py"
MAIN = {"__name__": "__main__", "__file__": FILE}
LINES: set[int] = set()
REACHED: set[int] = set()
CALLED = (types.FunctionType, types.BuiltinFunctionType, type)


def hold(modules: Iterable[str]) -> None:
    """`modules`: those of libraries that the tests use and that an answer could change. They are imported now."""
    for module in modules:
        with contextlib.suppress(ImportError):
            importlib.import_module(module)
    roots = {module.partition(".")[0] for module in modules}
    HELD.append([(state, _functions(state)) for state in _states(roots)])
    HELD.append((list(sys.meta_path), list(sys.path_hooks), list(sys.path), sys.stdout, sys.stderr))
    HELD.append({name: module for name, module in sys.modules.items() if name != "__main__"})


def _states(roots: set[str]) -> list[Any]:
    modules = [module for name, module in list(sys.modules.items()) if name.partition(".")[0] in {*roots, "unittest"}]
    pandas = sys.modules.get("pandas")
    frames = (pandas.DataFrame, pandas.Series, pandas.Index) if pandas else ()
    return [
        *(builtins, *modules, *frames),
        *(unittest.TestCase, unittest.TestSuite, unittest.suite.BaseTestSuite, unittest.TestLoader),
        *(unittest.TestResult, unittest.TextTestResult, unittest.TextTestRunner),
    ]


def _functions(state: Any) -> dict[str, Any]:
    return {name: value for name, value in vars(state).items() if isinstance(value, CALLED)}


def write(answer: str) -> None:
    with open(FILE, "w", encoding="utf-8", errors="replace") as file:  # noqa: PTH123 (in a jail)
        file.write(answer)


def load(answer: str) -> None:
    SEEN.update(MAIN)
    # For tests that ask `inspect` for its source.
    write(answer)
    exec(compile(answer, FILE, "exec"), SEEN)


def trace(answer: str) -> None:
    """Like `load`, and notes which lines are reached from now on."""
    write(answer)
    code = compile(answer, FILE, "exec")
    pending = [code]
    while pending:
        part = pending.pop()
        LINES.update(line for _, _, line in part.co_lines() if line)
        pending += [constant for constant in part.co_consts if hasattr(constant, "co_lines")]

    def note(frame: Any, event: str, argument: Any) -> Any:
        if frame.f_code.co_filename != FILE:
            return None
        REACHED.add(frame.f_lineno)
        return note

    SEEN.update(MAIN)
    HELD.append(note)
    sys.settrace(note)
    exec(code, SEEN)


def tell_uncovered() -> None:
    sys.settrace(None)
    print(f"uncovered:{len(LINES - REACHED)}")


def finish(tests: Callable[[], bool]) -> bool:
    """Called last: the jail wants an assertion that runs something of what was loaded."""
    return confirm(tests())


def confirm(passed: bool) -> bool:
    """Runs behind the tests: what ran before a check of a mock doesn't count."""
    return passed
