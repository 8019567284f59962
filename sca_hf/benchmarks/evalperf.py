"""EvalPerf (Liu et al. 2024): how fast correct answers are, against references from slow to fast.

118 tasks of HumanEval+ and MBPP+; 100 samples, T 1.0, top-p 0.95. A task counts with at least 10 correct answers, of
which the first 20 are measured: from the fastest reference j down, the first whose cost is at least the answer's gives
DPS = scores[j] and DPS_norm = 100 (j + 1) / n; an answer slower than all, or one that fails, gets 0. A task's score is
the mean of its answers', a model's that of its tasks. Win rate: over the tasks that two models
share, ties half.

Published costs are CPU instructions, which not every kernel counts. What they were measured by, `Clock`, is part of a
result: scores by different clocks are not comparable.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from sca_hf.errors import InputError

Clock = Literal["cpu-instructions", "least-cpu-seconds"]
MIN_CORRECT, MOST_MEASURED = 10, 20


@dataclass(frozen=True)
class Speed:
    """`dps`, `dps_norm`: 0 to 100. `matching`: index of the reference that was matched, -1 for none."""

    dps: float
    dps_norm: float
    matching: int


@dataclass(frozen=True)
class ModelSpeed:
    """Means over `tasks`, those that count."""

    dps: float
    dps_norm: float
    tasks: int
    clock: Clock


def speed_of(cost: float | None, reference_costs: Sequence[float], scores: Sequence[float]) -> Speed:
    """One answer's. `cost`: None where it failed. `reference_costs`, `scores`: from the slowest to the fastest.

    Raises InputError where the two are not of one length, or there is none.
    """
    if len(reference_costs) != len(scores) or not scores:
        raise InputError(f"{len(scores)} scores of {len(reference_costs)} references: give one of each")
    if cost is not None:
        for index in range(len(scores) - 1, -1, -1):
            if cost <= reference_costs[index]:
                return speed_of_match(index, scores)
    return Speed(0.0, 0.0, -1)


def speed_of_match(matching: int, scores: Sequence[float]) -> Speed:
    """Of an answer that matches reference `matching`, or none: -1."""
    if matching < 0:
        return Speed(0.0, 0.0, -1)
    return Speed(scores[matching], 100 * (matching + 1) / len(scores), matching)


def model_speed(answers: Mapping[str, Sequence[Speed]], correct: Mapping[str, int], clock: Clock) -> ModelSpeed:
    """A model's. `answers`: of each task those measured; `correct`: how many passed.

    Raises InputError where no task counts.
    """
    counted = [task for task in answers if correct[task] >= MIN_CORRECT and answers[task]]
    if not counted:
        raise InputError(f"no task has {MIN_CORRECT} correct answers; draw more")
    of_tasks = [answers[task][:MOST_MEASURED] for task in counted]
    return ModelSpeed(
        fmean(fmean(speed.dps for speed in of_task) for of_task in of_tasks),
        fmean(fmean(speed.dps_norm for speed in of_task) for of_task in of_tasks),
        len(counted),
        clock,
    )


def win_rate(ours: Mapping[str, float], theirs: Mapping[str, float]) -> float:
    """The share of shared tasks where our score is higher, ties half. Raises InputError where none is shared."""
    shared = ours.keys() & theirs.keys()
    if not shared:
        raise InputError("the two models share no task; measure more")
    return fmean(1.0 if ours[task] > theirs[task] else 0.5 if ours[task] == theirs[task] else 0.0 for task in shared)
