"""Hard limits that this process was started with (by a shell's `ulimit`, PAM, Slurm, Docker), which no jail can raise.

A program lives with the lower of both, its own and the inherited one, but for those that decide verdicts.
"""

import math
import resource
from collections.abc import Iterator
from typing import NamedTuple

from sca_hf.errors import SandboxUnavailable
from sca_hf.sandbox.jail.settings import RESERVE_BYTES
from sca_hf.sandbox.verdict import Limits

_CPU_MARGIN_SECONDS = 2
_PROGRAMS_PER_CPU_SECOND = 100


class _Bound(NamedTuple):
    """`least`: below it no program can run, or its verdict would be another. `setting`: of the limits, if it decides
    that."""

    what: int
    name: str
    flag: str
    unit: str
    size: int
    least: int
    setting: str | None = None

    @property
    def hard(self) -> float:
        hard = resource.getrlimit(self.what)[1]
        return math.inf if hard == resource.RLIM_INFINITY else hard


def check(limits: Limits) -> None:
    """Raise SandboxUnavailable that names the limit, its value, what is needed, and how to raise it."""
    for bound in _bounds(limits):
        if bound.hard < bound.least:
            least, lower = _shown(bound, bound.least), f", or lower {bound.setting}" if bound.setting else ""
            raising = f"`ulimit -H{bound.flag} {least.split()[0]}` or more as root, `--ulimit` of Docker"
            raise SandboxUnavailable(
                f"a jail could not be started: the hard limit of {bound.name} is {_shown(bound, bound.hard)} here, and "
                f"jails need {least}; raise it where this session starts ({raising}, /etc/security/limits.conf, "
                f"PropagateResourceLimits of Slurm){lower}"
            )


def described(limits: Limits) -> Iterator[str]:
    """One line a limit: its value and what is needed."""
    for bound in _bounds(limits):
        held = "yes " if bound.hard >= bound.least else "NO  "
        needed = f"at least {_shown(bound, bound.least)}"
        yield f"{held} hard limit of {bound.name} (ulimit -H{bound.flag}): {_shown(bound, bound.hard)}, {needed}"


def most_programs(usual: int) -> int:
    """How many programs a jail may serve, at most `usual`: its processes' own CPU time counts too."""
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    return usual if hard == resource.RLIM_INFINITY else min(usual, max(1, hard * _PROGRAMS_PER_CPU_SECOND))


def _bounds(limits: Limits) -> Iterator[_Bound]:
    memory = (limits.memory_mb << 20) + RESERVE_BYTES
    yield _Bound(resource.RLIMIT_NOFILE, "open files", "n", "", 1, 64)
    yield _Bound(resource.RLIMIT_STACK, "the stack", "s", " KiB", 1 << 10, 1 << 20)
    yield _Bound(resource.RLIMIT_FSIZE, "a file's size", "f", " KiB", 1 << 10, 4 << 20)
    yield _Bound(resource.RLIMIT_NPROC, "processes", "u", "", 1, 16)
    seconds = math.ceil(limits.cpu_seconds) + _CPU_MARGIN_SECONDS
    yield _Bound(resource.RLIMIT_CPU, "CPU time", "t", " s", 1, seconds, "cpu_seconds")
    yield _Bound(resource.RLIMIT_AS, "virtual memory", "v", " KiB", 1 << 10, memory, "memory_mb")
    yield _Bound(resource.RLIMIT_DATA, "the data segment", "d", " KiB", 1 << 10, memory, "memory_mb")


def _shown(bound: _Bound, value: float) -> str:
    return "unlimited" if value == math.inf else f"{int(value) // bound.size}{bound.unit}"
