"""Reports on programs, as a jail gives them to the pool.

What comes from the program's own process is the program's word: it must stand behind the run's token, and be well
formed.
"""

from typing import Any

from .assertions import Counting, Uncompilable

_LONGEST_NAME = 200
_LARGEST_NUMBER = 2**31 - 1
_STATUSES = {status: status for status in ("passed", "failed", "out-of-memory", "syntax-error", "early-exit")}

NEEDS_FULL = {"needs_full": True}
"""The program must go to a full jail."""
SAYS_NEEDS_FULL = b"\n"
"""What its process says then."""


def report(status: str, exception: str | None = None, line: int | None = None) -> dict[str, Any]:
    """A report on a program that said nothing itself."""
    return {"status": status, "exception": exception, "line": line, "assertions": 0, "flags": []}


def refused(refusal: Uncompilable, offset: int) -> dict[str, Any]:
    """`offset`: lines of the code part."""
    return report("syntax-error", *refusal.place(offset))


def nothing_ran(found: dict[str, Any]) -> dict[str, Any]:
    """With the measurements of a program that was not started."""
    measured = {"cpu_seconds": 0.0, "wall_seconds": 0.0, "memory_mb": 0.0}
    return found | measured | {"stdout": "", "stderr": "", "starved": False}


def read_report(written: bytes, token: bytes, full: bool, counting: Counting) -> dict[str, Any] | None:
    """What stands behind the token; None for anything else in the pipe, which is the program's own writing."""
    _, found, rest = written.partition(token)
    line, ended, _ = rest.partition(b"\n")
    if not (found and ended):
        return None
    return _parse(line, counting) if line or full else NEEDS_FULL


def _parse(text: bytes, counting: Counting) -> dict[str, Any] | None:
    try:
        status, exception, line, counted, last_line, flags = text.decode().split("\t")
        held = max(counting.held(int(counted), int(last_line)), 0)
        if max(held, abs(int(line))) > _LARGEST_NUMBER:
            return None
        return {
            "status": "no-assertion" if status == "passed" and not held else _STATUSES[status],
            "exception": exception[:_LONGEST_NAME] or None,
            "line": int(line) or None,
            "assertions": held,
            "flags": [*counting.flags, *(flags.split(",") if flags else ())],
        }
    except (ValueError, KeyError, IndexError):
        return None
