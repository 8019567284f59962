"""Replicas that wait in the place of a model, on a real local Ray: what is routed where, and what deaths cost."""

import asyncio
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from machines.replicas import IDENTITY, WaitingReplica

from sca_hf.engines import Completion, RowFailure, Sampling
from sca_hf.engines.ray import replica
from sca_hf.engines.ray.engine import ENGINE_CRASH, Placement, RayEngine
from tests.watching import processes_below, until

pytest.importorskip("ray", reason="ray isn't installed: pip install 'sca-hf[ray]'")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

KILLS = 20
CALLS = 3000


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch) -> Iterator[RayEngine]:
    """Three replicas whose calls take a tenth of a second."""
    monkeypatch.setattr(replica, "Replica", WaitingReplica)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    make = {"max_num_seqs": 64, "mean": 0.1}
    running = RayEngine(IDENTITY, "waiting", make, Placement(replicas=3, cpus=0.1, wait_seconds=300.0))
    yield running
    running.close()


async def outcome(engine: RayEngine, number: int) -> str:
    sampling = Sampling(temperature=0.7, max_tokens=8, stop=(), seed=number)
    try:
        completion: Completion = await engine.complete(f"### Example 1\ndeck {number % 24}\n### Example 2\n", sampling)
    except RowFailure as failure:
        return failure.reason
    return completion.text.splitlines()[0]


def test_replicas_that_are_killed_at_random_lose_nothing(three: RayEngine) -> None:
    """A call that was in flight at two deaths is its row's failure; each other call has its own answer."""
    chance, done = random.Random(0), threading.Event()
    killed = 0

    def kill() -> None:
        nonlocal killed
        while killed < KILLS and not done.is_set():
            until(lambda: three.fleet.up > 0 or done.is_set())
            time.sleep(chance.uniform(0.2, 1.0))
            if processes := processes_below(os.getpid(), b"ray::WaitingReplica"):
                os.kill(chance.choice(processes), signal.SIGKILL)
                killed += 1

    async def all_calls() -> list[str]:
        turns = asyncio.Semaphore(64)

        async def one(number: int) -> str:
            async with turns:
                return await outcome(three, number)

        outcomes = await asyncio.gather(*(one(number) for number in range(300)))
        killer = threading.Thread(target=kill)
        killer.start()
        try:
            while len(outcomes) < CALLS or (killed < KILLS and len(outcomes) < 20 * CALLS):
                first = len(outcomes)
                outcomes += await asyncio.gather(*(one(number) for number in range(first, first + 300)))
        finally:
            done.set()
            await asyncio.to_thread(killer.join)
        return outcomes

    outcomes = asyncio.run(all_calls())
    assert killed == KILLS
    crashed = [number for number, said in enumerate(outcomes) if said == ENGINE_CRASH]
    assert all(said == f"# {number}" for number, said in enumerate(outcomes) if number not in set(crashed))
    assert len(crashed) < 0.1 * len(outcomes)
    until(lambda: three.fleet.up == 3)
    assert 0 < three.fleet.lost <= KILLS
    assert asyncio.run(outcome(three, 1)) == "# 1"
