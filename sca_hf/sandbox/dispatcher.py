"""Hands programs to jails and tries again what was not the fault of a program."""

import contextlib
import heapq
import itertools
import selectors
import socket
import threading
import time
from collections import Counter, deque
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

from sca_hf.errors import SandboxUnavailable
from sca_hf.sandbox.advice import explain
from sca_hf.sandbox.link import Jail, Run
from sca_hf.sandbox.start import Tier, start_jail, tier_of
from sca_hf.sandbox.verdict import Limits, Program, Verdict

_ATTEMPTS = 3
_START_ATTEMPTS = 3
_START_SECONDS = 120.0
_GRACE_SECONDS = 10.0
_LONGEST_PATIENCE = 5
_JAILS_PER_WORKER = 6
_IDLE_PER_WORKER = 2
# Its interpreter's memory grows by some 15 bytes a program (measured), which ends with it.
_PROGRAMS_PER_JAIL = 20_000
_HASH_SEEDS = (0, 1)


class Dispatcher:
    """Starts and ends jails and gives them programs, in a thread of its own, to which all state below belongs, but for
    the queue of new runs. A caller's event loop may be any, and may end before the jails do."""

    def __init__(self, workers: int, limits: Limits, repeat: int) -> None:
        self._workers = workers
        self._limits = limits
        self._repeat = repeat
        self._new: deque[Run] = deque()
        self._numbers = itertools.count()
        self._wake_end, self._wake = socket.socketpair()
        self._wake_end.setblocking(False)
        self._wake.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wake_end, selectors.EVENT_READ)
        self._jails: list[Jail] = []
        self._idle: dict[Tier, list[Jail]] = {}
        self._pending: dict[Tier, list[tuple[int, Run]]] = {}
        self._alone: deque[Run] = deque()
        self._failed_starts = 0
        self._broken: SandboxUnavailable | None = None
        self._started: Future[None] = Future()
        self._closing = False
        self._thread = threading.Thread(target=self._serve, name="jails", daemon=True)

    # For callers, from any thread.

    def start(self) -> "Future[None]":
        self._thread.start()
        return self._started

    def submit(self, program: Program) -> "Future[Verdict]":
        run = Run(program, Future(), tier_of(program), next(self._numbers))
        if self._closing or not self._thread.is_alive():
            raise RuntimeError("these jails are closed: run programs inside `async with Jails(…)`")
        self._new.append(run)
        self._wake_up()
        return run.future

    def close(self) -> None:
        self._closing = True
        self._wake_up()
        self._thread.join()

    def _wake_up(self) -> None:
        # Full is as good as one more byte; closed means that the thread has ended.
        with contextlib.suppress(OSError):
            self._wake.send(b"\0")

    # The thread.

    def _serve(self) -> None:
        try:
            self._start(Tier("stdlib", full=False, hash_seed=_HASH_SEEDS[0]))
            while not self._closing:
                for key, _ in self._selector.select(self._seconds_left()):
                    if key.data is None:
                        self._wake_end.recv(4096)
                    elif key.data in self._jails:
                        self._hear(key.data)
                self._accept_new()
                self._end_overdue()
                self._dispatch()
        except BaseException as reason:
            self._break(SandboxUnavailable(f"the pool of jails failed: {type(reason).__name__}: {reason}"))
            raise
        finally:
            self._closing = True
            self._end_all()

    def _seconds_left(self) -> float | None:
        deadlines = [jail.deadline for jail in self._jails if jail.run is not None or not jail.ready]
        return max(0.0, min(deadlines) - time.monotonic()) if deadlines else None

    def _accept_new(self) -> None:
        while self._new:
            self._queue(self._new.popleft())

    def _queue(self, run: Run) -> None:
        if run.alone:
            self._alone.append(run)
        else:
            heapq.heappush(self._pending.setdefault(run.tier, []), (run.number, run))

    # Messages of jails.

    def _hear(self, jail: Jail) -> None:
        messages = jail.messages()
        if messages is None:
            self._lose(jail, "a jail ended by itself")
            return
        for message in messages:
            if "ready" in message:
                self._welcome(jail)
            elif "sleeping" in message:
                jail.sleeping = bool(message["sleeping"])
            elif "unavailable" in message:
                self._lose(jail, explain(message))
                return
            elif "broken" in message or jail.run is None:
                self._lose(jail, str(message.get("broken", "a jail spoke out of turn")))
                return
            else:
                run, jail.run, jail.sleeping = jail.run, None, False
                idle = self._idle.setdefault(jail.tier, [])
                idle.append(jail)
                # More than that are left from a time when programs slept.
                if len(idle) > _IDLE_PER_WORKER * self._workers or jail.served >= _PROGRAMS_PER_JAIL:
                    self._end(jail)
                self._conclude(run, message)

    def _welcome(self, jail: Jail) -> None:
        jail.ready = True
        self._failed_starts = 0
        self._idle.setdefault(jail.tier, []).append(jail)
        if not self._started.done():
            self._started.set_result(None)

    def _conclude(self, run: Run, report: dict[str, Any]) -> None:
        if "needs_full" in report:
            run.tier = replace(run.tier, full=True)
            self._queue(run)
            return
        if report.pop("starved") and not run.alone:
            run.alone = True
            self._queue(run)
            return
        verdict = _verdict(report)
        if run.first is None and verdict.status == "passed" and self._repeat == 2:
            run.first, run.tier, run.alone = verdict, replace(run.tier, hash_seed=_HASH_SEEDS[1]), False
            self._queue(run)
            return
        if run.first is not None:
            verdict = _compare(run.first, verdict)
        if run.future.set_running_or_notify_cancel():
            run.future.set_result(verdict)

    # Jails that come and go.

    def _start(self, tier: Tier) -> None:
        try:
            outer, control = start_jail(tier, self._limits)
        except OSError as reason:
            self._count_failed_start(f"a jail could not be started: {reason}")
            return
        control.settimeout(_GRACE_SECONDS)
        jail = Jail(tier, outer, control, time.monotonic() + _START_SECONDS)
        self._jails.append(jail)
        self._selector.register(control, selectors.EVENT_READ, jail)

    def _lose(self, jail: Jail, reason: str) -> None:
        """A jail that broke, on its way or at work. Its program is tried again, compiled under limits, then alone."""
        self._end(jail)
        if not jail.ready:
            self._count_failed_start(reason)
        run, jail.run = jail.run, None
        if run is None:
            return
        run.attempts += 1
        run.alone = run.attempts > 1
        if run.attempts < _ATTEMPTS:
            self._queue(run)
            return
        number = run.attempts
        self._break(
            SandboxUnavailable(f"{reason} ({number} times in a row; fewer workers or a lower memory_mb may help)")
        )
        if run.future.set_running_or_notify_cancel() and self._broken is not None:
            run.future.set_exception(self._broken)

    def _count_failed_start(self, reason: str) -> None:
        self._failed_starts += 1
        if not self._started.done() or self._failed_starts >= _START_ATTEMPTS:
            self._break(SandboxUnavailable(reason))
        else:
            time.sleep(0.2 * self._failed_starts)

    def _break(self, reason: SandboxUnavailable) -> None:
        """Ends everything that waits, now and from now on."""
        self._broken = self._broken or reason
        if not self._started.done():
            self._started.set_exception(reason)
        self._accept_new()
        waiting = [*self._alone, *(run for queue in self._pending.values() for _, run in queue)]
        self._alone.clear()
        self._pending.clear()
        for run in waiting:
            if run.future.set_running_or_notify_cancel():
                run.future.set_exception(reason)

    def _end_overdue(self) -> None:
        now = time.monotonic()
        for jail in [jail for jail in self._jails if jail.deadline < now and (jail.run is not None or not jail.ready)]:
            self._lose(jail, "a jail did not answer in time")

    def _end(self, jail: Jail) -> None:
        self._selector.unregister(jail.control)
        self._jails.remove(jail)
        if jail in self._idle.get(jail.tier, ()):
            self._idle[jail.tier].remove(jail)
        jail.end()

    def _end_all(self) -> None:
        self._break(self._broken or SandboxUnavailable("the jails were closed while programs were waiting"))
        running = [jail.run for jail in self._jails if jail.run is not None]
        for jail in self._jails:
            with contextlib.suppress(OSError):
                jail.control.shutdown(socket.SHUT_RDWR)
        for jail in list(self._jails):
            self._end(jail)
        for run in running:
            if run.future.set_running_or_notify_cancel() and self._broken is not None:
                run.future.set_exception(self._broken)
        self._selector.close()
        self._wake_end.close()
        self._wake.close()

    # Programs to jails.

    def _dispatch(self) -> None:
        if self._broken is not None:
            self._break(self._broken)
            return
        busy = [jail for jail in self._jails if jail.run is not None and not jail.sleeping]
        if any(jail.run is not None and jail.run.alone for jail in busy):
            return
        while self._alone and self._alone[0].future.cancelled():
            self._alone.popleft()
        if self._alone:
            if not busy and self._give(self._alone[0]):
                self._alone.popleft()
            return
        free = self._workers - len(busy)
        starting = Counter(jail.tier for jail in self._jails if not jail.ready)
        for tier, queue in sorted(self._pending.items(), key=lambda entry: entry[1][:1]):
            while free > 0 and queue and self._idle.get(tier):
                run = heapq.heappop(queue)[1]
                if not run.future.cancelled():
                    self._give(run)
                    free -= 1
            while free > 0 and starting[tier] < min(len(queue), free) and self._make_room():
                self._start(tier)
                starting[tier] += 1
        self._pending = {tier: queue for tier, queue in self._pending.items() if queue}

    def _give(self, run: Run) -> bool:
        """Hands a run to an idle jail of its tier, or starts one for it and says no."""
        idle = self._idle.get(run.tier)
        if not idle:
            if not any(jail.tier == run.tier and not jail.ready for jail in self._jails) and self._make_room():
                self._start(run.tier)
            return False
        jail = idle.pop()
        jail.deadline = time.monotonic() + self._limits.wall_seconds * _LONGEST_PATIENCE + _GRACE_SECONDS
        try:
            jail.give(run)
        except OSError as reason:
            self._lose(jail, f"a jail took no program: {reason}")
        return True

    def _make_room(self) -> bool:
        if len(self._jails) < _JAILS_PER_WORKER * self._workers:
            return True
        for idle in self._idle.values():
            if idle:
                self._end(idle[0])
                return True
        return False


def _verdict(report: dict[str, Any]) -> Verdict:
    return Verdict(**report | {"flags": tuple(report["flags"])})


def _compare(first: Verdict, second: Verdict) -> Verdict:
    if first.identity == second.identity:
        return first
    flags = tuple(sorted({*first.flags, *second.flags, "flaky"}))
    if second.status != "passed":
        return replace(second, flags=flags)
    return replace(second, status="failed", exception="Flaky", flags=flags)
