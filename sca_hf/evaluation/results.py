"""What an evaluation came to, by benchmark and model: as JSON lines, in a terminal, and for a model's card."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from huggingface_hub import EvalResult

from sca_hf.benchmarks.evalperf import win_rate
from sca_hf.errors import StoreError
from sca_hf.evaluation.grading import Graded, passes_of
from sca_hf.metrics.pass_at_k import Estimate, paired_difference, pass_at_k
from sca_hf.wording import counted


@dataclass(frozen=True)
class Made:
    """What determines a result beside the benchmark: results that differ in it are not comparable.

    `model`: a name, or the file of samples. `engine`: its identity in words, "" for samples. `prompt`: the format.
    """

    model: str
    engine: str = ""
    prompt: str = ""


@dataclass(frozen=True)
class Result:
    """Grades of one model's answers on one benchmark. `tasks`: how many it has, answered or not.

    `summed`: what else the benchmark publishes, by name. `defective`: tasks whose data are wrong, and why.
    """

    benchmark: str
    revision: str
    made: Made
    graded: Sequence[Graded]
    tasks: int
    summed: Mapping[str, float] = field(default_factory=dict)
    defective: Mapping[str, str] = field(default_factory=dict)

    def parts(self) -> list[str]:
        """What there are scores of: "base" and "plus", or "passed"."""
        both = any(one.grade.plus is not None for one in self.graded)
        return ["base", "plus"] if both else ["passed"]

    def score(self, part: str, k: int) -> Estimate:
        """pass@k over the answered tasks, as published."""
        return pass_at_k(passes_of(self.graded, part), k)

    def corrected(self, part: str, k: int) -> Estimate | None:
        """pass@k without the answered tasks whose data are wrong. None where there are none, or no others."""
        passes = passes_of(self.graded, part)
        right = {task: passed for task, passed in passes.items() if task not in self.defective}
        return pass_at_k(right, k) if 0 < len(right) < len(passes) else None


def rows_of(result: Result) -> list[dict[str, Any]]:
    """A row an answer, as `--results` has them."""
    rows = []
    for one in result.graded:
        answer, grade = one.answer, one.grade
        row: dict[str, Any] = {
            "task_id": answer.task if answer.given_id is None else answer.given_id,
            "sample": answer.sample,
            "passed": grade.passed,
        }
        if grade.plus is not None:
            row |= {"base": grade.base, "plus": grade.plus}
        row |= {"status": grade.status, "reason": grade.reason}
        if grade.scores is not None:
            row |= dict(grade.scores)
        rows.append(row | {"benchmark": result.benchmark, "revision": result.revision, "model": result.made.model})
    return rows


def write_results(file: Path, results: Sequence[Result]) -> None:
    """All rows of all results, as JSON lines. Raises StoreError where the file can't be written."""
    try:
        with file.open("w", encoding="utf-8") as out:
            for result in results:
                out.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows_of(result))
    except OSError as error:
        raise StoreError(f"--results {file} can't be written ({error.strerror}); give another path") from error


def write_eval_results(file: Path, results: Sequence[Result], ks: Sequence[int]) -> None:
    """Scores as `python -m sca_hf.versions card --results` takes them. Raises StoreError."""
    found = [
        {name: value for name, value in vars(one).items() if value is not None}
        for result in results
        for one in eval_results(result, ks)
    ]
    try:
        file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise StoreError(f"--card {file} can't be written ({error.strerror}); give another path") from error


def summary(result: Result, ks: Sequence[int]) -> list[str]:
    """Lines for a terminal: scores with their intervals."""
    answered = {one.answer.task for one in result.graded}
    title = f"{result.made.model} on {result.benchmark} (data {result.revision}"
    title += f", prompt {result.made.prompt}" if result.made.prompt else ""
    title += f", {result.made.engine}" if result.made.engine else ""
    lines = [f"{title}), {len(answered)} of {counted(result.tasks, 'task')}, {counted(len(result.graded), 'answer')}"]
    for part in result.parts():
        for k in ks:
            name = "" if part == "passed" else f"{part} "
            lines.append(f"  {name}pass@{k} {result.score(part, k).percent()}")
            if corrected := result.corrected(part, k):
                lines[-1] += f"; {corrected.percent()} without tasks whose data are wrong"
    lines += [f"  {name} {100 * value:.1f}" for name, value in result.summed.items()]
    lines += [f"  {task}: {why}" for task, why in result.defective.items() if task in answered]
    return lines


def comparison(one: Result, other: Result, k: int = 1) -> list[str]:
    """Lines: paired differences, and what the two were not alike in."""
    lines = []
    for part in one.parts():
        difference = paired_difference(passes_of(one.graded, part), passes_of(other.graded, part), k)
        name = "" if part == "passed" else f"{part} "
        lines.append(
            f"  {name}pass@{k}: {one.made.model} - {other.made.model} = {difference.percent()} on the same "
            f"{counted(difference.tasks, 'task')}"
        )
    ours_speed, theirs_speed = _speeds(one), _speeds(other)
    if ours_speed.keys() & theirs_speed.keys():
        lines.append(f"  win rate of {one.made.model} in speed: {100 * win_rate(ours_speed, theirs_speed):.1f}")
    for what, ours, theirs in (
        ("data", one.revision, other.revision),
        ("prompt", one.made.prompt, other.made.prompt),
        ("engine", one.made.engine, other.made.engine),
    ):
        if ours != theirs:
            lines.append(f"  not alike: {what} {ours or 'unknown'!r} and {theirs or 'unknown'!r}")
    return lines


def _speeds(result: Result) -> dict[str, float]:
    """EvalPerf's mean score of each task that was measured."""
    of_task: dict[str, list[float]] = defaultdict(list)
    for one in result.graded:
        if one.grade.scores is not None and "dps" in one.grade.scores:
            of_task[one.answer.task].append(one.grade.scores["dps"])
    return {task: fmean(scores) for task, scores in of_task.items()}


def eval_results(result: Result, ks: Sequence[int] = (1,)) -> list[EvalResult]:
    """For a model card's model-index."""
    found = []
    for part in result.parts():
        plain = part == "base" and result.benchmark.partition("@")[0].endswith("+")
        name = result.benchmark.replace("+", "") if plain else result.benchmark
        for k in ks:
            score = result.score(part, k)
            found.append(
                EvalResult(
                    task_type="text-generation",
                    dataset_type=name.replace("+", "plus").partition("@")[0],
                    dataset_name=name,
                    dataset_revision=result.revision,
                    metric_type="pass@k",
                    metric_name=f"pass@{k}",
                    metric_value=round(score.value, 4),
                    metric_args={
                        "k": k,
                        "low": round(score.low, 4),
                        "high": round(score.high, 4),
                        "tasks": score.tasks,
                        "prompt": result.made.prompt,
                        "engine": result.made.engine,
                    },
                )
            )
    return found
