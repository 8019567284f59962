"""Draws a model's answers to a benchmark's tasks, each call behind the journal."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sca_hf.benchmarks import Answer
from sca_hf.engines import Engine, RowFailure, Sampling
from sca_hf.engines.model import download, resolve_model
from sca_hf.errors import EngineUnavailable, one_line
from sca_hf.evaluation.prompts import Format, FunctionText, answer_of, ask
from sca_hf.identity import row_seed

_AT_ONCE = 256


@dataclass(frozen=True)
class Drawing:
    """How answers are drawn. Temperature 0 is greedy: one answer a task."""

    how: Format
    n: int = 1
    temperature: float = 0.0
    top_p: float = 1.0


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
    tasks: Sequence[tuple[str, FunctionText]],
    drawing: Drawing,
    engine: Engine,
    tokenizer: Any,
    tell: Callable[[int], None] = lambda done: None,
) -> list[Answer]:
    """`n` answers to each task, in order. A task whose prompt is too long gets empty answers, which fail."""
    turns = asyncio.Semaphore(_AT_ONCE)
    done = 0

    async def one(task_id: str, task: FunctionText, sample: int) -> Answer:
        nonlocal done
        asked = ask(drawing.how, task, tokenizer)
        sampling = Sampling(
            temperature=drawing.temperature,
            top_p=drawing.top_p if drawing.temperature else 1.0,
            max_tokens=asked.max_tokens,
            stop=asked.stop,
            seed=row_seed(0, "evaluate", task_id, sample) if drawing.temperature else 0,
        )
        async with turns:
            try:
                text = (await engine.complete(asked.text, sampling)).text
            except RowFailure:
                text = ""
        done += 1
        tell(done)
        return answer_of(drawing.how, task_id, task, sample, text)

    return await asyncio.gather(*(one(task_id, task, sample) for task_id, task in tasks for sample in range(drawing.n)))
