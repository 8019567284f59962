"""Asks a program that has run for a while, by a signal, whether it is in an endless loop.

The answer is the program's word, and all that it can say is that its time is up. Asking must change nothing else. Where
the handler could not begin (a recursion or memory at its limit, a handler that the program put in its place) the
program may have seen an exception: nothing that it says counts then, and it is run again unasked. A program is not
asked at all if it has no loop of the kind, or mentions what a handler could disturb: signals, frames, tracing, the
garbage collector, ctypes. And there is no proof while it has threads, timers or a trace.
"""

import _signal  # type: ignore[import-not-found]
import ctypes
import marshal
import os
import sys
from os import _exit, write
from types import CodeType, FrameType

from . import endless, kernel
from .assertions import CODE, TESTS
from .compiler import Passed

_SIGNAL = int(_signal.SIGURG)
"""Ignored where it has no handler."""
_FIRST_CPU_SECONDS = 0.02
_ANSWERED, _FOUND = 0, 1
_TIMERS = (_signal.ITIMER_REAL, _signal.ITIMER_VIRTUAL, _signal.ITIMER_PROF)
_DISTURBED = frozenset(("signal", "_signal", "faulthandler", "addaudithook", "setrlimit"))
_KNOWN_VERSION = (3, 11)

_count_threads, _get_timer = sys.modules["_thread"]._count, _signal.getitimer
_get_trace, _get_profile = sys.gettrace, sys.getprofile


class Probe:
    """Kept by the jail's first process, with a page that it shares with each program."""

    def __init__(self) -> None:
        self._page = (ctypes.c_ubyte * 2).from_address(kernel.shared_page())
        self._asked: Passed | None = None
        self._sent = 0
        self._due = 0.0

    def begin(self, program: Passed | None) -> None:
        """Before a program. None: don't ask."""
        self._asked = program if sys.version_info[:2] == _KNOWN_VERSION else None
        self._sent = 0
        self._due = _FIRST_CPU_SECONDS
        self._page[:] = [0, 0]

    def listen(self) -> None:
        """In the warm interpreter, before all programs."""
        if sys.version_info[:2] == _KNOWN_VERSION:
            _signal.signal(_SIGNAL, self._answer)

    def ask(self, child: int, cpu_seconds: float) -> None:
        """After so much CPU time. Asks when it has doubled."""
        if self._asked is None or cpu_seconds < self._due:
            return
        if not self._sent and not _may_ask(self._asked):
            self._asked = None
            return
        self._due = 2 * cpu_seconds
        self._sent += 1
        os.kill(child, _SIGNAL)

    @property
    def found(self) -> bool:
        """Whether the program ended because its loop has no end."""
        return self._page[_FOUND] == 1

    def disturbed(self, stopped: bool) -> bool:
        """Whether the program may have noticed. One that was `stopped` without any answer was in one long call."""
        answered = self._page[_ANSWERED]
        return not self.found and answered < self._sent and (answered > 0 or not stopped)

    def _answer(self, _number: int, frame: FrameType | None) -> None:
        try:
            if frame is not None and _is_the_programs(frame) and _is_alone() and endless.is_endless(frame):
                self._page[_FOUND] = 1
                write(2, f"\nendless loop at line {frame.f_lineno} of {frame.f_code.co_filename}\n".encode())
                _exit(0)
        except Exception:
            # Too deep, or out of memory: no proof. Its output may be closed too.
            if self._page[_FOUND]:
                _exit(0)
        self._page[_ANSWERED] += 1


def _is_the_programs(frame: FrameType) -> bool:
    return frame.f_code.co_filename in (CODE, TESTS)


def _is_alone() -> bool:
    idle = not _count_threads() and _get_trace() is None and _get_profile() is None
    return idle and all(_get_timer(timer)[0] == 0 for timer in _TIMERS)


def _may_ask(program: Passed) -> bool:
    if program.counting.flags or not program.compiled:
        return False
    loops = False
    _, *pending, _ = marshal.loads(program.packed)
    while pending:
        code: CodeType = pending.pop()
        if not _DISTURBED.isdisjoint(code.co_names):
            return False
        loops = loops or endless.has_loops(code.co_code)
        pending.extend(constant for constant in code.co_consts if type(constant) is CodeType)
    return loops
