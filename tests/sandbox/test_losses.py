"""A program that ends its jail, whenever it runs, gets a verdict, and the pool goes on. A broken machine gets none."""

import asyncio
import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sca_hf.pipeline.journal import Journal, JournaledJails
from sca_hf.sandbox import Jails, Limits, Program, Verdict
from tests.sandbox.processes import own_jails

GOOD = Program("def double(x):\n    return 2 * x", "assert double(2) == 4")
LIMITS = Limits(cpu_seconds=2.0, wall_seconds=20.0, memory_mb=512)
WORK = "import time\n    while time.process_time() < {seconds}: pass\n    return 1"


def working(lines: str, seconds: float) -> Program:
    """A program that does something and then works for so long."""
    return Program(f"def f():\n    {lines}\n    {WORK.format(seconds=seconds)}", "assert f() == 1")


LIMIT = "import resource, signal; resource.setrlimit(resource.RLIMIT_CPU, ({soft}, {hard}))"
CPU_LIMITS = {
    "lowered and not reached": (working(LIMIT.format(soft=1, hard=1), 0.1), {"passed"}),
    "the soft one lowered and not reached": (working(LIMIT.format(soft=1, hard=9), 0.1), {"passed"}),
    "lowered and reached": (working(LIMIT.format(soft=1, hard=1), 1.5), {"killed"}),
    "the soft one lowered and reached": (working(LIMIT.format(soft=1, hard=9), 1.5), {"killed"}),
    "its signal ignored": (
        working(LIMIT.format(soft=1, hard=1) + "; signal.signal(signal.SIGXCPU, signal.SIG_IGN)", 1.5),
        {"killed"},
    ),
    "lowered to nothing": (working(LIMIT.format(soft=0, hard=0), 1.5), {"killed"}),
    "lowered beyond the jail's": (working(LIMIT.format(soft=3, hard=3), 9), {"timeout"}),
}
TIMER = """
import ctypes, time
class Event(ctypes.Structure):
    _fields_ = [("value", ctypes.c_void_p), ("signal", ctypes.c_int), ("notify", ctypes.c_int), ("rest", ctypes.c_int * 12)]
def f():
    timer, event = ctypes.c_void_p(), Event(0, {signal}, 0)
    libc = ctypes.CDLL(None)
    if libc.timer_create(0, ctypes.byref(event), ctypes.byref(timer)) == 0:
        libc.timer_settime(timer, 0, (ctypes.c_long * 4)(0, 10**7, 0, 10**7), None)
    time.sleep(0.2)
    return 1
"""  # noqa: E501


@pytest.mark.parametrize("name", CPU_LIMITS)
def test_a_program_may_lower_its_cpu_limit(name: str, run_programs: Any) -> None:
    program, allowed = CPU_LIMITS[name]
    verdicts = run_programs([program, GOOD], limits=LIMITS, workers=1)
    assert verdicts[0].status in allowed, verdicts[0]
    assert verdicts[1].status == "passed"


@pytest.mark.parametrize("number", [9, 11, 15, 19])
def test_a_timer_sends_no_signal(number: int, run_programs: Any) -> None:
    verdicts = run_programs([Program(TIMER.replace("{signal}", str(number)), "assert f() == 1"), GOOD], workers=1)
    assert [verdict.status for verdict in verdicts] == ["passed", "passed"]


@contextlib.contextmanager
def machine_without_memory() -> Iterator[None]:
    """The kernel of a machine with less memory than `memory_mb`: what holds over 200 MiB in a jail is killed."""
    ended = threading.Event()

    def kill_the_largest() -> None:
        while not ended.wait(0.002):
            for process in own_jails():
                with contextlib.suppress(OSError, IndexError, ValueError):
                    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
                    if pages * os.sysconf("SC_PAGESIZE") > 200 << 20:
                        os.kill(process, signal.SIGKILL)

    killer = threading.Thread(target=kill_the_largest)
    killer.start()
    try:
        yield
    finally:
        ended.set()
        killer.join()


HOGS = {
    "at once": "held = b'x' * (300 << 20)\n    import time; time.sleep(1)",
    "in pieces": "held = []\n    for _ in range(400): held.append(b'x' * (1 << 20))\n    import time; time.sleep(1)",
    "in a thread": "import threading, time\n    thread = threading.Thread(target=lambda: (b'x' * (300 << 20), "
    "time.sleep(1)))\n    thread.start(); thread.join()",
    "by maps": "import mmap, time\n    held = mmap.mmap(-1, 300 << 20)\n"
    "    for place in range(0, len(held), 4096): held[place] = 1\n    time.sleep(1)",
}


@pytest.mark.parametrize("name", HOGS)
def test_a_hog_that_the_machine_kills_is_killed_and_others_are_not(name: str, run_programs: Any) -> None:
    hog = Program(f"def f():\n    {HOGS[name]}\n    return 1", "assert f() == 1")
    with machine_without_memory():
        verdicts = run_programs([GOOD, hog, GOOD, GOOD], limits=LIMITS)
    assert [verdict.status for verdict in verdicts] == ["passed", "killed", "passed", "passed"]
    assert verdicts[1].exception == "Lost"


def test_its_verdict_is_journaled(tmp_path: Path) -> None:
    hog = Program(f"def f():\n    {HOGS['at once']}\n    return 1", "assert f() == 1")
    journal = Journal(tmp_path / "journal.sqlite")
    for made in (1, 0):
        jails = JournaledJails(Jails(1, LIMITS), journal)
        try:
            with machine_without_memory():
                assert asyncio.run(jails.run(hog)).status == "killed"
        finally:
            jails.close()
        assert jails.made == made


def test_many_losses_of_many_programs_end_nothing() -> None:
    hog = Program(f"def f(n):\n    {HOGS['at once']}\n    return n", "assert f({}) == 1")
    programs = [Program(hog.code, hog.tests.format(number)) for number in range(3)]

    async def run() -> list[Verdict]:
        async with Jails(2, LIMITS) as jails:
            first = await asyncio.gather(*(jails.run(program) for program in [*programs, *[GOOD] * 20]))
            return [*first, await jails.run(GOOD)]

    start = time.monotonic()
    with machine_without_memory():
        verdicts = asyncio.run(run())
    assert [verdict.status for verdict in verdicts] == ["killed"] * 3 + ["passed"] * 21, time.monotonic() - start
