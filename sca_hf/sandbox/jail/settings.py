"""What a jail is started with, and the limit that all of its processes have."""

import resource
from typing import NamedTuple

RESERVE_BYTES = 64 << 20
"""Memory kept back for saying that the limit was reached."""

SCRATCH = ("/tmp", "/dev/shm")
"""Where programs may write. They start in the first."""


class Settings(NamedTuple):
    """Sizes in bytes."""

    cpu_seconds: float
    wall_seconds: float
    memory_bytes: int
    output_bytes: int
    file_bytes: int
    files: int
    open_files: int
    threads: int


def limit_memory(settings: Settings) -> None:
    """Of this process and those that it forks, and no core files."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (settings.memory_bytes, settings.memory_bytes + RESERVE_BYTES))
