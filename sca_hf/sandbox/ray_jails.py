"""Jails on the machines of a Ray cluster: the CPUs there execute programs, in the jails that this machine would use.

Each host is an actor with a pool of jails. Ray places hosts where there is room, and starts one again that dies; what
it was at runs elsewhere.
"""

import asyncio
import contextlib
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from types import TracebackType
from typing import Any, Self

from sca_hf import cluster
from sca_hf.errors import SandboxUnavailable, one_line
from sca_hf.sandbox.pool import Jails
from sca_hf.sandbox.verdict import JAIL_VERSION, Limits, Program, Verdict

_JAILS_OF_A_HOST = 4
_ATTEMPTS = 3
_LOOK_SECONDS = 0.2
_WAIT_SECONDS = 300.0


class JailHost:
    """A pool of jails in an actor. Ray calls the methods, in one event loop. Answers are plain tuples and dicts."""

    def __init__(self, workers: int, limits: Mapping[str, Any], repeat: int) -> None:
        self._jails = Jails(workers, Limits(**limits), repeat)
        self._started = False

    async def start(self) -> tuple[str, str]:
        """Start the jails. Return what verdicts depend on here. Raises SandboxUnavailable."""
        if not self._started:
            await self._jails.__aenter__()
            self._started = True
        return maker()

    async def run(self, code: str, tests: str) -> dict[str, Any] | str:
        """Return the fields of a verdict; the text of a SandboxUnavailable; "" if Ray has started this host again."""
        if not self._started:
            return ""
        try:
            return asdict(await self._jails.run(Program(code, tests)))
        except SandboxUnavailable as error:
            return str(error)


@dataclass(eq=False)
class _Host:
    """A host as the driver sees it. `starting`: the answer to `start`, until it is there; `programs`: at work there."""

    actor: Any
    starting: Any
    programs: int = 0


class RayJails:
    """Runs programs as `jails` does, but on a Ray cluster, `workers` at a time. Used as `Jails` is."""

    def __init__(self, jails: Jails, workers: int) -> None:
        self.limits, self.repeat = jails.limits, jails.repeat
        self._workers = workers
        self._hosts: list[_Host] = []
        self._looked = 0.0

    async def __aenter__(self) -> Self:
        if find_spec("ray") is None:
            raise SandboxUnavailable("run.jails_on ray needs the package ray; install it: pip install 'sca-hf[ray]'")
        import ray

        try:
            await asyncio.to_thread(cluster.join)
        except Exception as error:
            raise SandboxUnavailable(
                f"no Ray cluster at {cluster.address()} ({one_line(error)[:300]}); start one with `ray start --head`, "
                "unset RAY_ADDRESS, or set run.jails_on=machine"
            ) from error
        left = self._workers
        while left > 0:
            size = min(left, _JAILS_OF_A_HOST)
            actor = (
                ray.remote(JailHost)
                .options(num_cpus=size, max_restarts=-1, max_task_retries=0, max_concurrency=1024)
                .remote(size, asdict(self.limits), self.repeat)
            )
            self._hosts.append(_Host(actor, actor.start.remote()))
            left -= size
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        import ray

        for host in self._hosts:
            with contextlib.suppress(Exception):  # the cluster may be gone
                ray.kill(host.actor)
        self._hosts.clear()
        await asyncio.to_thread(cluster.leave)

    async def run(self, program: Program) -> Verdict:
        """The verdict on one program. Raises SandboxUnavailable, never for what a program did."""
        import ray

        for _ in range(_ATTEMPTS):
            host = await self._ready_host()
            host.programs += 1
            try:
                answer = await host.actor.run.remote(program.code, program.tests)
            except ray.exceptions.RayActorError:
                answer = ""
            finally:
                host.programs -= 1
            if isinstance(answer, dict):
                return Verdict(**answer | {"flags": tuple(answer["flags"])})
            if answer:
                raise SandboxUnavailable(answer)
            if host.starting is None:
                host.starting = host.actor.start.remote()
        raise SandboxUnavailable(
            f"{_ATTEMPTS} hosts of jails on Ray have died under one program; look at the machines' memory, "
            "or set run.jails_on=machine"
        )

    async def _ready_host(self) -> _Host:
        """Return the ready host with the fewest programs; wait while there is none."""
        import ray

        deadline = time.monotonic() + _WAIT_SECONDS
        while True:
            now = time.monotonic()
            if now - self._looked >= _LOOK_SECONDS:
                self._looked = now
                for host in self._hosts:
                    self._admit(host)
            ready = [host for host in self._hosts if host.starting is None]
            if ready:
                return min(ready, key=lambda host: host.programs)
            if now > deadline:
                raise SandboxUnavailable(
                    f"no host of jails has been up on Ray for {_WAIT_SECONDS:.0f} s: each needs up to "
                    f"{_JAILS_OF_A_HOST} CPUs, the cluster has {ray.available_resources()} left; lower run.jails, "
                    "or set run.jails_on=machine"
                )
            await asyncio.sleep(_LOOK_SECONDS)

    def _admit(self, host: _Host) -> None:
        """Let a host have programs once it has started, if its verdicts are those of this machine."""
        import ray

        if host.starting is None or not ray.wait([host.starting], timeout=0)[0]:
            return
        try:
            there = ray.get(host.starting)
        except ray.exceptions.RayActorError:
            host.starting = host.actor.start.remote()
            return
        except ray.exceptions.RayTaskError as error:
            raise SandboxUnavailable(f"a machine of the Ray cluster gives no jails: {one_line(error.cause)}") from None
        if there != maker():
            raise SandboxUnavailable(
                f"a machine of the Ray cluster would give other verdicts: jail and Python are {there} there, "
                f"{maker()} here; use one version of both on all machines"
            )
        host.starting = None


def maker() -> tuple[str, str]:
    """Return what verdicts depend on besides programs and limits: the jail's version and Python's."""
    return str(JAIL_VERSION), sys.version
