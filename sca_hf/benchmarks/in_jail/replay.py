"""Runs a benchmark's own tests where no answer is: once to see which calls they make, and then on recorded results.

What stands here goes before a reference's source in one program; `PROGRAM`, `TESTS`, `ENTRY` are put behind it.
"""

import copy
from collections.abc import Callable
from typing import Any

# Put in front of the call.
PROGRAM = TESTS = ENTRY = ""


class Departed(Exception):
    """The tests make other calls than they made of the reference."""


def _run_tests(program: str, tests: str, entry: str, function: Callable[[Any], Any]) -> None:
    namespace: dict[str, Any] = {}
    exec(compile(program, "<reference>", "exec"), namespace)
    real = namespace[entry]
    namespace[entry] = function(real)
    exec(compile(tests, "<tests>", "exec"), namespace)


def record() -> list[Any]:
    """The arguments of each call."""
    calls: list[Any] = []
    inside: list[bool] = []

    def recording(real: Any) -> Any:
        def recorded(*arguments: Any) -> Any:
            # Not those that the reference makes of itself.
            if inside:
                return real(*arguments)
            calls.append(copy.deepcopy(arguments))
            inside.append(True)
            try:
                return real(*arguments)
            finally:
                inside.clear()

        return recorded

    _run_tests(PROGRAM, TESTS, ENTRY, recording)
    return calls


def replay(calls: list[Any], results: list[Any]) -> str:
    """What the tests end in where the calls return these results: "passed", an exception, or "departed"."""
    left = list(zip(calls, results, strict=True))[::-1]

    def replaying(real: Any) -> Any:
        def replayed(*arguments: Any) -> Any:
            if not left:
                raise Departed
            expected, result = left.pop()
            if arguments != expected:
                raise Departed
            return result

        return replayed

    try:
        _run_tests(PROGRAM, TESTS, ENTRY, replaying)
    except Departed:
        return "departed"
    except Exception as reason:
        return type(reason).__name__
    return "passed"
