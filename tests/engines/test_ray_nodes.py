"""Faults of a Ray cluster of two nodes on this machine: one is lost, the driver's own is, the object store is full."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from machines.replicas import IDENTITY, WaitingReplica
from processes import tree

from sca_hf import cluster
from sca_hf.engines import Prompt, Sampling
from sca_hf.engines.ray import replica
from sca_hf.engines.ray.engine import Placement, RayEngine
from tests.watching import processes_below, until

ray = pytest.importorskip("ray", reason="ray isn't installed: pip install 'sca-hf[ray]'")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(580)]

MAKE = {"max_num_seqs": 64, "mean": 0.02}
STORE_BYTES = 80_000_000  # as few as Ray takes
RAY = [str(Path(sys.executable).with_name("ray")), "start", "--block", "--disable-usage-stats", "--num-cpus=2"]

DRIVER = """
import asyncio
from machines.replicas import IDENTITY, WaitingReplica
from sca_hf.engines import Sampling
from sca_hf.engines.ray import replica
from sca_hf.engines.ray.engine import Placement, RayEngine

replica.Replica = WaitingReplica
engine = RayEngine(IDENTITY, "waiting", {"max_num_seqs": 64, "mean": 0.02}, Placement(cpus=0.1, wait_seconds=5.0))

async def main():
    number = 0
    while True:
        await engine.complete("### Example 1", Sampling(0.7, 8, (), number))
        number += 1
        if number == 10:
            print("under way", flush=True)

asyncio.run(main())
"""


def kill(process: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # it has ended
        os.kill(process, signal.SIGKILL)


@pytest.fixture
def local_ray(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Its address: a node with two cores and a small object store, which engine and jails join."""
    monkeypatch.setattr(replica, "Replica", WaitingReplica)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    monkeypatch.setattr(ray, "init", partial(ray.init, "local", num_cpus=2, object_store_memory=STORE_BYTES))
    cluster.join()
    yield ray.get_runtime_context().gcs_address
    cluster.leave()


@contextlib.contextmanager
def second_node(address: str) -> Iterator[int]:
    """One more, by the process that all of it is below."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    alive = sum(each["Alive"] for each in ray.nodes())
    running = subprocess.Popen([*RAY, f"--address={address}"], env=environment)
    try:
        while sum(each["Alive"] for each in ray.nodes()) == alive:
            if running.poll() is not None:
                running = subprocess.Popen([*RAY, f"--address={address}"], env=environment)
            time.sleep(0.5)
        yield running.pid
    finally:
        for process in list(tree(running.pid)):
            kill(process)
        running.wait()
        # Else the next Ray of this machine would look for this one.
        Path("/tmp/ray/ray_current_cluster").unlink(missing_ok=True)


async def ask(engine: RayEngine, numbers: range, padding: str = "") -> list[str]:
    async def one(number: int) -> str:
        prompt: Prompt = f"### Example 1\ndeck {number % 24}{padding}\n### Example 2\n"
        return (await engine.complete(prompt, Sampling(0.7, 8, (), number))).text.splitlines()[0]

    return list(await asyncio.gather(*map(one, numbers)))


def test_a_node_that_is_lost_costs_no_call(local_ray: str) -> None:
    """Two replicas, one on either node; Ray notices after some missed heartbeats."""
    engine = RayEngine(IDENTITY, "waiting", MAKE, Placement(replicas=2, cpus=1.5, wait_seconds=200.0))

    async def with_a_loss(second: int) -> None:
        answers = await ask(engine, range(300))
        calls = asyncio.gather(*(ask(engine, range(first, first + 300)) for first in range(300, 1500, 300)))
        await asyncio.sleep(0.2)
        for process in list(tree(second)):
            kill(process)
        answers += [text for texts in await calls for text in texts]
        assert answers == [f"# {number}" for number in range(1500)]

    with second_node(local_ray) as second:
        engine.start()
        until(lambda: engine.fleet.up == 2)
        asyncio.run(with_a_loss(second))
    until(lambda: engine.fleet.lost == 1)
    engine.close()


def test_a_driver_whose_raylet_is_killed_ends_and_leaves_nothing() -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", DRIVER], stdout=subprocess.PIPE, env=environment, text=True) as driver:
        try:
            assert driver.stdout is not None
            assert driver.stdout.readline() == "under way\n"
            below_it = [each for each in tree(driver.pid) if each != driver.pid]
            (raylet,) = processes_below(driver.pid, b"raylet")
            kill(raylet)
            assert driver.wait(200) != 0
            until(lambda: not any(Path(f"/proc/{each}").exists() for each in below_it), 10)
        finally:
            driver.kill()


def test_a_full_object_store_holds_no_call_up(local_ray: str) -> None:
    """Prompts of more than 100 kB go through it."""
    engine = RayEngine(IDENTITY, "waiting", MAKE, Placement(replicas=1, cpus=0.1, wait_seconds=200.0))
    try:
        assert asyncio.run(ask(engine, range(10))) == [f"# {number}" for number in range(10)]
        held = [ray.put(bytes(STORE_BYTES // 10)) for _ in range(30)]
        long = "x" * 200_000
        assert asyncio.run(ask(engine, range(100), long)) == [f"# {number}" for number in range(100)]
        assert len(ray.get(held[0])) == STORE_BYTES // 10
    finally:
        engine.close()
