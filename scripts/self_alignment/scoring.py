"""Scores of models on held-out tasks: the base model's in the prompt that wrote the data, a tuned one's in its own."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sca_hf.benchmarks import Answer, Benchmark, load_benchmark
from sca_hf.engines import Engine, RowFailure, Sampling
from sca_hf.engines.vllm.engine import VllmEngine
from sca_hf.evaluation.evaluator import Evaluator
from sca_hf.evaluation.generation import Drawing, draw, load_tokenizer
from sca_hf.evaluation.results import Made, Result
from sca_hf.pipeline.journal import JournaledEngine
from sca_hf.prompts.build import RESPONSE_STOP, response_prompt
from sca_hf.prompts.code_blocks import code_blocks
from sca_hf.prompts.few_shot import load_few_shot

_TOKENS, _JAILS = 1024, 2


def score(base: str, models: Sequence[Path], tasks: Path, store: Path) -> list[Result]:
    """Return greedy results on the tasks in folder `tasks`: first of `base`, then of `models`, which were tuned."""
    with Evaluator(store, _JAILS) as evaluator:
        benchmark = load_benchmark("mbpp-all", tasks)
        return [_of(base, benchmark, evaluator, tuned=False)] + [
            _of(str(model), benchmark, evaluator, tuned=True) for model in models
        ]


def _of(model: str, benchmark: Benchmark, evaluator: Evaluator, tuned: bool) -> Result:
    engine = JournaledEngine(VllmEngine(model, dtype="bfloat16", max_model_len=_TOKENS), evaluator.journal)
    tasks = [(task, benchmark.tasks[task]) for task in benchmark.task_ids]
    try:
        if tuned:
            answers = asyncio.run(draw(benchmark, Drawing("sca"), engine, load_tokenizer(model)))
        else:
            answers = asyncio.run(_continued(tasks, engine))
    finally:
        engine.close()
    return evaluator.grade(benchmark, answers, Made(model, engine.identity.build, "sca" if tuned else "I->R"))


async def _continued(tasks: Sequence[tuple[str, Any]], engine: Engine) -> list[Answer]:
    """What the base model answers to the task's text as an instruction of its own pipeline."""
    few_shot = load_few_shot("demo")

    async def one(task_id: str, task: Any) -> Answer:
        text = task.prompt.strip().strip('"').strip().partition("\nassert ")[0]
        sampling = Sampling(temperature=0.0, max_tokens=384, stop=RESPONSE_STOP, seed=0)
        try:
            completion = (await engine.complete(response_prompt(few_shot, [], text), sampling)).text
        except RowFailure:
            completion = ""
        return Answer(task_id, 0, solution="\n".join(code_blocks(completion)))

    return await asyncio.gather(*(one(task_id, task) for task_id, task in tasks))
