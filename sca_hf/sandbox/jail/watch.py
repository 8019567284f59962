"""Watches one program from outside: its CPU clock, the wall clock, and whether it sleeps or waits for a core."""

import _signal  # type: ignore[import-not-found]
import math
import os
import resource
import time
from typing import Any, NamedTuple

from . import messages
from .settings import Common

_FIRST_NOTICE_SECONDS = 0.01
_LAST_NOTICE_SECONDS = 0.1
_SLEEPING_SHARE = 0.5
_SHORTEST_PAUSE_SECONDS = 0.001
_PATIENCE = 0.8
_CHILD_ENDED = frozenset((_signal.SIGCHLD,))
_CPU_LIMIT_SECONDS = 3
"""Beyond the limit of the watch, which is finer."""


class Broken(Exception):
    """The jail or the machine failed, not the program."""


class Ended(NamedTuple):
    """How a program ended. `stopped`: at a limit. `starved`: because the wall clock ran out while it waited
    for a core, so that it may not have had its time."""

    status: int
    usage: Any
    stopped: bool
    starved: bool

    @property
    def cpu_seconds(self) -> float:
        return float(self.usage.ru_utime + self.usage.ru_stime)


class Watch:
    """`control`: the pool's socket, told when a program falls asleep or wakes."""

    def __init__(self, control: int, common: Common) -> None:
        # Here, so that the warm interpreter has none of it.
        import select

        self._control = control
        self._processes = common.processes
        self._number = common.number
        self._cpu_seconds = common.settings.cpu_seconds
        self._wall_seconds = common.settings.wall_seconds
        self._poll = select.poll()
        self._poll.register(control, select.POLLRDHUP)
        _signal.pthread_sigmask(_signal.SIG_BLOCK, _CHILD_ENDED)

    def until_end(self, started: float) -> Ended:
        """Waits for the program, or kills it at a limit. Ends this process, and all in its namespace, without the pool.
        Raises Broken where there can be no program any more.

        Time in the run queue doesn't count as the program's, up to four fifths of the whole: on a busy machine an
        endless loop comes to its CPU limit, and is not killed and run again. A program that has had its wall time
        without any waiting is not starved, however busy the machine is.
        """
        stopped = starved = sleeping = limited = False
        # Most programs end before the first look. One that sleeps gives up its core soon after it.
        notice = _FIRST_NOTICE_SECONDS
        pause = min(notice, self._cpu_seconds, self._wall_seconds)
        while True:
            # A signal that came before is kept, and one from elsewhere changes nothing.
            noticed = _signal.sigtimedwait(_CHILD_ENDED, pause)
            ended, status, usage = os.wait4(-1, os.WNOHANG)
            child = self._number.place.value
            if ended:
                if ended != child:
                    raise Broken("the warm interpreter has ended")
                return Ended(status, usage, stopped, starved)
            if noticed is not None or stopped or not child:
                continue
            if self._poll.poll(0):
                # The pool is gone. All that is in this namespace dies with its first process.
                os._exit(0)
            if not limited:
                limited, limit = True, math.ceil(self._cpu_seconds) + _CPU_LIMIT_SECONDS
                resource.prlimit(child, resource.RLIMIT_CPU, (limit, limit))
            cpu, wall = time.clock_gettime(_cpu_clock(child)), time.monotonic() - started
            waited = self._waited(child, wall - cpu)
            own = wall - min(waited, wall * _PATIENCE) if waited < math.inf else wall
            if cpu >= self._cpu_seconds or own >= self._wall_seconds:
                stopped = True
                starved = cpu < self._cpu_seconds and wall - waited < self._wall_seconds
                os.kill(child, _signal.SIGKILL)
                continue
            idle = cpu + min(waited, wall) < _SLEEPING_SHARE * wall
            if idle != sleeping:
                sleeping = idle
                messages.send(self._control, {"sleeping": sleeping})
            notice = min(2 * notice, _LAST_NOTICE_SECONDS)
            pause = min(notice, self._cpu_seconds - cpu, self._wall_seconds - own)
            pause = max(pause, _SHORTEST_PAUSE_SECONDS)

    def _waited(self, child: int, not_running: float) -> float:
        """Seconds that its threads stood in the run queue; infinity where the machine doesn't say.

        The kernel adds a wait when it is over: a thread that stands there now may have done so all of `not_running`.
        """
        if self._processes < 0:
            return math.inf
        waited = 0.0
        try:
            tasks = os.open(f"{child}/task", os.O_RDONLY | os.O_DIRECTORY, dir_fd=self._processes)
            try:
                for task in os.listdir(tasks):
                    if _read(f"{task}/stat", tasks).rpartition(")")[2].split()[0] == "R":
                        return max(waited, not_running)
                    waited += int(_read(f"{task}/schedstat", tasks).split()[1]) / 1e9
            finally:
                os.close(tasks)
        except (OSError, IndexError, ValueError):
            return math.inf
        return waited


def _read(path: str, folder: int) -> str:
    with open(os.open(path, os.O_RDONLY, dir_fd=folder)) as file:
        return file.read()


def _cpu_clock(child: int) -> int:
    """The clock of a process's CPU time, as `clock_getcpuclockid` has it."""
    return (~child << 3) | 2
