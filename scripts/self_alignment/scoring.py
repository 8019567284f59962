"""Scores of models on a benchmark: the base model's in its own format, a tuned one's in that of the project."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from sca_hf.benchmarks import Answer, Benchmark, load_benchmark
from sca_hf.engines import Engine, RowFailure, Sampling
from sca_hf.engines.vllm.engine import VllmEngine
from sca_hf.evaluation.evaluator import Evaluator
from sca_hf.evaluation.generation import Drawing, draw, load_tokenizer
from sca_hf.evaluation.prompts import chosen_format
from sca_hf.evaluation.results import Made, Result
from sca_hf.pipeline.journal import JournaledEngine
from sca_hf.prompts.build import RESPONSE_STOP, response_prompt
from sca_hf.prompts.code_blocks import code_blocks
from sca_hf.prompts.few_shot import load_few_shot

_TOKENS, _JAILS = 2048, 2


def score(base: str, models: Sequence[Path], benchmark: str | None, folder: Path | None, store: Path) -> list[Result]:
    """Return greedy results, first of `base` and then of `models`.

    `benchmark`: None for the held-out tasks in `folder`. On those the base model is asked by the pipeline's own prompt,
    since it knows no other.
    """
    with Evaluator(store, _JAILS) as evaluator:
        tasks = load_benchmark(benchmark or "mbpp-all", folder)
        continued = benchmark is None
        return [_of(base, tasks, evaluator, continued)] + [_of(str(model), tasks, evaluator, False) for model in models]


def _of(model: str, benchmark: Benchmark, evaluator: Evaluator, continued: bool) -> Result:
    engine = JournaledEngine(VllmEngine(model, max_model_len=_TOKENS), evaluator.journal)
    tokenizer = load_tokenizer(model)
    how = "I->R" if continued else chosen_format(benchmark, tokenizer, None)
    try:
        if how == "I->R":
            answers = asyncio.run(_continued(benchmark, engine))
        else:
            answers = asyncio.run(draw(benchmark, Drawing(how), engine, tokenizer))
    finally:
        engine.close()
    return evaluator.grade(benchmark, answers, Made(model, engine.identity.build, how))


async def _continued(benchmark: Benchmark, engine: Engine) -> list[Answer]:
    """What the demo model answers to a task's text as to an instruction of its own pipeline."""
    few_shot = load_few_shot("demo")

    async def one(task_id: str) -> Answer:
        text = benchmark.tasks[task_id].prompt.strip().strip('"').strip().partition("\nassert ")[0]
        sampling = Sampling(temperature=0.0, max_tokens=384, stop=RESPONSE_STOP, seed=0)
        try:
            completion = (await engine.complete(response_prompt(few_shot, [], text), sampling)).text
        except RowFailure:
            completion = ""
        return Answer(task_id, 0, solution="\n".join(code_blocks(completion)))

    return await asyncio.gather(*map(one, benchmark.task_ids))
