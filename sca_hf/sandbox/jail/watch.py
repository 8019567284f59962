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
_NOTICED_MB = 8


class Broken(Exception):
    """The jail or the machine failed, not the program."""


class Ended(NamedTuple):
    """How a program ended. `cpu_seconds`: those of its compilation included. `stopped`: at a limit. `starved`: because
    the wall clock ran out while it waited for a core, so that it may not have had its time. `lowered`: it had lowered
    the kernel's limit of its CPU time, which ends in SIGKILL."""

    status: int
    usage: Any
    cpu_seconds: float
    stopped: bool
    starved: bool
    lowered: bool


class Watch:
    """`control`: the pool's socket, told when a program falls asleep or wakes. `warm`: number of the warm
    interpreter."""

    def __init__(self, control: int, common: Common, warm: int) -> None:
        # Here, so that the warm interpreter has none of it.
        import select

        self._control = control
        self._processes = common.processes
        self._number = common.number.place
        self._cpu_seconds = common.settings.cpu_seconds
        self._wall_seconds = common.settings.wall_seconds
        self._cpu_limit = resource.prlimit(warm, resource.RLIMIT_CPU)
        self._poll = select.poll()
        self._poll.register(control, select.POLLRDHUP)
        self._told: tuple[bool, int] = (False, 0)
        _signal.pthread_sigmask(_signal.SIG_BLOCK, _CHILD_ENDED)

    def until_end(self, started: float, spent: float) -> Ended:
        """Waits for the program, or kills it at a limit. Ends this process, and all in its namespace, without the pool.
        Raises Broken where there can be no program any more. `spent`: seconds of its CPU time that are gone already.

        Time in the run queue doesn't count as the program's, up to four fifths of the whole: on a busy machine an
        endless loop comes to its CPU limit, and is not killed and run again. A program that has had its wall time
        without any waiting is not starved, however busy the machine is.
        """
        stopped = starved = False
        self._told = False, 0
        # Most programs end before the first look. One that sleeps gives up its core soon after it.
        notice = _FIRST_NOTICE_SECONDS
        pause = min(notice, self._cpu_seconds, self._wall_seconds)
        while True:
            # A signal that came before is kept, and one from elsewhere changes nothing.
            noticed = _signal.sigtimedwait(_CHILD_ENDED, pause)
            # Left as it is, so that its limits can be read.
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            child = self._number.value
            if ended is not None:
                if ended.si_pid != child:
                    raise Broken("the warm interpreter has ended")
                lowered = resource.prlimit(child, resource.RLIMIT_CPU) != self._cpu_limit
                _, status, usage = os.wait4(child, 0)
                return Ended(status, usage, usage.ru_utime + usage.ru_stime + spent, stopped, starved, lowered)
            if noticed is not None or stopped or not child:
                continue
            if self._poll.poll(0):
                # The pool is gone. All that is in this namespace dies with its first process.
                os._exit(0)
            cpu, wall = time.clock_gettime(_cpu_clock(child)), time.monotonic() - started
            waited = self._waited(child, wall - cpu)
            own = wall - min(waited, wall * _PATIENCE) if waited < math.inf else wall
            left = self._cpu_seconds - spent - cpu
            if left <= 0 or own >= self._wall_seconds:
                stopped = True
                starved = left > 0 and wall - waited < self._wall_seconds
                os.kill(child, _signal.SIGKILL)
                continue
            self._tell(child, sleeping=cpu + min(waited, wall) < _SLEEPING_SHARE * wall)
            notice = min(2 * notice, _LAST_NOTICE_SECONDS)
            pause = max(min(notice, left, self._wall_seconds - own), _SHORTEST_PAUSE_SECONDS)

    def _tell(self, child: int, sleeping: bool) -> None:
        """The pool, where that changed, or what a program that sleeps holds in memory."""
        memory = self._memory_mb(child) if sleeping else 0
        if sleeping != self._told[0] or abs(memory - self._told[1]) > _NOTICED_MB:
            self._told = sleeping, memory
            messages.send(self._control, {"sleeping": sleeping, "memory_mb": memory})

    def _memory_mb(self, child: int) -> int:
        """Of a program's process; -1 where the machine doesn't say."""
        try:
            return int(_read(f"{child}/statm", self._processes).split()[1]) * resource.getpagesize() >> 20
        except (OSError, IndexError, ValueError):
            return -1

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
