"""What many machines cost the one that drives them. Each figure is a line of JSON.

python scripts/bench_machines.py calls       # CPU of the driver for a call: in process, HTTP (and before), Ray
python scripts/bench_machines.py seats       # how busy 8 waiting replicas of 256 seats are, on Ray
python scripts/bench_machines.py prefixes    # what prefix caches serve of decks over 4 servers, and over one
python scripts/bench_machines.py memory      # a million calls through 64 replicas of this process

The servers and replicas compute nothing, so what is left is the driver. `calls` takes CPU seconds of this process,
which other work on the machine hardly changes; `seats` is wall-clock time and wants an idle machine.
"""

import argparse
import asyncio
import contextlib
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from machines.replicas import IDENTITY, WaitingReplica, seconds_of
from machines.servers import MODEL

from sca_hf.engines import Completion, Engine, Prompt, Sampling
from sca_hf.engines.ray.engine import Placement, RayEngine
from sca_hf.engines.registry import make_engine
from sca_hf.engines.routing import Router, shared_part
from sca_hf.engines.settings import EngineSettings
from sca_hf.engines.threaded import ThreadedEngine
from sca_hf.pipeline.journal import Journal, JournaledEngine

SHOT = "x = 1  # some code of an exemplar\n" * 40
PROMPT = "Name concepts.\n\n" + "".join(f"### Example {n}\n{SHOT}\n" for n in range(1, 5)) + "### Example 5\n"
AT_ONCE = 128
ROWS_AT_ONCE = 512
"""Rows that a run has in the works, at least (`run.concurrency`)."""

Ask = Callable[[int], Awaitable[object]]


class AtOnce(ThreadedEngine):
    """An engine of this process that answers at once: what all engines cost."""

    def __init__(self) -> None:
        super().__init__(IDENTITY, "at-once")

    async def _ask(self, prompt: Prompt, sampling: Sampling) -> Completion:
        return Completion("def double(x):\n    return 2 * x\n" * 8, "stop", 1500, 64)

    async def _release(self) -> None:
        pass


class Replicas(AtOnce):
    """64 replicas that wait a moment, and are chosen as servers are."""

    def __init__(self, count: int = 64) -> None:
        super().__init__()
        self._router: Router[None] = Router()
        for number in range(count):
            self._router.add(f"replica {number}", None)

    async def _ask(self, prompt: Prompt, sampling: Sampling) -> Completion:
        taken = self._router.take(shared_part(prompt), 0.0)
        assert taken is not None
        await asyncio.sleep(0)
        self._router.give_back(taken[0])
        return await super()._ask(prompt, sampling)


def sampling(seed: int) -> Sampling:
    """Of call number `seed`."""
    return Sampling(temperature=0.7, max_tokens=64, stop=("### Example",), seed=seed)


async def many(ask: Ask, numbers: range, at_once: int = AT_ONCE) -> None:
    """Make all calls, so many at once."""
    left = iter(numbers)

    async def worker() -> None:
        for number in left:
            await ask(number)

    await asyncio.gather(*(worker() for _ in range(at_once)))


def cpu_ms(ask: Ask, count: int, close: Callable[[], Awaitable[None]] | None = None) -> float:
    """CPU milliseconds of this process a call, after some calls that open what is to be opened."""

    async def all_calls() -> float:
        await many(ask, range(300))
        began = time.process_time()
        await many(ask, range(count))
        took = time.process_time() - began
        if close is not None:
            await close()
        return took

    return round(1000 * asyncio.run(all_calls()) / count, 3)


def of_engine(engine: Engine, count: int) -> float:
    """CPU milliseconds of a call of an engine."""
    try:
        return cpu_ms(lambda number: engine.complete(f"{PROMPT}{number}", sampling(number)), count)
    finally:
        engine.close()


@contextlib.contextmanager
def servers(count: int) -> Iterator[list[str]]:
    """Addresses of servers that answer at once, each a process."""
    processes, urls = [], []
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    for _ in range(count):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        command = [sys.executable, str(Path(__file__).parent / "machines" / "servers.py"), str(port)]
        processes.append(subprocess.Popen(command, env=environment))
        urls.append(f"http://127.0.0.1:{port}")
    try:
        for url in urls:
            wait_for(url)
        yield urls
    finally:
        for process in processes:
            process.kill()
            process.wait()


def wait_for(url: str) -> None:
    """Until a server answers."""
    while True:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/version"):
            return
        time.sleep(0.1)


def openai_before(url: str, count: int) -> float:
    """The client that was used before: openai over httpx."""
    from openai import AsyncOpenAI

    client = AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)

    async def ask(number: int) -> object:
        return await client.completions.create(
            model=MODEL, prompt=f"{PROMPT}{number}", max_tokens=64, temperature=0.7, seed=number, stop=["### Example"]
        )

    return cpu_ms(ask, count, client.close)


def tgi_before(url: str, count: int) -> float:
    """The client that was used before: text_generation's own, which opens a connection a call."""
    from text_generation import AsyncClient

    client = AsyncClient(url)

    async def ask(number: int) -> object:
        return await client.generate(
            f"{PROMPT}{number}", do_sample=True, max_new_tokens=64, seed=number, temperature=0.7, stop_sequences=["###"]
        )

    return cpu_ms(ask, count)


@contextlib.contextmanager
def waiting_replicas(count: int, seats: int, mean: float) -> Iterator[RayEngine]:
    """Replicas on a local Ray that wait."""
    from sca_hf.engines.ray import replica

    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[1])])
    replica.Replica = WaitingReplica  # type: ignore[misc,assignment]
    placement = Placement(replicas=count, cpus=0.01)
    engine = RayEngine(IDENTITY, "waiting", {"max_num_seqs": seats, "mean": mean}, placement)
    try:
        yield engine
    finally:
        engine.close()


def until_up(engine: RayEngine, count: int) -> None:
    """Wait until all replicas have joined."""
    engine.start()
    while engine.fleet.up < count:
        time.sleep(0.1)


def calls(count: int) -> dict[str, float]:
    """CPU milliseconds of the driver for a call of 6 kB."""
    figures = {"in process": of_engine(AtOnce(), count)}
    with servers(1) as (url,):
        engine = EngineSettings(kind="openai", urls=(url,))
        figures["HTTP"] = of_engine(make_engine(MODEL, engine), count)
        figures["HTTP, by openai before"] = openai_before(url, count)
        figures["TGI"] = of_engine(make_engine(MODEL, engine.model_copy(update={"kind": "tgi"})), count)
        figures["TGI, by text_generation before"] = tgi_before(url, count)
    with waiting_replicas(1, 1024, 0.0) as replica:
        until_up(replica, 1)
        figures["Ray"] = of_engine(replica, count)
    return figures


def seats(count: int) -> dict[str, float]:
    """How busy 8 replicas of 256 seats are with calls of skewed lengths; 1.0: no seat ever waits."""
    replicas, each, mean = 8, 256, 4.0
    lengths = [seconds_of(number, mean) for number in range(count)]
    ends: list[float] = []
    with waiting_replicas(replicas, each, mean) as engine:
        until_up(engine, replicas)
        began = time.monotonic()

        async def ask(number: int) -> None:
            await engine.complete(f"{PROMPT}{number}", sampling(number))
            ends.append(time.monotonic() - began)

        asyncio.run(many(ask, range(count), 2 * replicas * each))
    nearly = sorted(ends)[int(0.98 * count)]
    whole = max(ends)
    # Of what ended later, the part before is not known here; all calls of the last 2 % count as not begun.
    early = sum(sorted(lengths)[: int(0.98 * count)])
    return {
        "calls": count,
        "utilisation": round(sum(lengths) / (replicas * each * whole), 3),
        "utilisation to the last 2 %, at least": round(early / (replicas * each * nearly), 3),
    }


def prefixes(count: int) -> dict[str, float]:
    """The share of prompts, by characters, that prefix caches of endless size would have served; 64 decks."""
    shares = {}
    for number in (1, 4):
        with servers(number) as urls:
            engine = make_engine(MODEL, EngineSettings(kind="openai", urls=tuple(urls)))
            decks = [PROMPT.replace("Name", f"Name {deck}") for deck in range(64)]

            def ask(call: int, engine: Engine = engine, decks: list[str] = decks) -> Awaitable[object]:
                return engine.complete(f"{decks[call * 64 // count]}{call}", sampling(call))  # deck by deck, as a stage

            asyncio.run(many(ask, range(count), ROWS_AT_ONCE))
            counts = [json.load(urllib.request.urlopen(f"{url}/counts")) for url in urls]
            engine.close()
        shares[f"{number} servers"] = sum(each["cached"] for each in counts) / sum(
            each["characters"] for each in counts
        )
        shares[f"{number} servers, most calls of one"] = max(each["calls"] for each in counts) / count
    return {name: round(share, 4) for name, share in shares.items()}


def memory(count: int) -> dict[str, float]:
    """Memory of the driver in MiB after a tenth of the calls, and after all."""
    figures: dict[str, Any] = {"calls": count}
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder) / "journal.sqlite")
        engine = JournaledEngine(Replicas(), journal)

        def ask(number: int) -> Awaitable[object]:
            return engine.complete(f"{PROMPT}{number}", sampling(number))

        for name, numbers in (("a tenth", range(count // 10)), ("all", range(count // 10, count))):
            asyncio.run(many(ask, numbers))
            figures[f"MiB after {name}"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        engine.close()
        journal.close()
    return figures


COMMANDS = {
    "calls": (calls, 4000),
    "seats": (seats, 40_000),
    "prefixes": (prefixes, 12_800),
    "memory": (memory, 1_000_000),
}


def main() -> None:
    """Print the figures of a command."""
    command = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    command.add_argument("command", choices=COMMANDS)
    command.add_argument("--calls", type=int)
    options = command.parse_args()
    measure, count = COMMANDS[options.command]
    print(json.dumps({options.command: measure(options.calls or count), "load": round(os.getloadavg()[0])}))


if __name__ == "__main__":
    main()
