"""A program on its way, and a jail seen from the pool."""

import json
import socket
import struct
import subprocess
from asyncio import Future
from dataclasses import dataclass, field
from typing import Any

from sca_hf.sandbox.spawn import Tier
from sca_hf.sandbox.verdict import Program, Verdict

_LENGTH = struct.Struct("!I")
# Both streams as a verdict may have them, escaped.
_MESSAGE_BYTES = 64 << 20
# Small enough that the allocator need not ask the kernel for it each time.
_PART_BYTES = 1 << 16
_END_SECONDS = 2.0


@dataclass(eq=False)
class Run:
    """`future`: belongs to a caller's loop."""

    program: Program
    future: "Future[Verdict]"
    tier: Tier
    number: int
    attempts: int = 0
    alone: bool = False
    first: Verdict | None = None
    suspect: "Run | None" = None
    """Whose jails were lost, which this one, a good one, is to show to be its own fault."""


@dataclass(eq=False)
class Jail:
    tier: Tier
    core: int
    """Where its next program is to run."""
    outer: subprocess.Popen[bytes]
    control: socket.socket
    deadline: float
    ready: bool = False
    sleeping: bool = False
    memory_mb: int = 0
    """What a program that sleeps holds."""
    served: int = 0
    run: Run | None = None
    received: bytearray = field(default_factory=bytearray)

    def messages(self) -> list[dict[str, Any]] | None:
        """What came in; None where the jail is gone or talks nonsense."""
        try:
            part = self.control.recv(_PART_BYTES)
            if not part:
                return None
            self.received += part
            found = []
            while len(self.received) >= _LENGTH.size:
                end = _LENGTH.size + _LENGTH.unpack_from(self.received)[0]
                if end > _MESSAGE_BYTES:
                    return None
                if len(self.received) < end:
                    break
                found.append(json.loads(self.received[_LENGTH.size : end]))
                del self.received[:end]
            return found
        except (OSError, ValueError):
            return None

    def give(self, run: Run) -> None:
        """Sends a program. Raises OSError where the jail takes none."""
        self.run = run
        self.served += 1
        program = run.program
        request = {"code": program.code, "tests": program.tests, "careful": run.attempts > 0, "core": self.core}
        packed = json.dumps(request).encode()
        self.control.sendall(_LENGTH.pack(len(packed)) + packed)

    def end(self) -> None:
        """Its first process sees the closed socket and takes all with it; the outer one waits for that."""
        self.control.close()
        try:
            self.outer.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self.outer.kill()
            self.outer.wait()
