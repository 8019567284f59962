"""Programs that sleep, and what lies in the kernel for one, take no more memory than they may."""

import asyncio
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from sca_hf.sandbox import Jails, Limits, Program, Verdict
from tests.sandbox.processes import own_jails

MEMORY_MB = 256
LIMITS = Limits(cpu_seconds=5.0, wall_seconds=30.0, memory_mb=MEMORY_MB)
HOLD = "import time\ndef f():\n    held = b'x' * ({mb} << 20)\n    time.sleep({seconds})\n    return 1"
GROW = """
import time
def f():
    held = []
    for _ in range(18):
        held.append(b"x" * (10 << 20))
        time.sleep(0.1)
    time.sleep(1)
    return 1
"""


class Meter:
    """While entered, measures how much memory the processes of jails have of their own, at most, MiB."""

    def __enter__(self) -> "Meter":
        self.most = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._measure)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _measure(self) -> None:
        while not self._ended.wait(0.02):
            self.most = max(self.most, sum(map(_private_mb, own_jails())))


def _private_mb(process: int) -> float:
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0  # it has ended
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty:")) / 1024


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("code", [HOLD.format(mb=200, seconds=0.6), GROW], ids=["at once", "while it sleeps"])
def test_programs_that_sleep_are_bounded_by_memory(code: str, workers: int, run_programs: Any) -> None:
    with Meter() as meter:
        verdicts = run_programs([Program(code, "assert f() == 1")] * 6, limits=LIMITS, workers=workers)
    assert [verdict.status for verdict in verdicts] == ["passed"] * 6
    assert meter.most < 2 * workers * MEMORY_MB


def test_programs_that_hold_little_sleep_together(run_programs: Any) -> None:
    start = time.monotonic()
    limits = Limits(cpu_seconds=5.0, wall_seconds=60.0, memory_mb=2048)
    verdicts = run_programs([Program(HOLD.format(mb=1, seconds=4), "assert f() == 1")] * 12, limits=limits, workers=1)
    assert [verdict.status for verdict in verdicts] == ["passed"] * 12
    assert time.monotonic() - start < 12 * 4


def test_a_program_that_sleeps_on_much_leaves_the_others_their_turn() -> None:
    async def run() -> list[Verdict]:
        async with Jails(2, LIMITS) as jails:
            sleepers = [Program(HOLD.format(mb=220, seconds=1), "assert f() == 1")] * 3
            quick = [Program("def f(): return 1", "assert f() == 1")] * 20
            return list(await asyncio.gather(*(jails.run(program) for program in [*sleepers, *quick])))

    assert {verdict.status for verdict in asyncio.run(run())} == {"passed"}


# Bodies that return how many bytes they have made the kernel hold, with all that a program may open.
QUEUES = {
    "pairs": """
while True:
    pair = socket.socketpair(); held.append(pair)
    for end in pair: fill(end)
""",
    "pairs whose sender is gone": """
while True:
    one, other = socket.socketpair()
    fill(one); one.close(); held.append(other)
""",
    "pairs with large buffers": """
while True:
    pair = socket.socketpair(); held.append(pair)
    for end in pair:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 30); fill(end)
""",
    "pairs in flight": """
while True:
    one, other = socket.socketpair(); inner = socket.socketpair()
    fill(inner[0]); socket.send_fds(one, [b"x"], [inner[0].fileno(), inner[1].fileno()])
    for end in inner: end.close()
    held.append((one, other))
""",
    "datagrams to names": """
while True:
    reader = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); reader.bind(f"/tmp/{len(held)}"); held.append(reader)
    for _ in range(12):
        writer = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); writer.setblocking(False)
        total[0] += writer.sendto(b"x" * 200_000, f"/tmp/{len(held) - 1}")
""",
    "datagrams between pairs": """
while True:
    pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM); held.append(pair)
    for end in pair: fill(end)
""",
    "packets": """
while True:
    pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET); held.append(pair)
    for end in pair: fill(end)
""",
    "connections that nobody accepts": """
server = socket.socket(socket.AF_UNIX); server.bind("/tmp/server"); server.listen(4096)
while True:
    client = socket.socket(socket.AF_UNIX); client.setblocking(False); client.connect("/tmp/server")
    fill(client); client.close()
""",
    "pipes": """
import fcntl
while True:
    pipe = os.pipe2(os.O_NONBLOCK); held.append(pipe)
    try: fcntl.fcntl(pipe[1], 1031, 1 << 20)
    except OSError: pass
    while True:
        try: total[0] += os.write(pipe[1], b"x" * 4096)
        except BlockingIOError: break
""",
}
FILL = """
import os, socket
held, total = [], [0]
def fill(end):
    end.setblocking(False)
    while True:
        try: total[0] += end.send(b"x" * 4096)
        except BlockingIOError: return
def f():
    try:
{body}
    except OSError:
        pass
    return total[0] >> 20
"""


@pytest.mark.parametrize("name", QUEUES)
def test_the_kernel_holds_little_for_a_program(name: str, run_programs: Any) -> None:
    code = FILL.replace("{body}", textwrap.indent(QUEUES[name].strip("\n"), " " * 8))
    (verdict,) = run_programs([Program(code + "\nprint(f())", "assert f() < 64")], limits=LIMITS)
    assert verdict.status == "passed", verdict
