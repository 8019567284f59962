"""Ctrl-C ends a command at once, whatever it is doing.

A KeyboardInterrupt comes wherever the main thread happens to be. In a destructor it is swallowed, behind a model that
loads it waits, and on its way out it shows the traceback of whatever was cleaning up. Nothing needs that way out: what
is finished is in the journal and in the store, and what a killed run leaves behind is removed by the next one.
"""

import atexit
import contextlib
import os
import signal
import sys
import threading
from pathlib import Path

INTERRUPTED = "interrupted; what is finished is kept, run the same command to go on"
EXIT_CODE = 130

_FLUSH_SECONDS = 0.5
_TRACKER = b"resource_tracker"  # of multiprocessing: ends by itself, once it has removed what the others had shared
_SHOW_CURSOR = "\x1b[?25h\r\x1b[K"  # a line that changes hides it
_NO_SWITCH = 60.0


def end_at_interrupts() -> None:
    """From now on, let SIGINT end this process and all that it started, with a line and the exit code 130.

    For the main module of a command, as the first thing. Does nothing where SIGINT is ignored (`nohup`, `&`).
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        return
    told, tell = os.pipe()
    os.set_blocking(tell, False)
    threading.Thread(target=_wait, args=(told,), name="interrupts", daemon=True).start()
    # Python's handlers wait for the main thread to come back from C code. Its wake-up file does not.
    signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
    signal.signal(signal.SIGINT, lambda number, frame: None)
    os.register_at_fork(after_in_child=_leave_to_parent)
    # All is done then, and Python would let the signal kill it, with another exit code, where it takes handlers away.
    atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)


def _wait(told: int) -> None:
    while signal.SIGINT not in os.read(told, 64):  # other signals come here, too
        pass
    _end()


def _end() -> None:
    # What was printed before comes first. In a thread: whoever reads the standard output may have stopped to.
    flush = threading.Thread(target=_flush, daemon=True)
    flush.start()
    flush.join(_FLUSH_SECONDS)
    _say_last(f"{_SHOW_CURSOR if os.isatty(2) else ''}{INTERRUPTED}\n")
    # Nothing below lets another thread run, which would take a process killed here for one that failed.
    children = _descendants(os.getpid())
    sys.setswitchinterval(_NO_SWITCH)
    for child in children:
        with contextlib.suppress(OSError):
            os.kill(child, signal.SIGKILL)
    os._exit(EXIT_CODE)


def _say_last(text: str) -> None:
    """Write to the standard error. What other threads still print, to either stream, goes nowhere from now on."""
    with contextlib.suppress(OSError):  # whoever read it is gone
        last, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        os.write(last, text.encode())


def _flush() -> None:
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()


def _descendants(parent: int) -> list[int]:
    """Return the processes that this one started, and theirs."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):  # it has just ended
                fields = (entry / "stat").read_bytes().rpartition(b")")[2].split()
                if _TRACKER not in (entry / "cmdline").read_bytes():
                    children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, waiting = list[int](), [parent]
    while waiting:
        more = children.get(waiting.pop(), [])
        found += more
        waiting += more
    return found


def _leave_to_parent() -> None:
    """A terminal sends SIGINT to all processes of a command; those forked from Python would answer with tracebacks."""
    with contextlib.suppress(ValueError):  # not in the main thread
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
