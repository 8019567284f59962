"""Holds tests while an answer is loaded, undoes what it did to the interpreter, and runs them."""

import builtins
import sys
import unittest
from typing import Any

HELD: list[Any] = []
SEEN: dict[str, Any] = {}
FILE = "/tmp/program.py"
MAIN = {"__name__": "__main__", "__file__": FILE}
LINES: set[int] = set()
REACHED: set[int] = set()
STATES = (
    *(builtins, unittest, unittest.case, unittest.suite, unittest.loader, unittest.runner, unittest.result),
    *(unittest.TestCase, unittest.TestSuite, unittest.suite.BaseTestSuite, unittest.TestLoader),
    *(unittest.TestResult, unittest.TextTestResult, unittest.TextTestRunner),
)


def hold(tests: str) -> None:
    HELD.append(compile(tests, "<tests>", "exec"))
    HELD.append([dict(vars(state)) for state in STATES])
    HELD.append((list(sys.meta_path), list(sys.path_hooks), sys.stdout, sys.stderr))


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


def finish(
    hold: Any = HELD,
    seen: Any = SEEN,
    states: Any = STATES,
    sys: Any = sys,
    run: Any = exec,
    put: Any = setattr,
    values: Any = zip,
) -> bool:
    """Also with builtins replaced: what it calls is held since before the answer ran."""
    tests, kept, (sys.meta_path[:], sys.path_hooks[:], sys.stdout, sys.stderr), *tracing = hold
    sys.settrace(tracing[0] if tracing else None)
    sys.setprofile(None)
    for state, before in values(states, kept):
        for name in before:
            if name not in ("__dict__", "__weakref__", "_") and state.__dict__.get(name) is not before[name]:
                put(state, name, before[name])
    run(tests, seen)
    return True
