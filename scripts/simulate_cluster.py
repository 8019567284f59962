"""A discrete simulation of a large cluster, by the code that routes calls for real. Nothing is measured here.

python scripts/simulate_cluster.py --gpus 10000 --plot scripts/simulate_cluster.png

Each part of a run (`--part I/N`) has a driver of its own with `--per-driver` GPUs. What a replica and a driver take is
given by arguments, whose defaults are of the size that bench_machines.py and a 7B model on an H100 showed; lengths of
completions are skewed; replicas die and start again, some are slow. Drivers know nothing of each other, so each is
simulated by itself, as many at once as there are cores. Prints one line of JSON.
"""

import argparse
import heapq
import json
import math
import os
import random
import time
from array import array
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sca_hf.engines.ray.engine import DEATHS_OF_A_CALL
from sca_hf.engines.routing import Router

_WARM = 0.98
"""Share of the calls after which a part is at its tail."""


@dataclass(frozen=True)
class Cluster:
    """What is simulated. Seconds and tokens; `driver_ms`: CPU of the driver for one call, journal and all."""

    replicas: int
    seats: int
    calls: int
    decks: int = 64
    median_tokens: float = 220.0
    skew: float = 0.9
    most_tokens: int = 1536
    token_seconds: float = 0.025
    driver_ms: float = 0.8
    hours_between_deaths: float = 24.0
    restart_seconds: float = 150.0
    slow_share: float = 0.01
    slow_factor: float = 3.0


@dataclass(eq=False)
class _Call:
    deck: str
    seconds: float
    began: float = 0.0
    seated: float = 0.0
    deaths: int = 0


@dataclass(eq=False)
class _Replica:
    name: str
    factor: float
    running: set[_Call] = field(default_factory=set)
    waiting: deque[_Call] = field(default_factory=deque)
    life: int = 0


@dataclass
class Outcome:
    """What became of one driver's calls. `seated`, `left`: when a call got a seat and when it left it, by its end or by
    a death; `ended`, `took`: of the calls that are done."""

    seats: int
    seconds: float = 0.0
    lost: int = 0
    again: int = 0
    deaths: int = 0
    driver_busy: float = 0.0
    seated: "array[float]" = field(default_factory=lambda: array("d"))
    left: "array[float]" = field(default_factory=lambda: array("d"))
    ended: "array[float]" = field(default_factory=lambda: array("d"))
    took: "array[float]" = field(default_factory=lambda: array("d"))

    @property
    def tail_begins(self) -> float:
        """When all calls but the last 2 % were done."""
        return self.ended[int(_WARM * len(self.ended))]

    def seat_seconds(self, until: float = math.inf) -> float:
        """Seconds of all seats at work, up to a moment."""
        return float((np.minimum(self.left, until) - np.minimum(self.seated, until)).sum())

    def at_work(self, seconds: int) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
        """How many seats are at work at each full second."""
        edges = np.arange(seconds) + 1e-9
        return (np.searchsorted(np.sort(self.seated), edges) - np.searchsorted(np.sort(self.left), edges)).astype(float)

    def writes(self, seconds: int) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
        """Journal writes in each second."""
        return np.bincount(np.asarray(self.ended).astype(int), minlength=seconds).astype(float)


class Driver:
    """One part: a driver, its replicas, and a heap of what happens next."""

    def __init__(self, cluster: Cluster, seed: int) -> None:
        self._cluster = cluster
        self._chance = random.Random(seed)
        drawn = np.random.default_rng(seed).lognormal(math.log(cluster.median_tokens), cluster.skew, cluster.calls)
        self._lengths = iter((np.minimum(drawn, cluster.most_tokens) * cluster.token_seconds).tolist())
        self._router: Router[_Replica] = Router()
        self._events: list[tuple[float, int, str, _Replica | None, _Call | None, int]] = []
        self._number = 0
        self._free_at = 0.0
        self._left = cluster.calls
        self._again: deque[_Call] = deque()
        self._stuck: deque[_Call] = deque()
        self.outcome = Outcome(cluster.replicas * cluster.seats)
        for number in range(cluster.replicas):
            slow = self._chance.random() < cluster.slow_share
            replica = _Replica(f"replica {number}", cluster.slow_factor if slow else 1.0)
            self._router.add(replica.name, replica)
            self._at(self._life(), "death", replica, None)

    def run(self) -> Outcome:
        """Simulate until each call is done or lost."""
        for _ in range(min(self._left, 2 * self._cluster.seats * self._cluster.replicas)):
            self._issue(0.0)
        outcome = self.outcome
        while len(outcome.ended) + outcome.lost < self._cluster.calls:
            now, _, what, replica, call, life = heapq.heappop(self._events)
            if what == "issue" and call is not None:
                self._route(now, call)
            elif what == "end" and replica is not None and call is not None and life == replica.life:
                self._end(now, replica, call)
            elif what == "death" and replica is not None:
                self._die(now, replica)
            elif what == "start" and replica is not None:
                self._router.rest(replica.name, now)
                self._at(now + self._life(), "death", replica, None)
                while self._stuck:
                    self._route(now, self._stuck.popleft())
            outcome.seconds = now
        return outcome

    def _at(self, when: float, what: str, replica: _Replica | None, call: _Call | None) -> None:
        self._number += 1
        life = replica.life if replica else 0
        heapq.heappush(self._events, (when, self._number, what, replica, call, life))

    def _life(self) -> float:
        return self._chance.expovariate(1 / (3600 * self._cluster.hours_between_deaths))

    def _issue(self, now: float) -> None:
        """The driver begins a call as soon as it has the time."""
        cluster = self._cluster
        if self._again:
            call = self._again.popleft()
        elif self._left:
            self._left -= 1
            # Rows are sent deck by deck.
            deck = (cluster.calls - self._left) * cluster.decks // (cluster.calls + 1)
            call = _Call(f"deck {deck}", next(self._lengths), now)
        else:
            return
        self._free_at = max(self._free_at, now) + cluster.driver_ms / 1000
        self.outcome.driver_busy += cluster.driver_ms / 1000
        self._at(self._free_at, "issue", None, call)

    def _route(self, now: float, call: _Call) -> None:
        taken = self._router.take(call.deck, now)
        if taken is None:
            self._stuck.append(call)
            return
        replica = taken[1]
        if len(replica.running) < self._cluster.seats:
            self._begin(now, replica, call)
        else:
            replica.waiting.append(call)

    def _begin(self, now: float, replica: _Replica, call: _Call) -> None:
        replica.running.add(call)
        call.seated = now
        self._at(now + call.seconds * replica.factor, "end", replica, call)

    def _leave_seat(self, now: float, call: _Call) -> None:
        self.outcome.seated.append(call.seated)
        self.outcome.left.append(now)

    def _end(self, now: float, replica: _Replica, call: _Call) -> None:
        replica.running.discard(call)
        self._router.give_back(replica.name)
        self._leave_seat(now, call)
        self.outcome.ended.append(now)
        self.outcome.took.append(now - call.began)
        if replica.waiting:
            self._begin(now, replica, replica.waiting.popleft())
        self._issue(now)

    def _die(self, now: float, replica: _Replica) -> None:
        for call in replica.running:
            self._leave_seat(now, call)
        held = [*replica.running, *replica.waiting]
        replica.running.clear()
        replica.waiting.clear()
        replica.life += 1
        self.outcome.deaths += 1
        self._router.rest(replica.name)
        self._at(now + self._cluster.restart_seconds, "start", replica, None)
        for call in held:
            self._router.give_back(replica.name)
            call.deaths += 1
            if call.deaths >= DEATHS_OF_A_CALL:
                self.outcome.lost += 1
            else:
                self.outcome.again += 1
                self._again.append(call)
            self._issue(now)


def main() -> None:
    """Simulate all parts, print the figures, and draw the plot."""
    command = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    command.add_argument("--gpus", type=int, default=10_000)
    command.add_argument("--per-driver", type=int, default=100, help="GPUs of one part")
    command.add_argument("--seats", type=int, default=64)
    command.add_argument("--calls-per-seat", type=int, default=12)
    command.add_argument("--driver-ms", type=float, default=Cluster.driver_ms)
    command.add_argument("--hours-between-deaths", type=float, default=Cluster.hours_between_deaths)
    command.add_argument("--plot", type=Path)
    options = command.parse_args()
    began = time.monotonic()
    sizes = [min(options.per_driver, options.gpus - first) for first in range(0, options.gpus, options.per_driver)]
    clusters = [
        Cluster(
            size,
            options.seats,
            size * options.seats * options.calls_per_seat,
            driver_ms=options.driver_ms,
            hours_between_deaths=options.hours_between_deaths,
        )
        for size in sizes
    ]
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as processes:
        outcomes = list(processes.map(simulate, clusters, range(len(clusters))))
    print(json.dumps({"GPUs": sum(sizes)} | figures(outcomes) | {"simulated in s": round(time.monotonic() - began)}))
    if options.plot:
        plot(outcomes, sum(sizes), options.plot)


def simulate(cluster: Cluster, seed: int) -> Outcome:
    """Simulate one driver."""
    return Driver(cluster, seed).run()


def figures(outcomes: list[Outcome]) -> dict[str, float]:
    """What the parts together came to. Utilisation: seats at work, of all seats that there are, dead ones included."""
    took = np.sort(np.concatenate([outcome.took for outcome in outcomes]))
    seconds = sum(outcome.seconds for outcome in outcomes)
    whole = sum(outcome.seconds * outcome.seats for outcome in outcomes)
    before = sum(outcome.tail_begins * outcome.seats for outcome in outcomes)
    busy = sum(outcome.seat_seconds() for outcome in outcomes)
    busy_before = sum(outcome.seat_seconds(outcome.tail_begins) for outcome in outcomes)
    longest = int(max(outcome.seconds for outcome in outcomes)) + 1
    return {
        "drivers": len(outcomes),
        "calls": len(took),
        "utilisation": round(busy / whole, 3),
        "utilisation to the last 2 %": round(busy_before / before, 3),
        "a call, median s": round(float(took[len(took) // 2]), 1),
        "a call, 99 % s": round(float(took[len(took) * 99 // 100]), 1),
        "a call, longest s": round(float(took[-1]), 1),
        "a part, median s": round(float(np.median([each.seconds for each in outcomes])), 1),
        "of it the tail": round(float(np.median([each.seconds - each.tail_begins for each in outcomes])), 1),
        "deaths": sum(outcome.deaths for outcome in outcomes),
        "asked again": sum(outcome.again for outcome in outcomes),
        "lost": sum(outcome.lost for outcome in outcomes),
        "journal writes/s a driver, mean": round(len(took) / seconds),
        "journal writes/s, all, peak": int(np.sum([outcome.writes(longest) for outcome in outcomes], axis=0).max()),
        "driver busy": round(sum(each.driver_busy for each in outcomes) / seconds, 3),
    }


def plot(outcomes: list[Outcome], gpus: int, path: Path) -> None:
    """Draw utilisation and journal writes over time."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    seconds = int(max(outcome.seconds for outcome in outcomes)) + 1
    busy = sum(outcome.at_work(seconds) for outcome in outcomes) / sum(outcome.seats for outcome in outcomes)
    writes = sum(outcome.writes(seconds) for outcome in outcomes) / 1000
    figure, (above, below) = plt.subplots(2, 1, sharex=True, figsize=(8, 4.5), layout="constrained")
    above.plot(range(seconds), busy)
    above.set(ylabel="seats at work", ylim=(0, 1.02), title=f"Simulation, not a measurement: {gpus:,} GPUs")
    below.plot(range(seconds), writes)
    below.set(ylabel="1,000 journal writes/s", xlabel="seconds")
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    main()
