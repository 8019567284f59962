"""Jails on a real local Ray: the verdicts of this machine, also when a host of them is killed."""

import asyncio
import contextlib
import os
import re
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from processes import tree

from sca_hf import cluster
from sca_hf.errors import SandboxUnavailable
from sca_hf.pipeline.resources import Resources
from sca_hf.recipe import load_recipe
from sca_hf.sandbox import Jails, Limits, Program, Verdict, ray_host
from sca_hf.sandbox.ray_jails import RayJails
from sca_hf.stages import execute
from tests.sandbox.processes import own_jails
from tests.watching import processes_below

pytest.importorskip("ray", reason="ray isn't installed: pip install 'sca-hf[ray]'")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(540)]

LIMITS = Limits(cpu_seconds=1, wall_seconds=60, memory_mb=512)
DOUBLE = "def double(x):\n    return 2 * x"
PROGRAMS = [
    Program(DOUBLE, "assert double(2) == 4"),
    Program(DOUBLE, "assert double(2) == 5"),
    Program(DOUBLE, "print(double(2))"),
    Program("def double(x:", "assert double(2) == 4"),
    Program("def double(x):\n    while True:\n        pass", "assert double(2) == 4"),
    Program("def double(x):\n    return bytearray(1 << 30)", "assert double(2) == 4"),
    Program("import numpy as np\ndef double(x):\n    return 2 * np.array(x)", "assert double([2]).sum() == 4"),
    Program(DOUBLE, "import unittest\nclass T(unittest.TestCase):\n    def test(self):\n        assert double(2) == 4"),
]
HOST = b"ray::JailHost"
SLEEPS = Program("import time\ndef nap():\n    return time.sleep(3)", "assert nap() is None")


def has_jails(host: int) -> bool:
    return any(b"jail.launcher" in Path(f"/proc/{process}/cmdline").read_bytes() for process in tree(host))


@pytest.fixture(scope="module")
def jails() -> Iterator[RayJails]:
    """One jail on Ray. It is entered in a thread and a loop that end at once, as a stage's do."""
    there = RayJails(Jails(1, LIMITS), 1)
    asyncio.run(there.__aenter__())
    yield there
    asyncio.run(there.__aexit__(None, None, None))


@pytest.fixture(scope="module")
def expected() -> list[Verdict]:
    """The verdicts of jails of this process."""

    async def here() -> list[Verdict]:
        async with Jails(1, LIMITS) as jails:
            return await verdicts(jails)

    return asyncio.run(here())


async def verdicts(jails: RayJails | Jails) -> list[Verdict]:
    return list(await asyncio.gather(*map(jails.run, PROGRAMS)))


def identities(verdicts: Iterable[Verdict]) -> list[tuple[object, ...]]:
    return [(*verdict.identity, verdict.stdout) for verdict in verdicts]


def test_the_verdicts_are_those_of_this_machine(jails: RayJails, expected: list[Verdict]) -> None:
    there = asyncio.run(verdicts(jails))
    assert not own_jails()
    assert identities(there) == identities(expected)
    assert {verdict.status for verdict in there} >= {"passed", "failed", "syntax-error", "timeout", "no-assertion"}


def test_a_local_ray_outlives_the_thread_that_started_it(jails: RayJails) -> None:
    """The kernel ends it with that thread unless it is a thread that stays."""
    asyncio.run(jails.run(PROGRAMS[0]))
    joined = threading.Thread(target=cluster.join)
    joined.start()
    joined.join()
    left = threading.Thread(target=cluster.leave)
    left.start()
    left.join()
    time.sleep(1.0)
    assert asyncio.run(jails.run(PROGRAMS[0])).status == "passed"


def test_what_a_killed_host_was_at_runs_again(jails: RayJails, expected: list[Verdict]) -> None:
    async def with_a_kill() -> list[Verdict]:
        runs = [asyncio.create_task(jails.run(program)) for program in (SLEEPS, *PROGRAMS)]
        await asyncio.sleep(1.0)
        (host,) = processes_below(os.getpid(), HOST)
        os.kill(host, signal.SIGKILL)
        return list(await asyncio.gather(*runs))

    began = time.monotonic()
    slept, *others = asyncio.run(with_a_kill())
    assert slept.status == "passed"
    assert time.monotonic() - began > 3
    assert identities(others) == identities(expected)


def test_a_host_that_dies_between_programs_is_started_again(jails: RayJails) -> None:
    asyncio.run(jails.run(PROGRAMS[0]))
    (host,) = processes_below(os.getpid(), HOST)
    os.kill(host, signal.SIGKILL)
    while host in processes_below(os.getpid(), HOST):
        time.sleep(0.05)
    assert asyncio.run(jails.run(PROGRAMS[0])).status == "passed"


def test_a_program_that_hosts_die_of_ends_the_run(jails: RayJails) -> None:
    """The jails that share the cluster go on."""

    async def poisonous() -> None:
        async with RayJails(Jails(1, LIMITS), 1) as there:
            run = asyncio.create_task(there.run(replace(SLEEPS, code=SLEEPS.code.replace("3", "60"))))
            while not run.done():
                await asyncio.sleep(1.0)  # it is there as soon as there are jails
                for host in processes_below(os.getpid(), HOST):
                    if host not in others and has_jails(host):
                        os.kill(host, signal.SIGKILL)
            await run

    first = asyncio.run(jails.run(PROGRAMS[0]))
    others = processes_below(os.getpid(), HOST)
    with pytest.raises(SandboxUnavailable, match="3 hosts of jails on Ray have died under one program"):
        asyncio.run(poisonous())
    assert asyncio.run(jails.run(PROGRAMS[0])).identity == first.identity


def test_a_cluster_without_room_is_an_error_that_says_what_is_missing(jails: RayJails) -> None:
    import ray
    from ray.util.placement_group import placement_group, remove_placement_group

    async def crowded() -> None:
        async with RayJails(Jails(4, LIMITS), 4, wait_seconds=3.0) as there:
            await there.run(PROGRAMS[0])

    asyncio.run(jails.run(PROGRAMS[0]))
    rest = placement_group([{"CPU": ray.cluster_resources()["CPU"] - 1}])  # all but that of the jail
    ray.get(rest.ready())
    with pytest.raises(SandboxUnavailable, match=r"no host of jails .* each needs 4 CPUs, the cluster has 0 left"):
        asyncio.run(crowded())
    remove_placement_group(rest)


def test_a_machine_without_jails_is_named(jails: RayJails) -> None:
    """As where Ray was started below a limit that no jail can raise."""
    asyncio.run(jails.run(PROGRAMS[0]))
    for process in tree(os.getpid()):
        if process != os.getpid():
            with contextlib.suppress(ProcessLookupError, PermissionError):  # ended; of a jail
                resource.prlimit(process, resource.RLIMIT_CPU, (1000, 1000))

    async def long() -> None:
        async with RayJails(Jails(1, replace(LIMITS, cpu_seconds=2000)), 1) as there:
            await there.run(PROGRAMS[0])

    name = re.escape(socket.gethostname())
    with pytest.raises(SandboxUnavailable, match=f"machine {name} of the Ray cluster gives no jails: .* CPU time"):
        asyncio.run(long())


def test_another_python_there_is_refused(jails: RayJails, monkeypatch: pytest.MonkeyPatch) -> None:
    async def other() -> None:
        async with RayJails(Jails(1, LIMITS), 1) as there:
            await there.run(PROGRAMS[0])

    monkeypatch.setattr("sca_hf.sandbox.ray_jails.maker", lambda: ("6", "3.12.1 (main)"))
    with pytest.raises(SandboxUnavailable, match=r"machine .* would give other verdicts: .*3\.12\.1"):
        asyncio.run(other())
    assert ray_host.maker()[1] == sys.version


def test_a_setting_says_where_programs_run(jails: RayJails, tmp_path: Path) -> None:
    recipe = load_recipe("demo", ["run.jails_on=ray", "run.jails=1"])
    with Resources(recipe, tmp_path / "journal.sqlite") as resources:
        lent = resources.jails(execute.STAGE)
        assert asyncio.run(lent.run(PROGRAMS[0])).status == "passed"
        assert lent.made == 1
    assert asyncio.run(verdicts(jails))  # whoever else is on the cluster stays on it
