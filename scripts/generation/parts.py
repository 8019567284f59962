"""Parts of an answer in two calls: what the second costs the driver, and what of its prompt the cache has."""

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset
from generation.loops import run
from generation.models import IDENTITY
from generation.throughput import both_engines

from sca_hf.engines import Completion, Engine, EngineIdentity, Prompt, Sampling
from sca_hf.engines.vllm.engine import VllmEngine
from sca_hf.identity import row_id
from sca_hf.pipeline.journal import Journal, JournaledEngine
from sca_hf.prompts.build import TESTS_STOP
from sca_hf.recipe import Recipe, load_recipe
from sca_hf.stages import responses

RUNS = 3
_CODE = "Adds the number {n}.\n\n```python\ndef add_{n}(value):\n    return value + {n}\n```"
_TESTS = "assert add_{n}(1) == 1 + {n}\n"

Asked = tuple[str, Sampling]


class Answering:
    """Answers each part of an answer at once; what is left is the overhead of everything around it."""

    identity = IDENTITY

    async def complete(self, prompt: Prompt, sampling: Sampling) -> Completion:
        """Return a response, or its tests, or both, as far as the stop sequences leave them."""
        if sampling.stop == TESTS_STOP:
            text = _TESTS.format(n=sampling.seed)
        elif "[Tests]" in "".join(sampling.stop):
            text = _CODE.format(n=sampling.seed)
        else:
            tests = _TESTS.format(n=sampling.seed)
            text = f"{_CODE.format(n=sampling.seed)}\n\n[Tests]\n```python\n{tests}```"
        return Completion(text, "stop", 1800, 200)

    def close(self) -> None:
        """Nothing to end."""


def measure_second_call(count: int, folder: Path | None) -> None:
    """CPU a sample with parts together and separate, by turns, on an engine that answers at once, journal and all."""
    spent: dict[str, list[float]] = {"together": [], "separate": []}
    for _ in range(RUNS):
        for parts, times in spent.items():
            recipe = load_recipe(
                "selfcodealign", [f"responses.parts={parts}", "responses.samples=1", "responses.decks=64"]
            )
            before = time.process_time()
            made = _draw(_instructions(count), recipe, Answering(), folder)
            times.append(1000 * (time.process_time() - before) / count)
            assert made["reject_reason"][:] == [None] * count
    together, separate = (statistics.median(times) for times in spent.values())
    figures = {"samples": count, "CPU ms, together": round(together, 3), "CPU ms, separate": round(separate, 3)}
    print(json.dumps(figures | {"the second call": round(separate - together, 3)}), flush=True)


class Noting:
    """An engine that notes its calls, and what of their prompts came from its cache where they come one by one."""

    def __init__(self, engine: VllmEngine) -> None:
        self._engine = engine
        self.identity: EngineIdentity = engine.identity
        self.asked: list[Asked] = []
        self.read: list[tuple[bool, int, int]] = []

    async def complete(self, prompt: Prompt, sampling: Sampling) -> Completion:
        """Answer as the engine does."""
        assert isinstance(prompt, str)
        usage = self._engine.usage
        prompts, cached = usage.prompt_tokens, usage.cached_prompt_tokens
        self.asked.append((prompt, sampling))
        completion = await self._engine.complete(prompt, sampling)
        is_second = sampling.stop == TESTS_STOP
        self.read.append((is_second, usage.prompt_tokens - prompts, usage.cached_prompt_tokens - cached))
        return completion

    def close(self) -> None:
        """The engine is its owner's to end."""


def measure_parts(model: str, count: int, folder: Path | None, runs: int = RUNS) -> None:
    """The stage against two chained calls of `LLM.generate`, by turns; then prefix hits of second calls, one by one."""
    name = "demo" if model == "demo" else "laptop"
    changes = ["responses.parts=separate", "responses.samples=1", "responses.until=all"]
    recipe, one_by_one = load_recipe(name, changes), load_recipe(name, [*changes, "run.concurrency=1"])
    engine, llm = both_engines(model, recipe.engine.max_model_len)
    asyncio.run(engine.complete("1", Sampling(temperature=0.0, max_tokens=1, stop=(), seed=0)))  # loads the model
    try:
        times: dict[str, list[float]] = {"stage": [], "generate": []}
        for number in range(runs):
            noting, began = Noting(engine), time.monotonic()
            _draw(_instructions(count, number), recipe, noting, folder)
            times["stage"].append(time.monotonic() - began)
            began = time.monotonic()
            for second in (False, True):
                _generate(llm, [asked for asked in noting.asked if (asked[1].stop == TESTS_STOP) is second])
            times["generate"].append(time.monotonic() - began)
        alone = Noting(engine)
        _draw(_instructions(min(count, 20), runs), one_by_one, alone, folder)
        read = [(prompt, cached) for is_second, prompt, cached in alone.read if is_second]
    finally:
        engine.close()
    medians = {name: statistics.median(found) for name, found in times.items()}
    figures = {"model": engine.identity.build, "samples": count, "runs": runs}
    figures |= {f"{name} s": round(median, 2) for name, median in medians.items()}
    figures["of LLM.generate"] = round(medians["generate"] / medians["stage"], 3)
    figures["tokens of a second call's prompt"] = round(sum(prompt for prompt, _ in read) / max(1, len(read)))
    figures["from the prefix cache"] = round(sum(cached for _, cached in read) / max(1, sum(p for p, _ in read)), 3)
    print(json.dumps(figures), flush=True)


def _generate(llm: Any, asked: Sequence[Asked]) -> None:
    import vllm

    parameters = [
        vllm.SamplingParams(
            temperature=sampling.temperature,
            max_tokens=sampling.max_tokens,
            seed=sampling.seed,
            stop=list(sampling.stop),
        )
        for _, sampling in asked
    ]
    llm.generate([prompt for prompt, _ in asked], parameters, use_tqdm=False)


def _instructions(count: int, salt: int = 0) -> Dataset:
    task = "Write a function `keep_{n}` that takes a list `xs` of integers and returns the sum of those above {n}."
    return Dataset.from_list(
        [{"id": row_id("parts", salt, n), "instruction": task.format(n=1000 * salt + n)} for n in range(count)]
    )


def _draw(rows: Dataset, recipe: Recipe, engine: Engine, folder: Path | None) -> Dataset:
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        journal = Journal(Path(scratch) / "journal.sqlite")
        try:
            return run(responses.STAGE, rows, recipe, folder, engine=JournaledEngine(engine, journal))
        finally:
            journal.close()
