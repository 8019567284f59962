"""Scores of models on a benchmark: the base model's in its own format, a tuned one's in that of the project."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sca_hf.benchmarks import Answer, Benchmark, load_benchmark
from sca_hf.engines import Engine, RowFailure, Sampling
from sca_hf.engines.vllm.engine import VllmEngine
from sca_hf.evaluation.evaluator import Evaluator
from sca_hf.evaluation.generation import Drawing, draw, load_tokenizer
from sca_hf.evaluation.prompts import chosen_format
from sca_hf.evaluation.results import Made, Result
from sca_hf.pipeline.journal import JournaledEngine
from sca_hf.prompts.build import RESPONSE_STOP, response_prompt
from sca_hf.prompts.chat import CHAT_TEMPLATE, chat_prompt
from sca_hf.prompts.code_blocks import code_blocks
from sca_hf.prompts.few_shot import load_few_shot

_TOKENS, _ANSWER, _JAILS = 2048, 384, 2


def score(base: str, models: Sequence[Path], benchmark: str | None, folder: Path | None, store: Path) -> list[Result]:
    """Return greedy results, first of `base`, on held-out tasks also by the chat template, and then of `models`.

    `benchmark`: None for the held-out tasks in `folder`. On those both are asked by the text of the task alone, as in
    training: the base model by its pipeline's prompt, the others by their chat template. The published format begins
    the answer with a fence, behind which a model of this size, which has learnt to explain first, writes nothing.
    """
    with Evaluator(store, _JAILS) as evaluator:
        tasks = load_benchmark(benchmark or "mbpp-all", folder)
        published = benchmark is not None
        results = [_of(base, tasks, evaluator, published, False)]
        if not published:
            results.append(_of(base, tasks, evaluator, published, True))
        return results + [_of(str(model), tasks, evaluator, published, True) for model in models]


def _of(model: str, benchmark: Benchmark, evaluator: Evaluator, published: bool, tuned: bool) -> Result:
    engine = JournaledEngine(VllmEngine(model, max_model_len=_TOKENS), evaluator.journal)
    tokenizer = load_tokenizer(model)
    how = chosen_format(benchmark, tokenizer, None) if published else None
    if how is None:
        tokenizer.chat_template = CHAT_TEMPLATE  # the base model's has none
    try:
        if how is not None:
            answers = asyncio.run(draw(benchmark, Drawing(how), engine, tokenizer))
        else:
            answers = asyncio.run(_answered(benchmark, engine, tokenizer if tuned else None))
    finally:
        engine.close()
    return evaluator.grade(benchmark, answers, Made(model, engine.identity.build, how or "as in training"))


async def _answered(benchmark: Benchmark, engine: Engine, tokenizer: Any | None) -> list[Answer]:
    """The code that follows a task's text: in a conversation by `tokenizer`, without it in the demo's own prompt."""
    few_shot = load_few_shot("demo")

    async def one(task_id: str) -> Answer:
        text = benchmark.tasks[task_id].prompt.strip().strip('"').strip().partition("\nassert ")[0]
        if tokenizer is None:
            prompt = response_prompt(few_shot, [], text)
        else:
            prompt = chat_prompt(tokenizer, [{"role": "user", "content": text}])
        sampling = Sampling(temperature=0.0, max_tokens=_ANSWER, stop=RESPONSE_STOP, seed=0)
        try:
            completion = (await engine.complete(prompt, sampling)).text
        except RowFailure:
            completion = ""
        return Answer(task_id, 0, solution="\n".join(code_blocks(completion)))

    return await asyncio.gather(*map(one, benchmark.task_ids))
