"""One replica: a Ray actor that holds an in-process vLLM engine and answers calls one by one.

An actor's answers are plain tuples, so that no exception class has to be the same on both sides of the cluster.
"""

import platform
from collections.abc import Mapping
from dataclasses import astuple
from typing import Any, Literal

from sca_hf.engines import Completion, Prompt, RowFailure, Sampling
from sca_hf.engines.gpu import gpu
from sca_hf.engines.vllm.engine import VllmEngine
from sca_hf.errors import EngineUnavailable

Answer = (
    tuple[Literal["completion"], tuple[Any, ...], int]
    | tuple[Literal["row-failure", "unavailable"], str]
    | tuple[Literal["not-joined"]]
)
"""A completion's fields and the prompt tokens that the prefix cache served; the kind of failure and its reason; or that
Ray has started this replica again since the driver let it join."""

_PROBE_TOKENS = 16
PROBES = tuple(f"# Probe {number}\ndef f{number}(x):\n" for number in range(16))
"""Prompts that each replica answers when it joins: replicas that run the same build give the same answers."""


class Replica:
    """An engine in an actor. `make` holds the arguments of VllmEngine. Ray calls the methods, in one event loop."""

    def __init__(self, model: str, make: Mapping[str, Any]) -> None:
        self._engine = VllmEngine(model, **make, reload=False)
        self._joined = False

    async def join(self) -> tuple[dict[str, str], tuple[str, ...]]:
        """Load the model. Return who this replica is and its greedy answers to PROBES.

        Raises EngineUnavailable where the model can't be loaded.
        """
        answers = []
        for probe in PROBES:
            sampling = Sampling(temperature=0.0, max_tokens=_PROBE_TOKENS, stop=(), seed=0)
            answers.append((await self._engine.complete(probe, sampling)).text)
        self._joined = True
        return self._engine.identity.intent() | {"device": _device()}, tuple(answers)

    async def live(self) -> tuple[int, ...] | None:
        """Return what calls under way have done, the fields of `Work`; None: this has not joined since its start."""
        return astuple(self._engine.usage.live()) if self._joined else None

    async def complete(self, prompt: Prompt, sampling: Sampling) -> Answer:
        """Return the answer to one call; only the death of the actor raises."""
        if not self._joined:
            return ("not-joined",)
        cached = self._engine.usage.cached_prompt_tokens
        try:
            completion: Completion = await self._engine.complete(prompt, sampling)
        except RowFailure as failure:
            return "row-failure", failure.reason
        except EngineUnavailable as error:
            return "unavailable", str(error)
        return "completion", astuple(completion), self._engine.usage.cached_prompt_tokens - cached


def _device() -> str:
    """Return the kind of processor that computes."""
    return str(gpu() or platform.machine())
