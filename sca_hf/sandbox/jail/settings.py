"""What a jail is started with."""

import resource
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .kernel import SharedNumber

RESERVE_BYTES = 64 << 20
"""Memory kept back for saying that the limit was reached."""

TOKEN_BYTES = 32
"""At the end of a program as its process gets it, and before what that says: it proves where it comes from."""

SCRATCH = ("/tmp", "/dev/shm")
"""Where programs may write. They start in the first."""


class JailSettings(NamedTuple):
    """Sizes in bytes."""

    cpu_seconds: float
    wall_seconds: float
    memory_bytes: int
    output_bytes: int
    kept_bytes: int
    file_bytes: int
    files: int
    open_files: int
    threads: int


class Common(NamedTuple):
    """What the first process and the warm interpreter have in common."""

    settings: JailSettings
    processes: int
    """Descriptor of this namespace's /proc, or -1."""
    number: "SharedNumber"
    """Where the kernel puts the number of a program's process."""


def limit(what: int, most: int) -> None:
    """Limits this process and those that it forks, to what it has inherited where that is lower."""
    hard = resource.getrlimit(what)[1]
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (most, most))
