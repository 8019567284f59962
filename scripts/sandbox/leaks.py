"""Runs many programs, bad ones among them, and prints what a leak would make grow."""

import asyncio
import os
import time
from pathlib import Path

from processes import tree
from sandbox.programs import HOG, programs
from sandbox.runners import MEMORY_MB, WORKERS

SEED = 3407


async def watch_leaks(count: int) -> None:
    """Runs small programs, and bad ones among them, and prints what a leak would make grow."""
    from sca_hf.sandbox import Jails, Limits, Program

    small = [Program(*pair) for pair in programs("small", 400, SEED)]
    leaving = Program("import os\nos.mkdir('/tmp/left')\nopen('/dev/shm/left', 'w').write('x' * 99999)", "assert 1")
    batch = [*small, leaving, *(Program(*pair) for pair in (HOG, ("def f(:", "")))]
    print("   programs  seconds  run MiB  jails MiB  descriptors  mounts  processes  shm files")
    async with Jails(WORKERS, Limits(cpu_seconds=0.5, memory_mb=MEMORY_MB)) as jails:
        start, ran, printed = time.monotonic(), 0, 0
        while ran < count:
            await asyncio.gather(*(jails.run(program) for program in batch))
            ran += len(batch)
            if ran * 10 // count > printed or ran == len(batch):
                printed = ran * 10 // count
                print(f"{ran:11} {time.monotonic() - start:8.0f} " + _grown(), flush=True)


def _grown() -> str:
    own = Path("/proc/self")
    own_tree = list(tree(os.getpid()))
    below = own_tree[1:]
    jails = sum(_resident_mib(pid) for pid in below)
    mounts = sum(len(Path(f"/proc/{pid}/mountinfo").read_text().splitlines()) for pid in own_tree)
    descriptors = len(list((own / "fd").iterdir()))
    shared = len(list(Path("/dev/shm").iterdir()))
    return f"{_resident_mib(os.getpid()):8.1f} {jails:10.1f} {descriptors:12} {mounts:7} {len(below):10} {shared:10}"


def _resident_mib(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / (1 << 20)
