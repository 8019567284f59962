"""`CodeExecution`: the metric `code_eval` with the same call and the same result, in jails.

    from sca_hf.metrics.code_execution import CodeExecution

    tests, candidates = ["assert add(2, 3) == 5"], [["def add(a, b): return a * b", "def add(a, b): return a + b"]]
    pass_at_k, results = CodeExecution().compute(references=tests, predictions=candidates, k=[1, 2])

Where the tests are a plain list of assertions on one function, a candidate gets the arguments of its calls alone, and
what it returns is compared elsewhere; else it runs in one process with the tests (see `sca_hf.benchmarks.one_process`
for what that leaves within its reach).
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import datasets
import evaluate

from sca_hf.benchmarks.benchmark import status_of
from sca_hf.benchmarks.calls import MOST_HANDED_OUT, Runner
from sca_hf.benchmarks.one_process import held, names_in, refusal, run_together
from sca_hf.benchmarks.replay import Recording, Tested, grade_by
from sca_hf.benchmarks.straight import read_straight
from sca_hf.errors import InputError
from sca_hf.metrics.pass_at_k import estimate
from sca_hf.sandbox import Jails, Limits

_DESCRIPTION = "Runs candidates with tests in jails and estimates pass@k (Chen et al. 2021)."
_MEMORY_MB = 4096
_AT_ONCE = 64

Detail = dict[str, Any]


class CodeExecution(evaluate.Metric):  # type: ignore[misc]
    """`predictions`: candidates, a list a task; `references`: a task's tests, source that raises where one fails.

    `k`: of which pass@k; one that a task has too few candidates for is left out, as by code_eval. `num_workers`:
    programs at once. `timeout`: seconds of CPU time. Returns pass@k by name, and by task number a list of
    (candidate's number, {"task_id", "passed", "result", "completion_id"}).
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation="",
            inputs_description=CodeExecution.__doc__,
            features=datasets.Features(
                {
                    "predictions": datasets.Sequence(datasets.Value("string")),
                    "references": datasets.Value("string"),
                }
            ),
        )

    def _compute(
        self,
        predictions: Sequence[Sequence[str]],
        references: Sequence[str],
        k: Sequence[int] = (1, 10, 100),
        num_workers: int = 4,
        timeout: float = 3.0,
    ) -> tuple[dict[str, float], dict[int, list[tuple[int, Detail]]]]:
        if timeout <= 0:
            raise InputError(f"timeout must be above 0 seconds, got {timeout}")
        with ThreadPoolExecutor(1) as thread:  # the caller may be in an event loop, a notebook's
            details = thread.submit(asyncio.run, _run_all(predictions, references, num_workers, timeout)).result()
        results: dict[int, list[tuple[int, Detail]]] = defaultdict(list)
        for detail in details:
            results[detail["task_id"]].append((detail["completion_id"], detail))
        scores = {}
        for number in k:
            if results and all(len(of_task) >= number for of_task in results.values()):
                estimates = [
                    estimate(len(of_task), sum(detail["passed"] for _, detail in of_task), number)
                    for of_task in results.values()
                ]
                scores[f"pass@{number}"] = sum(estimates) / len(estimates)
        return scores, results


async def _run_all(
    predictions: Sequence[Sequence[str]], references: Sequence[str], workers: int, seconds: float
) -> list[Detail]:
    limits = Limits(seconds + 1, 10 * seconds, _MEMORY_MB, kept_bytes=MOST_HANDED_OUT)
    turns = asyncio.Semaphore(_AT_ONCE)
    async with Jails(workers, limits) as jails:

        async def one(task: int, number: int, candidate: str, tests: str) -> Detail:
            async with turns:
                wrong = await _grade(candidate, tests, seconds, jails)
            result = "passed" if not wrong else "timed out" if status_of(wrong) == "timeout" else f"failed: {wrong}"
            return {"task_id": task, "passed": not wrong, "result": result, "completion_id": number}

        return await asyncio.gather(
            *(
                one(task, number, candidate, tests)
                for task, (candidates, tests) in enumerate(zip(predictions, references, strict=True))
                for number, candidate in enumerate(candidates)
            )
        )


async def _grade(candidate: str, tests: str, seconds: float, jails: Runner) -> str:
    """Why the candidate fails; "" where it passes."""
    straight = read_straight(tests)
    if straight is not None:
        tested = Tested(f"def {straight.entry}(*arguments): pass", tests, straight.entry, straight.setup)
        return await grade_by(Recording(straight.calls, []), tested, candidate, seconds, jails)
    refused = refusal(candidate, names_in(tests))
    if refused:
        return f"refused: {refused}"
    verdict = await run_together(candidate, tests, jails)
    return "" if held(verdict) else verdict.exception or verdict.status
