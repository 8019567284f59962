"""A discrete simulation of a large cluster, by the code that routes calls for real. Nothing is measured here.

python scripts/simulate_cluster.py --gpus 10000 --plot scripts/simulate_cluster.png

Each part of a run (`--part I/N`) has a driver of its own with `--per-driver` GPUs. What a replica and a driver take is
given by arguments, whose defaults are of the size that bench_machines.py and a 7B model on an H100 showed; lengths of
completions are skewed; replicas die and start again, some are slow. Prints one line of JSON.
"""

import argparse
import heapq
import json
import math
import random
import time
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field
from pathlib import Path

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
    """What became of one driver's calls. `busy`: seat-seconds by second; `writes`: journal writes by second."""

    seconds: float = 0.0
    tail_begins: float = 0.0
    done: int = 0
    lost: int = 0
    again: int = 0
    deaths: int = 0
    driver_busy: float = 0.0
    busy: defaultdict[int, float] = field(default_factory=lambda: defaultdict(float))
    writes: Counter[int] = field(default_factory=Counter)
    took: list[float] = field(default_factory=list)


class Driver:
    """One part: a driver, its replicas, and a heap of what happens next."""

    def __init__(self, cluster: Cluster, seed: int) -> None:
        self._cluster = cluster
        self._chance = random.Random(seed)
        self._router: Router[_Replica] = Router()
        self._events: list[tuple[float, int, str, _Replica | None, _Call | None, int]] = []
        self._number = 0
        self._free_at = 0.0
        self._left = cluster.calls
        self._again: deque[_Call] = deque()
        self._stuck: deque[_Call] = deque()
        self.outcome = Outcome()
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
        while outcome.done + outcome.lost < self._cluster.calls:
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
            tokens = min(
                cluster.most_tokens, self._chance.lognormvariate(math.log(cluster.median_tokens), cluster.skew)
            )
            call = _Call(f"deck {deck}", tokens * cluster.token_seconds, now)
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
        seconds = call.seconds * replica.factor
        begin, end = now, now + seconds
        while begin < end:  # a slow replica is as busy as another
            second = int(begin)
            self.outcome.busy[second] += min(second + 1, end) - begin
            begin = min(second + 1, end)
        self._at(end, "end", replica, call)

    def _end(self, now: float, replica: _Replica, call: _Call) -> None:
        replica.running.discard(call)
        self._router.give_back(replica.name)
        outcome = self.outcome
        outcome.done += 1
        outcome.writes[int(now)] += 1
        outcome.took.append(now - call.began)
        if not outcome.tail_begins and outcome.done >= _WARM * self._cluster.calls:
            outcome.tail_begins = now
        if replica.waiting:
            self._begin(now, replica, replica.waiting.popleft())
        self._issue(now)

    def _die(self, now: float, replica: _Replica) -> None:
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
    outcomes, sizes = [], []
    for seed, first in enumerate(range(0, options.gpus, options.per_driver)):
        size = min(options.per_driver, options.gpus - first)
        cluster = Cluster(
            size,
            options.seats,
            size * options.seats * options.calls_per_seat,
            driver_ms=options.driver_ms,
            hours_between_deaths=options.hours_between_deaths,
        )
        outcomes.append(Driver(cluster, seed).run())
        sizes.append(size)
    print(json.dumps(figures(outcomes, sizes, options.seats) | {"simulated in s": round(time.monotonic() - began)}))
    if options.plot:
        plot(outcomes, sizes, options.seats, options.plot)


def figures(outcomes: list[Outcome], sizes: list[int], seats: int) -> dict[str, float]:
    """What the parts together came to. Utilisation: seats at work, of all seats that there are, dead ones included."""
    took = sorted(seconds for outcome in outcomes for seconds in outcome.took)
    whole = sum(outcome.seconds * size * seats for outcome, size in zip(outcomes, sizes, strict=True))
    before = sum(outcome.tail_begins * size * seats for outcome, size in zip(outcomes, sizes, strict=True))
    busy = sum(sum(outcome.busy.values()) for outcome in outcomes)
    busy_before = sum(
        seconds for outcome in outcomes for at, seconds in outcome.busy.items() if at < outcome.tail_begins
    )
    writes: Counter[int] = Counter()
    for outcome in outcomes:
        writes.update(outcome.writes)
    return {
        "GPUs": sum(sizes),
        "drivers": len(sizes),
        "calls": sum(outcome.done for outcome in outcomes),
        "utilisation": round(busy / whole, 3),
        "utilisation to the last 2 %": round(min(1.0, busy_before / before), 3),
        "a call, median s": round(took[len(took) // 2], 1),
        "a call, 99 % s": round(took[len(took) * 99 // 100], 1),
        "a call, longest s": round(took[-1], 1),
        "tail s, median part": round(sorted(each.seconds - each.tail_begins for each in outcomes)[len(sizes) // 2], 1),
        "deaths": sum(outcome.deaths for outcome in outcomes),
        "asked again": sum(outcome.again for outcome in outcomes),
        "lost": sum(outcome.lost for outcome in outcomes),
        "journal writes/s a driver, mean": round(
            sum(each.done for each in outcomes) / sum(each.seconds for each in outcomes)
        ),
        "journal writes/s, all, peak": max(writes.values()),
        "driver busy": round(sum(each.driver_busy for each in outcomes) / sum(each.seconds for each in outcomes), 3),
    }


def plot(outcomes: list[Outcome], sizes: list[int], seats: int, path: Path) -> None:
    """Draw utilisation and journal writes over time."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    seconds = range(int(max(outcome.seconds for outcome in outcomes)) + 1)
    busy = [sum(outcome.busy[second] for outcome in outcomes) / (sum(sizes) * seats) for second in seconds]
    writes = [sum(outcome.writes[second] for outcome in outcomes) / 1000 for second in seconds]
    figure, (above, below) = plt.subplots(2, 1, sharex=True, figsize=(8, 4.5), layout="constrained")
    above.plot(seconds, busy)
    above.set(ylabel="seats at work", ylim=(0, 1.02), title=f"Simulation, not a measurement: {sum(sizes):,} GPUs")
    below.plot(seconds, writes)
    below.set(ylabel="1,000 journal writes/s", xlabel="seconds")
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    main()
