"""Draws a model's answers to a benchmark's tasks, each call behind the journal."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

from sca_hf.benchmarks import Answer, Benchmark
from sca_hf.engines import Engine, RowFailure, Sampling
from sca_hf.engines.model import download, resolve_model
from sca_hf.errors import EngineUnavailable, one_line
from sca_hf.evaluation.prompts import Asked, Format, prompts_of
from sca_hf.identity import row_seed

_AT_ONCE = 256


@dataclass(frozen=True)
class Drawing:
    """How answers are drawn. Temperature 0 is greedy: one answer a task.

    `limit`: the first so many tasks; `stops`: how many stop texts the engine takes, None for any number.
    """

    how: Format
    n: int = 1
    temperature: float = 0.0
    top_p: float = 1.0
    limit: int | None = None
    stops: int | None = None


def load_tokenizer(model: str) -> Any:
    """The model's tokenizer, without any code of its repository. Raises EngineUnavailable."""
    from transformers import AutoTokenizer

    folder = download(resolve_model(model))
    try:
        return AutoTokenizer.from_pretrained(folder)
    except (OSError, ValueError) as error:
        raise EngineUnavailable(
            f"the tokenizer of model {model!r} can't be loaded ({one_line(error)[:200]}); give a complete folder"
        ) from error


async def draw(
    benchmark: Benchmark,
    drawing: Drawing,
    engine: Engine,
    tokenizer: Any,
    tell: Callable[[int], None] = lambda done: None,
) -> list[Answer]:
    """`n` answers to each task, in order. A completion whose prompt is too long is empty, and will fail."""
    prompts = prompts_of(benchmark)
    turns = asyncio.Semaphore(_AT_ONCE)
    done = 0

    async def one(task_id: str, sample: int) -> Answer:
        nonlocal done
        calls = count()

        async def complete(asked: Asked) -> str:
            name = f"{task_id}/{call}" if (call := next(calls)) else task_id
            sampling = Sampling(
                temperature=drawing.temperature,
                top_p=drawing.top_p if drawing.temperature else 1.0,
                max_tokens=asked.max_tokens,
                stop=asked.stop if drawing.stops is None else asked.stop[-drawing.stops :],
                seed=row_seed(0, "evaluate", name, sample) if drawing.temperature else 0,
            )
            async with turns:
                try:
                    text = (await engine.complete(asked.text, sampling)).text
                except RowFailure:
                    return ""
            return text[: min((place for stop in asked.stop if (place := text.find(stop)) >= 0), default=len(text))]

        solution = await prompts.answer(drawing.how, benchmark.tasks[task_id], tokenizer, complete)
        done += 1
        tell(done)
        return Answer(task_id, sample, solution=solution)

    tasks = benchmark.task_ids[: drawing.limit]
    return await asyncio.gather(*(one(task, sample) for task in tasks for sample in range(drawing.n)))
