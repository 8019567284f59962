"""Engines that are models: they compute nothing, and take the time that they are told."""

import asyncio
from dataclasses import dataclass, field

from sca_hf.engines import Completion, EngineIdentity, Prompt, Sampling
from sca_hf.identity import digest

IDENTITY = EngineIdentity("model", "1", "model 1", "none")


class Instant:
    """Answers at once: what is left is the overhead of everything around it."""

    identity = IDENTITY

    async def complete(self, prompt: Prompt, sampling: Sampling) -> Completion:
        return Completion("string slicing, type conversion, list comprehension", "stop", 1800, 12)

    def close(self) -> None:
        """Nothing to end."""


@dataclass
class Steps:
    """Decodes one token of each running sequence a step, which takes `seconds` for any batch of at most `batch`.

    As a GPU does whose step is bound by reading the weights. `tokens`: how long the completion of a seed is.
    """

    seconds: float
    batch: int
    longest: int
    shortest: int
    long_share: float
    identity: EngineIdentity = IDENTITY
    _waiting: list[tuple[int, "asyncio.Future[None]"]] = field(default_factory=list)
    _stepping: "asyncio.Task[None] | None" = None

    def tokens(self, seed: int) -> int:
        """Tokens of the completion of a sample with this seed."""
        return self.longest if int(digest(seed)[:8], 16) / 2**32 < self.long_share else self.shortest

    async def complete(self, prompt: Prompt, sampling: Sampling) -> Completion:
        count = self.tokens(sampling.seed)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((count, done))
        if self._stepping is None or self._stepping.done():
            self._stepping = asyncio.create_task(self._steps())
        await done
        return Completion(f"concept {sampling.seed}", "stop", 1, count)

    async def _steps(self) -> None:
        running: list[tuple[int, asyncio.Future[None]]] = []
        await asyncio.sleep(0)
        while self._waiting or running:
            while self._waiting and len(running) < self.batch:
                running.append(self._waiting.pop(0))
            await asyncio.sleep(self.seconds)
            for count, done in running:
                if count == 1 and not done.done():
                    done.set_result(None)
            running = [(count - 1, done) for count, done in running if count > 1]

    def close(self) -> None:
        """Nothing to end."""


@dataclass(frozen=True)
class Waiting:
    """An engine whose `slots` sequences each take `seconds`, and nothing of the processor."""

    seconds: float
    slots: asyncio.Semaphore
    identity: EngineIdentity = IDENTITY

    async def complete(self, prompt: Prompt, sampling: Sampling) -> Completion:
        async with self.slots:
            await asyncio.sleep(self.seconds)
        tests = f"```python\nimport time\ntime.sleep({self.seconds})\nassert number() == {sampling.seed}\n```"
        code = f"```python\ndef number():\n    return {sampling.seed}\n```"
        return Completion(f"Answer\n\n{code}\n\n[Tests]\n{tests}", "stop", 1, 1)

    def close(self) -> None:
        """Nothing to end."""
