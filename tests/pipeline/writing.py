"""An engine whose model is a function of prompt and seed, for runs of many rows."""

import asyncio
import re
from collections.abc import Mapping
from typing import Any

from sca_hf.engines import Completion, Prompt, Sampling
from sca_hf.engines.model import engine_identity
from sca_hf.engines.ray.replica import Replica
from sca_hf.engines.threaded import ThreadedEngine
from sca_hf.identity import digest
from tests.engines.loopback_server import ended


def written(prompt: str, seed: int) -> str:
    """What the model writes: of a part that is asked for, by its heading; a third of the responses is wrong."""
    number = int(digest(prompt, seed)[:6], 16) % 40
    if prompt.endswith("[Concepts]\n"):
        return f"addition, sums of {number}\n\n"
    if prompt.endswith("[Instruction]\n"):
        return f"Write `plus_{number}`, which adds {number} to a number.\n[Response]"
    name, amount = (re.findall(r"`(plus_(\d+))`", prompt) or [("plus_0", "0")])[-1]
    if prompt.endswith("[Response]\n"):
        wrong = number % 3 == 0
        return f"```python\ndef {name}(x):\n    return x + {int(amount) + wrong}  # {number}\n```\n[Tests]"
    return f"assert {name}(1) == {int(amount) + 1}\nassert {name}(0) == {amount}\n```"


class WritingEngine(ThreadedEngine):
    """In the place of VllmEngine. A call takes some milliseconds, so that answers come in another order each time."""

    def __init__(self, model: str, **settings: Any) -> None:
        super().__init__(engine_identity(model, "bfloat16"), "writing-engine")

    async def _ask(self, prompt: Prompt, sampling: Sampling) -> Completion:
        await asyncio.sleep(0.001 * (hash(str(prompt)) % 20))  # another in each process
        text, reason, _ = ended(written(str(prompt), sampling.seed), sampling.stop, sampling.max_tokens)
        return Completion(text, "stop" if reason == "stop" else "length", len(str(prompt).split()), len(text.split()))

    async def _release(self) -> None:
        pass


class WritingReplica(Replica):
    """In the place of a replica that loads a model."""

    def __init__(self, model: str, make: Mapping[str, Any]) -> None:
        self._engine = WritingEngine(model)  # type: ignore[assignment]
        self._joined = False
