"""Jails on a real local Ray: the verdicts of this machine, also when a host of them is killed."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sca_hf.pipeline.journal import Journal
from sca_hf.pipeline.resources import Resources
from sca_hf.recipe import load_recipe
from sca_hf.sandbox import Jails, Limits, Program, Verdict
from sca_hf.sandbox.ray_jails import RayJails
from sca_hf.stages import execute

pytest.importorskip("ray", reason="ray isn't installed: pip install 'sca-hf[ray]'")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(540)]

LIMITS = Limits(cpu_seconds=2, wall_seconds=60, memory_mb=512)
PROGRAMS = [
    Program("def double(x):\n    return 2 * x", "assert double(2) == 4"),
    Program("def double(x):\n    return 2 * x", "assert double(2) == 5"),
    Program("def double(x:", "assert double(2) == 4"),
    Program("def double(x):\n    while True:\n        pass", "assert double(2) == 4"),
]
SLEEPS = Program("import time\ndef nap():\n    return time.sleep(3)", "assert nap() is None")


def hosts(pid: int) -> list[int]:
    """Processes of hosts below `pid`."""
    found = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, children.read_text().split()):
            command = Path(f"/proc/{child}/cmdline").read_bytes()
            found += ([child] if command.startswith(b"ray::JailHost") else []) + hosts(child)
    return found


@pytest.fixture(scope="module")
def jails() -> Iterator[RayJails]:
    """One jail on Ray, behind a loop that stays."""
    there = RayJails(Jails(1, LIMITS), 1)
    asyncio.run(there.__aenter__())
    yield there
    asyncio.run(there.__aexit__(None, None, None))


async def verdicts(jails: RayJails | Jails) -> list[Verdict]:
    return list(await asyncio.gather(*map(jails.run, PROGRAMS)))


async def here() -> list[Verdict]:
    async with Jails(1, LIMITS) as jails:
        return await verdicts(jails)


def test_the_verdicts_are_those_of_this_machine(jails: RayJails) -> None:
    there = [verdict.identity for verdict in asyncio.run(verdicts(jails))]
    assert there == [verdict.identity for verdict in asyncio.run(here())]
    assert [identity[0] for identity in there] == ["passed", "failed", "syntax-error", "timeout"]


def test_what_a_killed_host_was_at_runs_again(jails: RayJails) -> None:
    async def with_a_kill() -> Verdict:
        run = asyncio.create_task(jails.run(SLEEPS))
        await asyncio.sleep(1.0)
        (host,) = hosts(os.getpid())
        os.kill(host, signal.SIGKILL)
        return await run

    began = time.monotonic()
    assert asyncio.run(with_a_kill()).status == "passed"
    assert time.monotonic() - began > 3


def test_a_setting_says_where_programs_run(jails: RayJails, tmp_path: Path) -> None:
    recipe = load_recipe("demo", ["run.jails_on=ray", "run.jails=1"])
    with Resources(recipe, tmp_path / "journal.sqlite") as resources:
        lent = resources.jails(execute.STAGE)
        assert asyncio.run(lent.run(PROGRAMS[0])).status == "passed"
        assert lent.made == 1
    assert asyncio.run(verdicts(jails))  # whoever else is on the cluster stays on it
    Journal(tmp_path / "journal.sqlite").close()
