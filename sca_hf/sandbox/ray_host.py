"""Jails on one machine of a Ray cluster: an actor whose answers are plain tuples."""

import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import astuple
from typing import Any, Literal

from sca_hf.errors import SandboxUnavailable
from sca_hf.sandbox.pool import Jails
from sca_hf.sandbox.verdict import JAIL_VERSION, Limits, Program

Answer = tuple[Literal["verdict"], tuple[Any, ...]] | tuple[Literal["unavailable"], str] | tuple[Literal["not-started"]]
"""A verdict's fields; why there are no jails; or that Ray has started this host again since the driver started it."""


def maker() -> tuple[str, str]:
    """Return what verdicts depend on besides programs and limits: the jail's version and Python's."""
    return str(JAIL_VERSION), sys.version


class JailHost:
    """A pool of `size` jails in an actor. Ray calls the methods, in one event loop."""

    def __init__(self, size: int, limits: Mapping[str, Any], repeat: int) -> None:
        self._size = size
        self._limits = Limits(**limits)
        self._repeat = repeat
        self._jails: Jails | None = None

    async def where(self) -> tuple[str, str]:
        """Return the machine: by Ray's id, and by name."""
        import ray

        return ray.get_runtime_context().get_node_id(), socket.gethostname()

    async def start(self, place: int) -> tuple[tuple[str, str], str]:
        """Start the jails. Return `maker()`, and why there are none, or "".

        `place`: which of the hosts on its machine this is. Each keeps to cores of its own, since a pool knows the load
        of its own jails alone.
        """
        cores = sorted(os.sched_getaffinity(0))
        first = place * self._size
        os.sched_setaffinity(0, {cores[number % len(cores)] for number in range(first, first + self._size)})
        jails = Jails(self._size, self._limits, self._repeat)
        try:
            await jails.__aenter__()
        except SandboxUnavailable as error:
            return maker(), str(error)
        self._jails = jails
        return maker(), ""

    async def run(self, code: str, tests: str) -> Answer:
        """Return the verdict on one program; only the death of the actor raises."""
        if self._jails is None:
            return ("not-started",)
        try:
            return "verdict", astuple(await self._jails.run(Program(code, tests)))
        except SandboxUnavailable as error:
            return "unavailable", str(error)
