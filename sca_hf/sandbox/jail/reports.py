"""Reports on programs, as a jail gives them to the pool.

What comes from the program's own process is the program's word: it must stand behind the run's token, and be well
formed.
"""

import os
from typing import Any

from . import assertions as compiling
from .assertions import Uncompilable

_REPORT_BYTES = 1 << 16
_LONGEST_NAME = 200
_STATUSES = {
    status: status for status in ("passed", "failed", "out-of-memory", "syntax-error", "no-assertion", "early-exit")
}

NEEDS_FULL = {"needs_full": True}
"""The program must go to a full jail."""


def report(status: str, exception: str | None = None, line: int | None = None) -> dict[str, Any]:
    """A report on a program that said nothing itself."""
    return {"status": status, "exception": exception, "line": line, "assertions": 0, "flags": []}


def refused(refusal: Uncompilable, offset: int) -> dict[str, Any]:
    """`offset`: lines of the code part, added to lines of the tests."""
    line = refusal.line
    if line is not None and refusal.part == compiling.TESTS:
        line += offset
    return report("syntax-error", refusal.exception, line)


def nothing_ran(found: dict[str, Any]) -> dict[str, Any]:
    """With the measurements of a program that was not started."""
    measured = {"cpu_seconds": 0.0, "wall_seconds": 0.0, "memory_mb": 0.0}
    return found | measured | {"stdout": "", "stderr": "", "starved": False}


def read_report(descriptor: int, token: bytes, full: bool) -> dict[str, Any] | None:
    """What stands behind the token; None for anything else in the pipe, which is the program's own writing."""
    try:
        written = os.read(descriptor, _REPORT_BYTES)
    except BlockingIOError:
        return None
    _, found, rest = written.partition(token)
    line, ended, _ = rest.partition(b"\n")
    return _parse(line, full) if found and ended else None


def pack(found: dict[str, Any]) -> bytes:
    """One line. Plain fields: encoding JSON in a fork touches dozens of pages."""
    if found is NEEDS_FULL:
        return b"\n"
    exception, line, flags = found["exception"] or "", found["line"] or 0, ",".join(found["flags"])
    return f"{found['status']}\t{exception}\t{line}\t{found['assertions']}\t{flags}\n".encode("utf-8", "replace")


def _parse(text: bytes, full: bool) -> dict[str, Any] | None:
    if not text:
        return None if full else NEEDS_FULL
    try:
        status, exception, line, assertions, flags = text.decode().split("\t")
        return {
            "status": _STATUSES[status],
            "exception": exception[:_LONGEST_NAME] or None,
            "line": int(line) or None,
            "assertions": int(assertions),
            "flags": flags.split(",") if flags else [],
        }
    except (ValueError, KeyError):
        return None
