"""Jails on the machines of a Ray cluster: the CPUs there execute programs, in the jails that this machine would use.

Hosts of jails (`ray_host`) are actors. Ray places them where there is room, and starts one again that dies; what it was
at runs elsewhere. Each host takes its next programs when it has verdicts on earlier ones, so none waits behind a slow
machine. There are no jails in this process.
"""

import asyncio
import contextlib
import threading
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from types import TracebackType
from typing import Any, Self

from sca_hf import cluster
from sca_hf.errors import SandboxUnavailable, one_line
from sca_hf.sandbox.pool import Jails
from sca_hf.sandbox.ray_host import JailHost, maker
from sca_hf.sandbox.verdict import Program, Verdict

_JAILS_OF_A_HOST = 4
_PROGRAMS_PER_JAIL = 4
_DEATHS_OF_A_PROGRAM = 3
_LOOK_SECONDS = 1.0
_WAIT_SECONDS = 300.0


@dataclass(eq=False)
class _Asked:
    """A program on its way. `deaths`: of hosts that it had been given to."""

    program: Program
    verdict: "Future[Verdict]" = field(default_factory=Future)
    deaths: int = 0


class RayJails:
    """Runs programs as `jails` would, but on a Ray cluster, `workers` at a time. Used as `Jails` is.

    `wait_seconds`: how long programs wait without any host before all of it fails.
    """

    def __init__(self, jails: Jails, workers: int, wait_seconds: float = _WAIT_SECONDS) -> None:
        self.limits, self.repeat = jails.limits, jails.repeat
        self._workers = workers
        self._wait_seconds = wait_seconds
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="ray-jails", daemon=True)
        self._unfinished: set[_Asked] = set()
        self._waiting: asyncio.Queue[_Asked] = asyncio.Queue()
        self._actors: list[Any] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._places: dict[Any, tuple[str, int]] = {}
        self._up = 0
        self._broken: SandboxUnavailable | None = None

    async def __aenter__(self) -> Self:
        if find_spec("ray") is None:
            raise SandboxUnavailable("run.jails_on ray needs the package ray; install it: pip install 'sca-hf[ray]'")
        try:
            await asyncio.to_thread(cluster.join)
        except Exception as error:
            raise SandboxUnavailable(
                f"no Ray cluster at {cluster.address()} ({one_line(error)[:300]}); start one with `ray start --head`, "
                "unset RAY_ADDRESS, or set run.jails_on=machine"
            ) from error
        self._thread.start()
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._start(), self._loop))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._end(), self._loop))
        self._loop.call_soon_threadsafe(self._loop.stop)
        await asyncio.to_thread(self._thread.join)
        await asyncio.to_thread(cluster.leave)

    async def run(self, program: Program) -> Verdict:
        """The verdict on one program. Raises SandboxUnavailable, never for what a program did."""
        asked = _Asked(program)
        self._loop.call_soon_threadsafe(self._accept, asked)
        return await asyncio.wrap_future(asked.verdict)

    # In the thread, as all below.

    async def _start(self) -> None:
        import ray

        for first in range(0, self._workers, _JAILS_OF_A_HOST):
            size = min(_JAILS_OF_A_HOST, self._workers - first)
            actor = (
                ray.remote(JailHost)
                .options(num_cpus=size, max_restarts=-1, max_task_retries=0)
                .remote(size, asdict(self.limits), self.repeat)
            )
            self._actors.append(actor)
            self._tasks.append(self._loop.create_task(self._keep(actor, size)))
        self._tasks.append(self._loop.create_task(self._watch()))

    async def _end(self) -> None:
        import ray

        self._break("the jails were closed while programs were waiting")
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for actor in self._actors:
            with contextlib.suppress(Exception):  # the cluster may be gone
                ray.kill(actor)

    def _accept(self, asked: _Asked) -> None:
        if self._broken is not None:
            asked.verdict.set_exception(self._broken)
            return
        self._unfinished.add(asked)
        self._waiting.put_nowait(asked)

    def _break(self, why: str) -> None:
        """Fail everything that waits, now and from now on."""
        self._broken = self._broken or SandboxUnavailable(why)
        while self._unfinished:
            self._settle(self._unfinished.pop(), self._broken)

    def _settle(self, asked: _Asked, outcome: Verdict | SandboxUnavailable) -> None:
        self._unfinished.discard(asked)
        if asked.verdict.done():
            return  # failed with all others, or given up by its caller
        if isinstance(outcome, Verdict):
            asked.verdict.set_result(outcome)
        else:
            asked.verdict.set_exception(outcome)

    async def _keep(self, actor: Any, size: int) -> None:
        """Give a host programs once its jails have started, and again each time that Ray has started it anew."""
        import ray

        while self._broken is None:
            try:
                node, machine = await actor.where.remote()
                there, lacking = await actor.start.remote(self._place(actor, node))
            except ray.exceptions.RayActorError:
                await asyncio.sleep(_LOOK_SECONDS)
                continue
            if lacking:
                self._break(f"machine {machine} of the Ray cluster gives no jails: {lacking}")
            elif there != maker():
                self._break(
                    f"machine {machine} of the Ray cluster would give other verdicts: jail and Python are {there} "
                    f"there, {maker()} here; use one version of both on all machines"
                )
            else:
                self._up += 1
                try:
                    await self._feed(actor, machine, size * _PROGRAMS_PER_JAIL)
                finally:
                    self._up -= 1

    def _place(self, actor: Any, node: str) -> int:
        """Return the lowest place on a machine that no other host there has."""
        self._places.pop(actor, None)
        taken = {place for there, place in self._places.values() if there == node}
        place = next(number for number in range(len(taken) + 1) if number not in taken)
        self._places[actor] = node, place
        return place

    async def _feed(self, actor: Any, machine: str, programs: int) -> None:
        """Keep `programs` at a host until it dies. What it was at is tried elsewhere."""
        feeds = [self._loop.create_task(self._feed_one_by_one(actor, machine)) for _ in range(programs)]
        try:
            await asyncio.wait(feeds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for feed in feeds:
                feed.cancel()
            await asyncio.gather(*feeds, return_exceptions=True)

    async def _feed_one_by_one(self, actor: Any, machine: str) -> None:
        import ray

        while True:
            asked = await self._waiting.get()
            if asked.verdict.done():
                self._unfinished.discard(asked)
                continue
            try:
                kind, *answer = await actor.run.remote(asked.program.code, asked.program.tests)
            except (ray.exceptions.RayActorError, asyncio.CancelledError):
                self._try_again(asked)
                raise
            if kind == "not-started":
                self._waiting.put_nowait(asked)
                return
            if kind == "unavailable":
                self._break(f"machine {machine} of the Ray cluster gives no jails any more: {answer[0]}")
                return
            self._settle(asked, Verdict(*answer[0]))

    def _try_again(self, asked: _Asked) -> None:
        asked.deaths += 1
        if asked.deaths < _DEATHS_OF_A_PROGRAM:
            self._waiting.put_nowait(asked)
            return
        self._break(
            f"{_DEATHS_OF_A_PROGRAM} hosts of jails on Ray have died under one program; look at the machines' memory, "
            "or set run.jails_on=machine"
        )

    async def _watch(self) -> None:
        """Fail what waits once there has been no host for too long."""
        import ray

        waited = 0.0
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            waited = 0.0 if self._up or not self._unfinished else waited + _LOOK_SECONDS
            if waited > self._wait_seconds:
                needed = min(self._workers, _JAILS_OF_A_HOST)
                self._break(
                    f"no host of jails has been up on Ray for {self._wait_seconds:.0f} s: each needs {needed} CPUs, "
                    f"the cluster has {ray.available_resources().get('CPU', 0):g} left; lower run.jails, or set "
                    "run.jails_on=machine"
                )
                return
