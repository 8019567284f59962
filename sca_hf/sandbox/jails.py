"""The jails of a pool: which there are, which are free, and how they come and go."""

import contextlib
import os
import random
import selectors
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterable

from sca_hf.sandbox.connection import Jail, Run
from sca_hf.sandbox.inherited import most_programs
from sca_hf.sandbox.spawn import Tier, start_jail
from sca_hf.sandbox.verdict import Limits

_START_SECONDS = 120.0
_GRACE_SECONDS = 10.0
_GRACE = struct.pack("ll", int(_GRACE_SECONDS), 0)
_LONGEST_PATIENCE = 5
_JAILS_PER_WORKER = 6
_JAIL_MB = 25
_ASLEEP_SHARE = 0.5
_IDLE_PER_WORKER = 2
# Its interpreter's memory grows by some 15 bytes a program (measured), which ends with it.
_PROGRAMS_PER_JAIL = 20_000


class JailSet:
    """Belongs to one thread, which watches the jails' sockets with `selector`. There are more jails than workers while
    programs sleep, as long as these hold no more than a part of the memory that the workers' programs may use. Those
    that grow beyond all of it are ended, those that began last first, and run again.

    A jail keeps to one core as long as that is no busier than others. Its processes work one after another, and what
    one has written the next one reads: that is a fifth faster from the core's own cache.
    """

    def __init__(self, workers: int, limits: Limits, selector: selectors.BaseSelector) -> None:
        self._workers = workers
        self._limits = limits
        self._selector = selector
        self._cores = list(os.sched_getaffinity(0))
        # Other runs on this machine choose too.
        random.Random().shuffle(self._cores)
        self._programs_per_jail = most_programs(_PROGRAMS_PER_JAIL)
        self._jails: list[Jail] = []
        self._idle: dict[Tier, list[Jail]] = {}

    def __contains__(self, jail: object) -> bool:
        return jail in self._jails

    @property
    def busy(self) -> list[Jail]:
        """Those whose program needs a core."""
        return [jail for jail in self._jails if jail.run is not None and not jail.sleeping]

    @property
    def starting(self) -> "Counter[Tier]":
        """How many of each tier are on their way."""
        return Counter(jail.tier for jail in self._jails if not jail.ready)

    @property
    def free(self) -> int:
        """How many more programs may start."""
        asleep = [jail for jail in self._jails if jail.sleeping]
        if _held_mb(asleep) > self._workers * self._limits.memory_mb * _ASLEEP_SHARE:
            return 0
        return self._workers - len(self.busy)

    def note_sleep(self, jail: Jail, sleeping: bool, memory_mb: int) -> None:
        """Its program fell asleep or woke. `memory_mb`: that it holds, or -1 where the machine doesn't say."""
        jail.sleeping = sleeping
        jail.memory_mb = memory_mb if memory_mb >= 0 else self._limits.memory_mb

    def make_sleepers_fit(self) -> list[Run]:
        """Ends those asleep that began last while all hold more than the workers' programs may: they may grow as they
        sleep. As many as there are workers stay. Returns the runs of those that it ended, to be run again."""
        asleep = sorted((jail for jail in self._jails if jail.sleeping), key=lambda jail: jail.deadline)
        ended = []
        while len(asleep) > self._workers and _held_mb(asleep) > self._workers * self._limits.memory_mb:
            jail = asleep.pop()
            self.end(jail)
            run, jail.run = jail.run, None
            if run is not None:
                ended.append(run)
        return ended

    def has_idle(self, tier: Tier) -> bool:
        return bool(self._idle.get(tier))

    def start(self, tier: Tier) -> None:
        """One more, which will say that it is ready. Raises OSError."""
        alike = Counter(jail.core for jail in self._jails if jail.tier == tier)
        load = self._load()
        core = min(self._cores, key=lambda core: (*load(core), alike[core]))
        outer, control = start_jail(tier, self._limits, core)
        # For each part of a message. Not by `settimeout`, which asks the kernel before each call whether it would wait.
        control.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _GRACE)
        jail = Jail(tier, core, outer, control, time.monotonic() + _START_SECONDS)
        self._jails.append(jail)
        self._selector.register(control, selectors.EVENT_READ, jail)

    def _load(self) -> Callable[[int], tuple[int, int]]:
        """Of a core: how many jails are at work there, and how many would be if those that sleep woke up."""
        working = Counter(jail.core for jail in self.busy)
        awake = Counter(jail.core for jail in self._jails if jail.run is not None)
        return lambda core: (working[core], awake[core])

    def welcome(self, jail: Jail) -> None:
        """It is ready."""
        jail.ready = True
        self._idle.setdefault(jail.tier, []).append(jail)

    def give(self, run: Run) -> tuple[Jail, OSError | None]:
        """Hands a run to an idle jail of its tier, of which there must be one. Returns it, and why it took none."""
        idle, load = self._idle[run.tier], self._load()
        jail = min(reversed(idle), key=lambda jail: load(jail.core))
        idle.remove(jail)
        if any(load(jail.core)):
            jail.core = min([jail.core, *self._cores], key=load)
        jail.deadline = time.monotonic() + self._limits.wall_seconds * _LONGEST_PATIENCE + _GRACE_SECONDS
        try:
            jail.give(run)
        except OSError as reason:
            return jail, reason
        return jail, None

    def release(self, jail: Jail) -> None:
        """Its program has ended. Ends the jail too where it is old, or one of those left from when programs slept."""
        jail.run, jail.sleeping = None, False
        idle = self._idle.setdefault(jail.tier, [])
        idle.append(jail)
        if len(idle) > _IDLE_PER_WORKER * self._workers or jail.served >= self._programs_per_jail:
            self.end(jail)

    def make_room(self) -> bool:
        """Whether one more may be started; ends an idle one for it where there are as many as may be."""
        if sum(not jail.sleeping for jail in self._jails) < _JAILS_PER_WORKER * self._workers:
            return True
        for idle in self._idle.values():
            if idle:
                self.end(idle[0])
                return True
        return False

    def seconds_left(self) -> float | None:
        """Until the next jail is overdue, None where none can be."""
        deadlines = [jail.deadline for jail in self._jails if jail.run is not None or not jail.ready]
        return max(0.0, min(deadlines) - time.monotonic()) if deadlines else None

    def overdue(self) -> list[Jail]:
        """Those that should have answered."""
        now = time.monotonic()
        return [jail for jail in self._jails if jail.deadline < now and (jail.run is not None or not jail.ready)]

    def end_idle(self, tier: Tier) -> None:
        """So that the next one is new."""
        for jail in list(self._idle.get(tier, ())):
            self.end(jail)

    def end(self, jail: Jail) -> None:
        self._selector.unregister(jail.control)
        self._jails.remove(jail)
        if jail in self._idle.get(jail.tier, ()):
            self._idle[jail.tier].remove(jail)
        jail.end()

    def end_all(self) -> list[Run]:
        """All at once. Returns the runs that they were at."""
        running = [jail.run for jail in self._jails if jail.run is not None]
        for jail in self._jails:
            with contextlib.suppress(OSError):
                jail.control.shutdown(socket.SHUT_RDWR)
        for jail in list(self._jails):
            self.end(jail)
        return running


def _held_mb(jails: Iterable[Jail]) -> int:
    return sum(jail.memory_mb + _JAIL_MB for jail in jails)
