"""Replicas for benchmarks: actors that compute nothing, and wait as long as a prompt's number says."""

import asyncio
import math
from collections.abc import Mapping
from dataclasses import astuple
from typing import Any

from sca_hf.engines import EngineIdentity, Sampling, Work
from sca_hf.identity import digest

TEXT = "def double(x):\n    return 2 * x\n" * 8
IDENTITY = EngineIdentity("waiting", "1", "waiting 1", "none")


def seconds_of(seed: int, mean: float) -> float:
    """How long a call takes: an exponential distribution, cut off at six times its mean."""
    share = (int(digest(seed)[:8], 16) + 1) / 2**32
    return 0.0 if not mean else min(6 * mean, -mean * math.log(share))


class WaitingReplica:
    """In the place of `sca_hf.engines.ray.replica.Replica`. `make`: `seats` and the `mean` seconds of a call."""

    def __init__(self, model: str, make: Mapping[str, Any]) -> None:
        self._joined = False
        self._mean = float(make["mean"])
        self._seats = asyncio.Semaphore(int(make["max_num_seqs"]))

    async def join(self) -> tuple[dict[str, str], tuple[str, ...]]:
        """Return who this is, and its answers to the probes."""
        self._joined = True
        return IDENTITY.intent() | {"device": "none"}, ("",) * 16

    async def live(self) -> tuple[int, ...] | None:
        """Return no work under way; None where it has not joined since its start."""
        return astuple(Work()) if self._joined else None

    async def complete(self, prompt: str, sampling: Sampling) -> tuple[Any, ...]:
        """Return a completion after its time."""
        if not self._joined:
            return ("not-joined",)
        async with self._seats:
            await asyncio.sleep(seconds_of(sampling.seed, self._mean))
        return "completion", (f"# {sampling.seed}\n" + TEXT, "stop", 1500, 64), 0
