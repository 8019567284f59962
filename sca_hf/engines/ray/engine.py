"""The engine that asks replicas on a Ray cluster.

Placement, restarts and scale are Ray's: each replica is an actor in a placement group of its own, Ray waits until the
cluster has room for it and starts it again when it dies. What is done here is what Ray can't know: a call goes to the
replica that has the prompts of its deck (`sca_hf.engines.routing`), a call whose replica died is asked again, and a
call that was in flight at the deaths of two replicas is its row's failure, so that a poisonous prompt can't restart
engines forever.
"""

import asyncio
import contextlib
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from sca_hf import cluster
from sca_hf.engines import Completion, EngineIdentity, Fleet, Prompt, RowFailure, Sampling, Work
from sca_hf.engines.routing import Router, shared_part
from sca_hf.engines.threaded import ThreadedEngine
from sca_hf.errors import EngineUnavailable

ENGINE_CRASH = "engine-crash"
"""The reason of a row whose call was in flight at the deaths of two replicas."""

DEATHS_OF_A_CALL = 2
"""Deaths of replicas after which a call in flight is its row's failure."""

_LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class Placement:
    """Where replicas run. `replicas`: how many are wanted; those that don't fit yet wait until the cluster grows.

    `gpus`: of one replica, one bundle each (tensor times pipeline parallel ranks); without, it gets `cpus` cores.
    `wait_seconds`: how long a run waits without any replica before it gives up.
    """

    replicas: int = 1
    gpus: int = 0
    cpus: float = 1.0
    wait_seconds: float = 600.0

    @property
    def bundles(self) -> list[dict[str, float]]:
        """Return the resources of one replica as Ray reserves them."""
        return [{"GPU": 1.0, "CPU": self.cpus}] * self.gpus if self.gpus else [{"CPU": self.cpus}]


@dataclass(eq=False)
class _Seat:
    """A replica as the driver sees it. `live`: what its calls had done when it was last asked."""

    number: int
    group: Any
    actor: Any
    ready: bool = False
    live: Work = field(default_factory=Work)
    watcher: "asyncio.Task[None] | None" = None


class RayEngine(ThreadedEngine):
    """Completes prompts on replicas of one model. `make`: arguments of VllmEngine, the same for all replicas.

    Uses the cluster of RAY_ADDRESS, else one that runs on this machine, else starts a local one and ends it at the end.
    `mixed`: let replicas join that are of another build or processor than the first.
    """

    _ready_when_prepared = False  # but when the first replica is

    def __init__(
        self,
        identity: EngineIdentity,
        model: str,
        make: Mapping[str, Any],
        placement: Placement,
        *,
        mixed: bool = False,
    ) -> None:
        super().__init__(identity, "ray-engine")
        self._model = model
        self._make = dict(make)
        self._placement = placement
        self._mixed = mixed
        self._seats: list[_Seat] = []
        self._router: Router[_Seat] = Router()
        self._expected = identity.intent()
        self._answers: tuple[str, ...] | None = None
        self._lost = 0
        self._joined = False
        self._changed: asyncio.Event = asyncio.Event()

    @property
    def fleet(self) -> Fleet:
        """Return how the replicas are now."""
        up = sum(seat.ready for seat in self._seats)
        return Fleet(up, self._placement.replicas - up, self._lost)

    def _live(self) -> Work:
        return sum((seat.live for seat in self._seats), Work())

    def _prepare(self) -> None:
        try:
            cluster.join()
            self._joined = True
        except Exception as error:
            raise EngineUnavailable(
                f"no Ray cluster at {cluster.address()} ({_line(error)}); start one with `ray start --head`, or unset "
                "RAY_ADDRESS"
            ) from error
        for number in range(self._placement.replicas):
            seat = self._seat(number)
            self._seats.append(seat)
            self._router.add(str(number), seat, math.inf)  # until it has joined
            seat.watcher = self._loop.create_task(self._watch(seat))

    def _seat(self, number: int) -> _Seat:
        import ray
        from ray.util.placement_group import placement_group
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        from sca_hf.engines.ray.replica import Replica

        group = placement_group(self._placement.bundles, strategy="PACK")
        here = PlacementGroupSchedulingStrategy(
            placement_group=group, placement_group_bundle_index=0, placement_group_capture_child_tasks=True
        )
        one_gpu = self._placement.gpus == 1
        actor = (
            ray.remote(Replica)
            .options(
                num_cpus=self._placement.cpus,
                num_gpus=1 if one_gpu else 0,  # of several, vLLM's own workers take the bundles' GPUs
                scheduling_strategy=here,
                max_restarts=-1,
                max_task_retries=0,
                max_concurrency=max(1024, 4 * int(self._make.get("max_num_seqs") or 256)),
            )
            .remote(self._model, self._make)
        )
        return _Seat(number, group, actor)

    async def _watch(self, seat: _Seat) -> None:
        """Let the replica join, and join again each time that Ray has started it anew."""
        import ray

        while not self._closing:
            if seat.ready:
                await asyncio.sleep(_LOOK_SECONDS)
                with contextlib.suppress(ray.exceptions.RayActorError):
                    live = await seat.actor.live.remote()
                    if live is not None:
                        seat.live = Work(*live)
                        continue
                self._lose(seat)
                continue
            try:
                identity, answers = await seat.actor.join.remote()
            except ray.exceptions.RayActorError:
                await asyncio.sleep(_LOOK_SECONDS)
                continue
            except ray.exceptions.RayTaskError as error:
                # The model can't be loaded there: it can't anywhere, since all replicas load the same.
                self._fail(str(error.cause) if isinstance(error.cause, EngineUnavailable) else _line(error))
                return
            self._admit(seat, identity, answers)

    def _admit(self, seat: _Seat, identity: dict[str, str], answers: tuple[str, ...]) -> None:
        """Let a replica take calls that is what the driver expects and answers as the first replica did."""
        if self._answers is None:
            self._expected |= {"device": identity["device"]}
            self._answers = answers
        if not self._mixed:
            differing = [name for name in self._expected if identity[name] != self._expected[name]]
            if differing:
                shown = ", ".join(f"{name} {self._expected[name]!r} and {identity[name]!r}" for name in differing)
                self._fail(f"replicas differ: {shown}; give the cluster one kind of machine, or set engine.mixed=true")
                return
            if answers != self._answers:
                pairs = enumerate(zip(self._answers, answers, strict=True))
                number, (first, other) = next(pair for pair in pairs if pair[1][0] != pair[1][1])
                self._fail(
                    f"replica {seat.number} answers probe {number} with {other!r}, the first one with {first!r}; "
                    "give the cluster one kind of machine, or set engine.mixed=true"
                )
                return
        seat.ready = True
        self._router.rest(str(seat.number), -math.inf)
        self.usage.be_ready()
        self._changed.set()

    def _fail(self, why: str) -> None:
        self._failure = self._failure or why
        self._changed.set()

    async def _ask(self, prompt: Prompt, sampling: Sampling) -> Completion:
        import ray

        deaths = 0
        while True:
            seat = await self._ready_seat(shared_part(prompt))
            try:
                answer = await seat.actor.complete.remote(prompt, sampling)
            except ray.exceptions.RayActorError:
                self._lose(seat)
                deaths += 1
                if deaths >= DEATHS_OF_A_CALL:
                    raise RowFailure(ENGINE_CRASH) from None
                continue
            finally:
                self._router.give_back(str(seat.number))
            kind, *rest = answer
            if kind == "completion":
                fields, cached = rest
                self.usage.cached_prompt_tokens += cached
                return Completion(*fields)
            if kind == "row-failure":
                raise RowFailure(rest[0])
            if kind == "not-joined":
                # Ray held the call back while it started the replica again: it was not in flight.
                self._lose(seat)
                continue
            # vLLM died inside the actor, which lives on: end it, and Ray starts it anew.
            if seat.ready:
                with contextlib.suppress(ray.exceptions.RayError):
                    ray.kill(seat.actor, no_restart=False)
            self._lose(seat)
            deaths += 1
            if deaths >= DEATHS_OF_A_CALL:
                raise RowFailure(ENGINE_CRASH)

    def _lose(self, seat: _Seat) -> None:
        """Count the death once, however many calls tell of it."""
        if seat.ready:
            seat.ready = False
            self._router.rest(str(seat.number))
            seat.live = Work()
            self._lost += 1

    async def _ready_seat(self, key: str) -> _Seat:
        """Return the ready replica for a call; wait while there is none. Raises EngineUnavailable."""
        deadline = time.monotonic() + self._placement.wait_seconds
        while True:
            self._check()
            taken = self._router.take(key, time.monotonic())
            if taken is not None:
                return taken[1]
            if time.monotonic() > deadline:
                import ray

                raise EngineUnavailable(
                    f"no replica has been up for {self._placement.wait_seconds:.0f} s: each needs "
                    f"{self._placement.bundles}, the cluster has {ray.available_resources()} left; add machines, or "
                    "ask for less, and run the same command again: finished calls are kept"
                )
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), _LOOK_SECONDS)

    async def _release(self) -> None:
        import ray
        from ray.util.placement_group import remove_placement_group

        for seat in self._seats:
            if seat.watcher is not None:
                seat.watcher.cancel()
        await asyncio.gather(*(seat.watcher for seat in self._seats if seat.watcher), return_exceptions=True)
        for seat in self._seats:
            with contextlib.suppress(Exception):  # the cluster may be gone
                ray.kill(seat.actor)
                remove_placement_group(seat.group)
        if self._joined:
            cluster.leave()


def ray_engine(
    identity: EngineIdentity, model: str, make: Mapping[str, Any], placement: Placement, *, mixed: bool
) -> RayEngine:
    """Return the engine. Raises EngineUnavailable where Ray isn't installed."""
    if find_spec("ray") is None:
        raise EngineUnavailable("engine.kind ray needs the package ray; install it: pip install 'sca-hf[ray]'")
    return RayEngine(identity, model, make, placement, mixed=mixed)


def _line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1][:300]
