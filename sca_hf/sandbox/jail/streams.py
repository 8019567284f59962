"""What goes to a program and comes from it: two files, and a third that it is read from, and two pipes.

They are made once. The warm interpreter has its ends at fixed places, where every program inherits them, and the first
process puts the files back to what they were. So nothing new is sent to the warm interpreter, whose every write to
memory costs a fault.
"""

import contextlib
import os
import time
from typing import NamedTuple

REPORT, PROGRAM, ORDERS = 3, 4, 5
"""Where a program's report goes, where the program lies, and the warm interpreter's orders: places of descriptors. A
program sees the first alone."""
_MODE = 0o600
ORDER_BYTES = 8
"""Of an order: twice the size of a program in bytes, and 1 more where the working folder is a new one; 0 at the end."""
_READY = b"\0"
_LOOK_SECONDS = 0.002
_PIPE_BYTES = 1 << 16


class Pipes(NamedTuple):
    """All ends, before the warm interpreter is forked."""

    out: int
    err: int
    program: int
    report: int
    report_end: int
    orders: int
    orders_end: int

    def place(self) -> None:
        """In the warm interpreter: its ends at their places, and no other descriptor open."""
        for descriptor, place in (
            (self.out, 1),
            (self.err, 2),
            (self.report_end, REPORT),
            (self.program, PROGRAM),
            (self.orders_end, ORDERS),
        ):
            os.dup2(descriptor, place)
        os.closerange(ORDERS + 1, os.sysconf("SC_OPEN_MAX"))


class Streams:
    """The first process's side."""

    def __init__(self, pipes: Pipes) -> None:
        # Here, so that the warm interpreter has none of it.
        import fcntl

        os.close(pipes.orders_end)
        self.out, self.err, self._report = pipes.out, pipes.err, pipes.report
        self._program, self._orders = pipes.program, pipes.orders
        self._fcntl, self._get, self._set = fcntl.fcntl, fcntl.F_GETFL, fcntl.F_SETFL
        # What programs have in common is more than the files: the way in which they are open.
        self._shared = (0, self.out, self.err, pipes.report_end)
        self._flags = {descriptor: self._fcntl(descriptor, self._get) for descriptor in self._shared}
        self._clear(self.out)
        self._clear(self.err)

    def wait_until_ready(self, warm: int) -> bool:
        """For the warm interpreter, a child. False: it has ended, and said why."""
        while os.waitpid(warm, os.WNOHANG) == (0, 0):
            with contextlib.suppress(BlockingIOError):
                return os.read(self._report, len(_READY)) == _READY
            time.sleep(_LOOK_SECONDS)
        return False

    def start(self, program: bytes, anew: bool) -> None:
        """Has a program run, `anew` in the working folder, which is a new one. Raises OSError."""
        if os.pwrite(self._program, program, 0) != len(program):
            raise OSError("only a part of the program could be written")
        os.write(self._orders, (2 * len(program) + anew).to_bytes(ORDER_BYTES, "big"))

    def take_report(self) -> bytes:
        """What the program's process wrote into the pipe, which is left empty, and all streams open as they were."""
        written = b""
        with contextlib.suppress(BlockingIOError):
            # Once for a report, but a program may have made packets of what it writes.
            while part := os.read(self._report, _PIPE_BYTES):
                written += part
        if os.fstat(self._report).st_mode & 0o7777 != _MODE:
            os.fchmod(self._report, _MODE)
        for descriptor in self._shared:
            if self._fcntl(descriptor, self._get) != self._flags[descriptor]:
                self._fcntl(descriptor, self._set, self._flags[descriptor])
        return written

    def take(self, stream: int, kept: int) -> tuple[bytes, int]:
        """The first and the last `kept` bytes of `out` or `err`, and its size. Leaves it as if nothing had been."""
        size = os.fstat(stream).st_size
        if size <= 2 * kept:
            read = os.pread(stream, size, 0)
        else:
            read = os.pread(stream, kept, 0) + b"\n[...]\n" + os.pread(stream, kept, size - kept)
        self._clear(stream)
        return read, size

    def _clear(self, stream: int) -> None:
        # Frees blocks beyond the end too.
        os.ftruncate(stream, 0)
        os.lseek(stream, 0, os.SEEK_SET)
        os.fchmod(stream, _MODE)
        os.utime(stream, ns=(0, 0))


def reserve_places() -> None:
    """So that no descriptor which is made from now on lies where one is to be placed."""
    while os.dup(0) < ORDERS:
        pass


def make_pipes() -> Pipes:
    """After `reserve_places`."""
    out, err, program = (os.memfd_create(name) for name in ("stdout", "stderr", "program"))
    # A report is shorter than a pipe is long; a flood must not block.
    report, report_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    orders_end, orders = os.pipe()
    return Pipes(out, err, program, report, report_end, orders, orders_end)


def say_ready() -> None:
    """In the warm interpreter, of which no more will be heard."""
    os.write(REPORT, _READY)
