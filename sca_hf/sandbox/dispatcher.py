"""Hands programs to jails and tries again what was not the fault of a program."""

import asyncio
import contextlib
import heapq
import itertools
import selectors
import socket
import threading
import time
from collections import deque
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

from sca_hf.errors import SandboxUnavailable
from sca_hf.sandbox.advice import explain
from sca_hf.sandbox.connection import Jail, Run
from sca_hf.sandbox.jail import reports
from sca_hf.sandbox.jails import JailSet
from sca_hf.sandbox.spawn import Tier, larger, tier_of
from sca_hf.sandbox.verdict import Limits, Program, Verdict

_ATTEMPTS = 3
_START_ATTEMPTS = 3
_HASH_SEEDS = (0, 1)
# It takes so long that a machine which keeps killing jails gets it too.
_GOOD = Program("import time\ndef nap():\n    return time.sleep(0.3)", "assert nap() is None")
_LOST = "Lost"
_DELIVERED_TOGETHER = 16
_DELIVERY_SECONDS = 0.02

_Outcome = tuple["asyncio.Future[Verdict]", Verdict | SandboxUnavailable]


class Dispatcher:
    """Gives programs to jails, in a thread of its own, to which all state below belongs, but for the queue of new
    runs. A caller's event loop may be any, and may end before the jails do."""

    def __init__(self, workers: int, limits: Limits, repeat: int) -> None:
        self._workers = workers
        self._repeat = repeat
        self._new: deque[Run] = deque()
        self._asleep = False
        self._done: dict[asyncio.AbstractEventLoop, list[_Outcome]] = {}
        self._numbers = itertools.count()
        self._wake_end, self._wake = socket.socketpair()
        self._wake_end.setblocking(False)
        self._wake.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wake_end, selectors.EVENT_READ)
        self._jails = JailSet(workers, limits, self._selector)
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

    def submit(self, program: Program, future: "asyncio.Future[Verdict]") -> None:
        """Gives the program's verdict to the future, in the future's loop."""
        run = Run(program, future, tier_of(program), next(self._numbers))
        if self._closing or not self._thread.is_alive():
            raise RuntimeError("these jails are closed: run programs inside `async with Jails(…)`")
        self._new.append(run)
        if self._asleep:
            self._wake_up()

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
                if not self._can_go_on_without_callers():
                    self._deliver()
                ready = self._wait()
                if not ready:
                    self._deliver()
                for key, _ in ready:
                    if key.data is None:
                        self._wake_end.recv(4096)
                    elif key.data in self._jails:
                        self._hear(key.data)
                self._accept_new()
                for jail in self._jails.overdue():
                    self._lose(jail, "a jail did not answer in time")
                self._dispatch()
        except BaseException as reason:
            self._break(SandboxUnavailable(f"the pool of jails failed: {type(reason).__name__}: {reason}"))
            raise
        finally:
            self._closing = True
            self._end_all()

    def _wait(self) -> list[tuple[selectors.SelectorKey, int]]:
        """For a message, or for a new run: one that comes after the look at them finds this asleep, and wakes it."""
        seconds = self._jails.seconds_left()
        if self._done:
            seconds = _DELIVERY_SECONDS if seconds is None else min(seconds, _DELIVERY_SECONDS)
        self._asleep = True
        ready = self._selector.select(0 if self._new else seconds)
        self._asleep = False
        return ready

    def _settle(self, run: Run, outcome: "Verdict | SandboxUnavailable") -> None:
        self._done.setdefault(run.future.get_loop(), []).append((run.future, outcome))

    def _can_go_on_without_callers(self) -> bool:
        """Whether there are programs enough for a while, so that verdicts may wait to be delivered together."""
        waiting = sum(map(len, self._pending.values()))
        return (
            waiting > _DELIVERED_TOGETHER * self._workers and sum(map(len, self._done.values())) < _DELIVERED_TOGETHER
        )

    def _deliver(self) -> None:
        """Many at once: calling a loop from another thread costs a tenth of a small program."""
        for loop, outcomes in self._done.items():
            # A loop may have ended, and all that waited in it.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_set, outcomes)
        self._done = {}

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
                self._jails.welcome(jail)
                self._failed_starts = 0
                if not self._started.done():
                    self._started.set_result(None)
            elif "sleeping" in message:
                self._jails.note_sleep(jail, message["sleeping"], message["memory_mb"])
                for run in self._jails.make_sleepers_fit():
                    self._queue(run)
                if jail not in self._jails:
                    return
            elif "unavailable" in message:
                self._lose(jail, explain(message))
                return
            elif "broken" in message or jail.run is None:
                self._lose(jail, str(message.get("broken", "a jail spoke out of turn")))
                return
            else:
                run = jail.run
                self._jails.release(jail)
                self._conclude(run, message)

    def _conclude(self, run: Run, report: dict[str, Any]) -> None:
        if "needs" in report:
            tier = larger(run.tier, report["needs"])
            if tier != run.tier:
                run.tier = tier
                self._queue(run)
                return
            report = reports.nothing_ran(reports.report("early-exit"))
        if report.pop("starved") and not run.alone:
            run.alone = True
            self._queue(run)
            return
        verdict = _verdict(report)
        if run.suspect is None:
            self._accept(run, verdict)
        elif verdict.status == "passed":
            self._accept(run.suspect, Verdict("killed", _LOST, None, 0, (), 0.0, 0.0, 0.0, "", ""))
        else:
            self._break(SandboxUnavailable(f"a jail was lost {_ATTEMPTS} times, and a good program {verdict.status}"))
            self._settle_broken(run.suspect)

    def _accept(self, run: Run, verdict: Verdict) -> None:
        if run.first is None and verdict.status == "passed" and self._repeat == 2:
            run.first, run.tier, run.alone = verdict, replace(run.tier, hash_seed=_HASH_SEEDS[1]), False
            self._queue(run)
            return
        if run.first is not None:
            verdict = _compare(run.first, verdict)
        self._settle(run, verdict)

    # Jails that come and go.

    def _start(self, tier: Tier) -> None:
        try:
            self._jails.start(tier)
        except OSError as reason:
            self._count_failed_start(f"a jail could not be started: {reason}")

    def _lose(self, jail: Jail, reason: str) -> None:
        """A jail that broke, on its way or at work. Its program is tried again, compiled under limits, then alone. In
        the end a good program shows whether it is the machine that is broken, or the program that breaks jails."""
        self._jails.end(jail)
        if not jail.ready:
            self._count_failed_start(reason)
        run, jail.run = jail.run, None
        if run is None:
            return
        run.attempts += 1
        run.alone = run.attempts > 1
        if run.attempts < _ATTEMPTS:
            self._queue(run)
        elif run.suspect is None:
            self._jails.end_idle(run.tier)
            self._queue(Run(_GOOD, run.future, run.tier, run.number, alone=True, suspect=run))
        else:
            advice = "fewer workers or a lower memory_mb may help"
            self._break(SandboxUnavailable(f"{reason} ({_ATTEMPTS} times in a row, with a good program too; {advice})"))
            self._settle_broken(run)

    def _settle_broken(self, run: Run) -> None:
        if self._broken is not None:
            self._settle(run, self._broken)

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
            self._settle(run, reason)
        self._deliver()

    def _end_all(self) -> None:
        self._break(self._broken or SandboxUnavailable("the jails were closed while programs were waiting"))
        for run in self._jails.end_all():
            self._settle_broken(run)
        self._deliver()
        self._selector.close()
        self._wake_end.close()
        self._wake.close()

    # Programs to jails.

    def _dispatch(self) -> None:
        if self._broken is not None:
            self._break(self._broken)
            return
        busy = self._jails.busy
        if any(jail.run is not None and jail.run.alone for jail in busy):
            return
        free = self._jails.free
        starting = self._jails.starting
        for tier, queue in sorted(self._pending.items(), key=lambda entry: entry[1][:1]):
            while free > 0 and queue and self._jails.has_idle(tier):
                run = heapq.heappop(queue)[1]
                if not run.future.cancelled():
                    self._give(run)
                    free -= 1
            while free > 0 and starting[tier] < min(len(queue), free) and self._jails.make_room():
                self._start(tier)
                starting[tier] += 1
        self._pending = {tier: queue for tier, queue in self._pending.items() if queue}
        # Last of all, one after another: the machine is drained once, not for each. Callers that wait for one send no
        # more than they may, so there is an end to others.
        if not self._pending and self._alone and not self._jails.busy:
            self._give_alone()

    def _give_alone(self) -> None:
        while self._alone and self._alone[0].future.cancelled():
            self._alone.popleft()
        if not self._alone:
            return
        tier = self._alone[0].tier
        if self._jails.has_idle(tier):
            self._give(self._alone.popleft())
        elif not self._jails.starting[tier] and self._jails.make_room():
            self._start(tier)

    def _give(self, run: Run) -> None:
        jail, reason = self._jails.give(run)
        if reason is not None:
            self._lose(jail, f"a jail took no program: {reason}")


def _set(outcomes: "list[_Outcome]") -> None:
    """In the futures' own loop."""
    for future, outcome in outcomes:
        if future.done():
            continue  # cancelled meanwhile
        if isinstance(outcome, Verdict):
            future.set_result(outcome)
        else:
            future.set_exception(outcome)


def _verdict(report: dict[str, Any]) -> Verdict:
    return Verdict(**report | {"flags": tuple(report["flags"])})


def _compare(first: Verdict, second: Verdict) -> Verdict:
    if first.identity == second.identity:
        return first
    flags = tuple(sorted({*first.flags, *second.flags, "flaky"}))
    if second.status != "passed":
        return replace(second, flags=flags)
    return replace(second, status="failed", exception="Flaky", flags=flags)
