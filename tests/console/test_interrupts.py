"""Ctrl-C: a command ends at once, with a line, whatever it is doing, and goes on from there the next time.

SCA_HF_INTERRUPTS is the number of random moments (4). Of the real engine, only its start is interrupted here.
"""

import json
import os
import pty
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from processes import tree

from sca_hf.console.interrupts import INTERRUPTED
from sca_hf.store import Store
from tests.code_files import FUNCTION, write_code
from tests.engines.loopback_server import MODEL, Loopback, doubles

INTERRUPTS = int(os.environ.get("SCA_HF_INTERRUPTS", "4"))
SEED = random.SystemRandom().randrange(10**6)

_BOUND = 2.0  # seconds
_ENDED_SECONDS = 10.0


def says(prompt: str, seed: int) -> str:
    time.sleep(0.03)
    return doubles(prompt, seed)


class Run:
    """A run that can be interrupted. `folder`: for what it prints; `terminal`: where it prints, in place of a file."""

    def __init__(self, arguments: Sequence[str], folder: Path, terminal: int | None = None) -> None:
        self.said = folder / "said"
        with self.said.open("wb") as file:
            output = file if terminal is None else terminal
            controlling = [] if terminal is None else ["setsid", "--ctty"]
            self.process = subprocess.Popen(
                [*controlling, sys.executable, "-m", "sca_hf.run", *arguments],
                stdin=subprocess.DEVNULL if terminal is None else terminal,
                stdout=output,
                stderr=output,
                start_new_session=terminal is None,
                env=os.environ | {"HF_HUB_OFFLINE": "1"},
            )
        while len(list(Path(f"/proc/{self.process.pid}/task").glob("*"))) < 2 and self.process.poll() is None:
            time.sleep(0.005)  # Python itself is starting
        self.began = time.monotonic()

    def interrupt(self, whole_group: bool) -> float:
        """Send SIGINT, as a terminal does (`whole_group`) or as `kill -INT`; return the seconds until the end."""
        self.children = [(child, _born(child)) for child in tree(self.process.pid)]
        began = time.monotonic()
        (os.killpg if whole_group else os.kill)(self.process.pid, signal.SIGINT)
        return self.wait() - began

    def wait(self) -> float:
        """Wait for the end; return its time."""
        self.process.wait(300)
        return time.monotonic()

    def left_over(self) -> list[str]:
        """Return the command lines of the processes that have not ended by themselves, killed as they are.

        On a busy machine it takes the kernel more than a second to take a jail's mounts and namespaces apart.
        """
        deadline = time.monotonic() + _ENDED_SECONDS
        while (left := [child for child, born in self.children if born and _born(child) == born]) and (
            time.monotonic() < deadline
        ):
            time.sleep(0.02)
        return [Path(f"/proc/{child}/cmdline").read_text() for child in left]


def _born(process: int) -> bytes | None:
    """Return when a process began, which tells it from a later one of the same id; None of one that has ended."""
    try:
        state, *fields = Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if state in {b"Z", b"X"} else fields[18]


def check_interrupted(run: Run, seconds: float) -> None:
    said = run.said.read_text()
    assert run.process.returncode == 130, said
    assert seconds < _BOUND, said
    assert said.count(INTERRUPTED) == 1, said
    assert said.endswith(f"{INTERRUPTED}\n"), said
    for word in ("Traceback", "KeyboardInterrupt", "error:", "Warning"):
        assert word not in said, said
    assert not run.left_over(), said


def manifests(store: Path) -> dict[str, str]:
    return {f"{version.dataset}/{version.fingerprint}": version.manifest_sha for version in Store(store).versions()}


@pytest.fixture
def arguments(tmp_path: Path) -> Iterator[list[str]]:
    """Of a run of some seconds, all of whose stages have something to do."""
    code = write_code(tmp_path / "code", 12)
    server = Loopback()
    server.says = says
    changes = (
        f"seeds.source={code}",
        f"model={MODEL}",
        "engine.kind=openai",
        f"engine.urls=[{server.url}]",
        "run.concurrency=4",
        "responses.samples=2",
        "mutants.runs=4",
        "select.asked_names=false",
    )
    yield ["--recipe", "demo", *(part for change in changes for part in ("--set", change))]
    server.close()


@pytest.mark.jail
@pytest.mark.slow
@pytest.mark.timeout(600 + 30 * INTERRUPTS)
def test_random_moments(tmp_path: Path, arguments: list[str]) -> None:
    undisturbed = Run([*arguments, "--store", str(tmp_path / "undisturbed")], tmp_path)
    whole = undisturbed.wait() - undisturbed.began
    assert undisturbed.process.returncode == 0, undisturbed.said.read_text()
    expected = manifests(tmp_path / "undisturbed")
    chance = random.Random(SEED)
    print("seed", SEED)
    interrupted = stores = 0
    longest = 0.0
    while True:
        store = tmp_path / f"store-{stores}"
        run = Run([*arguments, "--store", str(store)], tmp_path)
        if interrupted < INTERRUPTS:
            moment = chance.uniform(0.0, whole)
            while time.monotonic() - run.began < moment and run.process.poll() is None:
                time.sleep(0.01)
            if run.process.poll() is None:
                seconds = run.interrupt(whole_group=chance.random() < 0.5)
                if run.process.returncode != 0:  # it had not just ended by itself
                    check_interrupted(run, seconds)
                    longest = max(longest, seconds)
                    interrupted += 1
                    continue
        run.wait()
        assert run.process.returncode == 0, run.said.read_text()
        assert manifests(store) == expected
        stores += 1
        if interrupted >= INTERRUPTS:
            break
    print(f"{interrupted} interrupts of a run of {whole:.1f} s, the slowest end after {longest:.2f} s")


@pytest.mark.engine
@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.3, 3.0, 9.0])
def test_the_start_of_the_engine(tmp_path: Path, seconds: float) -> None:
    rows = tmp_path / "seeds.jsonl"
    rows.write_text("".join(json.dumps({"seed": FUNCTION.format(number)}) + "\n" for number in range(4)))
    run = Run(
        ["--recipe", "demo", "--input", str(rows), "--from", "concepts", "--store", str(tmp_path / "s")], tmp_path
    )
    while b"concepts" not in run.said.read_bytes() and run.process.poll() is None:
        time.sleep(0.02)
    time.sleep(seconds)
    check_interrupted(run, run.interrupt(whole_group=True))


@pytest.mark.slow
def test_a_terminal_gets_its_cursor_back(tmp_path: Path, arguments: list[str]) -> None:
    ours, theirs = pty.openpty()
    run = Run([*arguments, "--to", "responses", "--store", str(tmp_path / "store")], tmp_path, theirs)
    os.close(theirs)
    said = b""
    while b"concepts" not in said or b"\x1b[?25l" not in said:
        said += os.read(ours, 4096)
    os.write(ours, b"\x03")
    began = time.monotonic()
    while INTERRUPTED.encode() not in said:
        said += os.read(ours, 4096)
    assert run.wait() - began < _BOUND
    assert run.process.returncode == 130
    os.close(ours)
    assert said.rindex(b"\x1b[?25h") > said.rindex(b"\x1b[?25l")
    assert b"Traceback" not in said
