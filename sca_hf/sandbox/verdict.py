"""A program, the limits that it runs under, and the verdict on it."""

from dataclasses import dataclass
from typing import Literal, get_args

JAIL_VERSION = 6
"""Part of every journal key of a verdict: raised when a verdict could change."""

Status = Literal[
    "passed",
    "failed",
    "timeout",
    "out-of-memory",
    "killed",
    "syntax-error",
    "no-assertion",
    "tests-not-run",
    "early-exit",
]


@dataclass(frozen=True)
class Program:
    """`code` runs first, then `tests` in the same module `__main__`. Line numbers count through both, joined by a
    newline."""

    code: str
    tests: str


@dataclass(frozen=True)
class Limits:
    """What one program may use. CPU and wall time are apart, so that a program on a busy machine has its time too.

    An honest small program takes milliseconds, and most that take 2 s never end (the reference's limits are
    REFERENCE_LIMITS)."""

    cpu_seconds: float = 2.0
    """CPU time of all its threads together."""
    wall_seconds: float = 10.0
    """Time from its start. One that was kept waiting for a core is tried again alone before this counts."""
    memory_mb: int = 2048
    """Address space, MiB, that of the interpreter included."""
    output_bytes: int = 1 << 20
    """Of stdout, and of stderr. Beyond it: `killed`, exception `OutputLimit`."""
    kept_bytes: int = 4000
    """Of stdout, and of stderr, that a verdict has: all if it is no more, else the first and the last half."""
    file_bytes: int = 64 << 20
    """Of one file, and of all files in /tmp, and of those in /dev/shm."""
    files: int = 1024
    """Files and folders in /tmp, and in /dev/shm."""
    open_files: int = 256
    """Descriptors open at once."""
    threads: int = 256
    """Threads at once. There are no child processes: fork fails."""

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value < least:
                raise ValueError(f"{name} must be at least {least}, got {value}")


_LEAST = {
    "cpu_seconds": 0.05,
    "wall_seconds": 0.05,
    "memory_mb": 64,
    "output_bytes": 0,
    "kept_bytes": 0,
    "file_bytes": 4096,
    "files": 1,
    "open_files": 16,
    "threads": 1,
}

Flag = Literal["always-equal", "ctypes", "frames", "gc", "jail"]

FORGING_FLAGS: tuple[Flag, ...] = get_args(Flag)
"""Of programs that touch what could make a verdict wrong."""

REFERENCE_LIMITS = Limits(cpu_seconds=10.0, wall_seconds=10.0, memory_mb=4096)
"""The reference's: a program has 10 s by the clock and 4 GB (SelfCodeAlign, section 3)."""


@dataclass(frozen=True)
class Verdict:
    """What became of a program. The first five say the same on every run; the rest is measured.

    - status: `passed` only if the last line was reached (or the end of a unittest or pytest run), every test that is
      defined started, at least one check in `tests` that means something held, none failed, even where something
      swallowed it, and the run's own token came back. A check means something if code of `code` ran since the tests
      began or since the last one that did, its form is not always true, and the names of `code` that it uses still
      hold what `code` made. `no-assertion`: none did. `tests-not-run`: a test never started. `early-exit`: the program
      ended before its end. `killed`: by a signal, its name in `exception`.
    - exception: name of the exception's type or of the signal; None where neither is the reason.
    - line: line of `code + "\\n" + tests` that raised it (1 is the first), or where the test begins that never started;
      None where no line did.
    - assertions: how many checks that mean something held.
    - flags: sorted. What makes a pass less sure: FORGING_FLAGS ("always-equal": an `__eq__` that always says yes;
      "jail": it looks for the runner), "flaky" (another verdict under a second hash seed).
    - stdout, stderr: all, or the first and the last half of `Limits.kept_bytes`.
    """

    status: Status
    exception: str | None
    line: int | None
    assertions: int
    flags: tuple[str, ...]
    cpu_seconds: float
    wall_seconds: float
    memory_mb: float
    stdout: str
    stderr: str

    @property
    def identity(self) -> tuple[Status, str | None, int | None, int, tuple[str, ...]]:
        """The part that is the same on every run."""
        return self.status, self.exception, self.line, self.assertions, self.flags
