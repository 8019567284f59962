"""Reports on programs, as a jail gives them to the pool.

What comes from the program's own process is the program's word: it must stand behind the run's token, and be well
formed.
"""

from typing import Any

from .assertions import Uncompilable

_LONGEST_NAME = 200
_LARGEST_NUMBER = 2**31 - 1
_FLAGS = frozenset(("always-equal", "ctypes", "frames", "gc", "jail"))
_STATUSES = {
    status: status
    for status in ("passed", "failed", "out-of-memory", "syntax-error", "early-exit", "tests-not-run", "no-assertion")
}

NEEDS = {need.encode(): {"needs": need} for need in ("full", "pytest")}
"""What a process says of a program that must go to another jail, a full one or one with pytest, and the report."""


def report(status: str, exception: str | None = None, line: int | None = None) -> dict[str, Any]:
    """A report on a program that said nothing itself."""
    return {"status": status, "exception": exception, "line": line, "assertions": 0, "flags": []}


def refused(refusal: Uncompilable) -> dict[str, Any]:
    return report(refusal.status, refusal.exception, refusal.line)


def nothing_ran(found: dict[str, Any], seconds: float = 0.0) -> dict[str, Any]:
    """With the measurements of a program that was not started. `seconds`: that its compilation took."""
    measured = {"cpu_seconds": seconds, "wall_seconds": seconds, "memory_mb": 0.0}
    return found | measured | {"stdout": "", "stderr": "", "starved": False}


def read_report(written: bytes, token: bytes, flags: list[str]) -> dict[str, Any] | None:
    """What stands behind the token; None for anything else in the pipe, which is the program's own writing."""
    _, found, rest = written.partition(token)
    line, ended, _ = rest.partition(b"\n")
    if not (found and ended):
        return None
    return NEEDS.get(line) or _parse(line, flags)


def _parse(text: bytes, flags: list[str]) -> dict[str, Any] | None:
    try:
        status, exception, line, counted, more_flags = text.decode().split("\t")
        numbers = int(line), int(counted)
        said = set(more_flags.split(",")) if more_flags else set[str]()
        if not all(0 <= number <= _LARGEST_NUMBER for number in numbers) or not said <= _FLAGS:
            return None
        return {
            "status": _STATUSES[status],
            "exception": exception[:_LONGEST_NAME] or None,
            "line": numbers[0] or None,
            "assertions": numbers[1],
            "flags": flags or sorted(said),
        }
    except (ValueError, KeyError, IndexError):
        return None
