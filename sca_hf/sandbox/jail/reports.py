"""Reports on programs, as a jail gives them to the pool.

What comes from the program's own process is the program's word: it must stand behind the run's token, and be well
formed.
"""

import json
import os
from typing import Any

from . import assertions
from .assertions import Uncompilable

_REPORT_BYTES = 1 << 16
_LONGEST_NAME = 200
_STATUSES = ("passed", "failed", "out-of-memory", "syntax-error", "no-assertion", "early-exit")

NEEDS_FULL = {"needs_full": True}
"""The program must go to a full jail."""


def report(status: str, exception: str | None = None, line: int | None = None) -> dict[str, Any]:
    """A report on a program that said nothing itself."""
    return {"status": status, "exception": exception, "line": line, "assertions": 0, "flags": []}


def refused(refusal: Uncompilable, offset: int) -> dict[str, Any]:
    """`offset`: lines of the code part, added to lines of the tests."""
    line = refusal.line
    if line is not None and refusal.part == assertions.TESTS:
        line += offset
    return report("syntax-error", refusal.exception, line)


def nothing_ran(found: dict[str, Any]) -> dict[str, Any]:
    """With the measurements of a program that was not started."""
    measured = {"cpu_seconds": 0.0, "wall_seconds": 0.0, "memory_mb": 0.0}
    return found | measured | {"stdout": "", "stderr": "", "starved": False}


def read_report(descriptor: int, token: bytes, full: bool) -> dict[str, Any] | None:
    """What stands behind the token; None for anything else in the pipe, which is the program's own writing."""
    os.set_blocking(descriptor, False)
    try:
        written = os.read(descriptor, _REPORT_BYTES)
    except BlockingIOError:
        return None
    _, found, rest = written.partition(token)
    line, ended, _ = rest.partition(b"\n")
    if not found or not ended:
        return None
    try:
        given = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if given == NEEDS_FULL and not full:
        return NEEDS_FULL
    return given if _is_report(given) else None


def _is_report(given: Any) -> bool:
    if not isinstance(given, dict) or given.keys() != report("").keys():
        return False
    exception, line, flags = given["exception"], given["line"], given["flags"]
    return (
        given["status"] in _STATUSES
        and (exception is None or (type(exception) is str and len(exception) <= _LONGEST_NAME))
        and (line is None or type(line) is int)
        and type(given["assertions"]) is int
        and isinstance(flags, list)
        and all(type(flag) is str for flag in flags)
    )
