"""Builds one jail and tries from inside what it should hold."""

import asyncio
import os
import platform

from sca_hf.errors import SandboxUnavailable
from sca_hf.sandbox import inherited
from sca_hf.sandbox.advice import kernel_switches
from sca_hf.sandbox.pool import Jails
from sca_hf.sandbox.spawn import PRELOADED, tier_of
from sca_hf.sandbox.verdict import Limits, Program, Status, Verdict

_LIMITS = Limits(cpu_seconds=1.0, wall_seconds=10.0, memory_mb=512)

_PROBES: tuple[tuple[str, str, Status], ...] = (
    ("runs a program", "return True", "passed"),
    ("sees no files of this machine", "import os; return not os.path.exists('/etc/shadow')", "passed"),
    ("can't write but to its scratch folders", "return open('/usr/lib/x', 'w')", "failed"),
    ("sees no other process", "import os; return os.getppid() == 1 and not os.listdir('/proc')", "passed"),
    ("reaches no network", "import socket; return socket.create_connection(('127.0.0.1', 9), 1)", "failed"),
    ("can't start a process", "import os; return os.fork()", "failed"),
    ("has no right to mount or trace", "import ctypes; return ctypes.CDLL(None).ptrace(0, 0, 0, 0) == -1", "passed"),
    ("is held to its memory", "return bytearray(1 << 30)", "out-of-memory"),
    ("is held to its CPU time", "while True: pass", "timeout"),
)


def check() -> int:
    """Prints one line per probe and returns the exit code: 0 if all of it holds, 2 if not."""
    who = "root" if os.geteuid() == 0 else f"uid {os.geteuid()}"
    print(f"Linux {platform.release()} on {platform.machine()}, Python {platform.python_version()}, as {who}")
    print(*inherited.described(_LIMITS), sep="\n")
    try:
        verdicts = asyncio.run(_run_probes())
    except SandboxUnavailable as reason:
        print(f"NO   {reason}")
        return 2
    held = True
    for (what, _, expected), verdict in zip(_PROBES, verdicts, strict=True):
        holds = verdict.status == expected
        held = held and holds
        print(f"{'yes ' if holds else 'NO  '} a program {what}")
        if not holds:
            print(f"     it {verdict.status}: {verdict.stderr or verdict.exception}")
    for name in PRELOADED:
        if name not in ("stdlib", "site"):
            there = tier_of(Program(f"import {name}", "")).name == name
            print(f"{'yes  a' if there else '-    no'} program can import {name}")
    print("-    memory is limited by address space, not by cgroup: programs can't fork, so that is all of it")
    for fix in kernel_switches():
        print(f"     some users are not allowed this here; to allow it, as root: {fix}")
    print("programs are isolated here" if held else "programs are NOT isolated here: don't run any")
    return 0 if held else 2


async def _run_probes() -> list[Verdict]:
    async with Jails(1, _LIMITS) as jails:
        programs = [Program(f"def attempt():\n    {body}", "assert attempt()") for _, body, _ in _PROBES]
        return list(await asyncio.gather(*(jails.run(program) for program in programs)))
