"""Replicas on a real local Ray: the same answers as one engine, whatever dies, and nothing left behind."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import tree

from sca_hf.engines import Completion, RowFailure, Sampling
from sca_hf.engines.model import engine_identity
from sca_hf.engines.ray.engine import ENGINE_CRASH, Placement, RayEngine
from sca_hf.engines.vllm.engine import VllmEngine
from sca_hf.errors import EngineUnavailable
from tests.watching import processes_below, until

pytest.importorskip("ray", reason="ray isn't installed: pip install 'sca-hf[ray]'")
pytestmark = [pytest.mark.engine, pytest.mark.timeout(540)]

REPLICA = b"ray::Replica"
MAKE = {"max_model_len": 1024, "max_num_seqs": 16}
PROMPTS = [f"### Example\n[Instruction]\nWrite function number {n}.\n" for n in range(48)]


def sampling(number: int, max_tokens: int = 32) -> Sampling:
    return Sampling(temperature=0.7, max_tokens=max_tokens, stop=(), seed=number)


def replicas(replicas: int, wait_seconds: float = 300.0, cpus: float = 0.5) -> RayEngine:
    placement = Placement(replicas=replicas, cpus=cpus, wait_seconds=wait_seconds)
    return RayEngine(engine_identity("demo", "bfloat16"), "demo", MAKE, placement)


@pytest.fixture(scope="module")
def two() -> Iterator[RayEngine]:
    """Two replicas, shared by the tests that leave two."""
    running = replicas(2)
    yield running
    running.close()


async def complete_all(engine: RayEngine | VllmEngine) -> list[Completion]:
    calls = (engine.complete(prompt, sampling(number)) for number, prompt in enumerate(PROMPTS))
    return list(await asyncio.gather(*calls))


def test_replicas_give_the_answers_of_one_engine_also_when_one_is_killed(engine: VllmEngine, two: RayEngine) -> None:
    expected = asyncio.run(complete_all(engine))
    assert asyncio.run(complete_all(two)) == expected
    until(lambda: two.fleet.up == 2)

    async def with_a_kill() -> list[Completion]:
        calls = asyncio.create_task(complete_all(two))
        await asyncio.sleep(0.2)
        os.kill(processes_below(os.getpid(), REPLICA)[0], signal.SIGKILL)
        return await calls

    assert asyncio.run(with_a_kill()) == expected
    until(lambda: two.fleet.lost == 1 and two.fleet.up == 2)
    assert asyncio.run(complete_all(two)) == expected


def test_a_call_that_two_replicas_died_of_is_its_rows_failure(two: RayEngine) -> None:
    until(lambda: two.fleet.up == 2, 300)

    async def poisonous() -> None:
        call = asyncio.create_task(two.complete(PROMPTS[0], sampling(0, max_tokens=900)))
        while not call.done():
            # Whoever works on it dies, long before 900 tokens are there.
            await asyncio.sleep(0.05)
            for process in processes_below(os.getpid(), REPLICA):
                os.kill(process, signal.SIGKILL)
            await asyncio.to_thread(until, lambda: call.done() or not two.fleet.up)
            await asyncio.to_thread(until, lambda: call.done() or two.fleet.up > 0)
        await call

    with pytest.raises(RowFailure, match=ENGINE_CRASH):
        asyncio.run(poisonous())
    assert asyncio.run(two.complete(PROMPTS[1], sampling(1))).completion_tokens > 0


def test_a_cluster_without_room_is_an_error_that_says_what_is_missing(two: RayEngine) -> None:
    asyncio.run(two.complete(PROMPTS[1], sampling(1)))
    greedy = replicas(1, wait_seconds=3.0, cpus=10_000.0)
    with pytest.raises(EngineUnavailable, match=r"each needs \[\{'CPU': 10000.0\}\], the cluster has"):
        asyncio.run(greedy.complete(PROMPTS[0], sampling(0)))
    greedy.close()


def test_nothing_outlives_a_driver_that_is_killed() -> None:
    script = (
        "import asyncio\n"
        "from sca_hf.engines import Sampling\n"
        "from sca_hf.engines.model import engine_identity\n"
        "from sca_hf.engines.ray.engine import Placement, RayEngine\n"
        f"engine = RayEngine(engine_identity('demo', 'bfloat16'), 'demo', {MAKE}, Placement(cpus=0.5))\n"
        "asyncio.run(engine.complete('def', Sampling(0.0, 4, (), 0)))\n"
        "print('ready', flush=True)\n"
        "input()\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
    ) as driver:
        try:
            assert driver.stdout is not None
            assert driver.stdout.readline() == "ready\n"
            left = [each for process in processes_below(driver.pid, REPLICA) for each in tree(process)]
            assert left
        finally:
            driver.kill()
    until(lambda: not any(Path(f"/proc/{process}").exists() for process in left))
