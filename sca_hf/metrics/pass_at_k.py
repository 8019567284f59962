"""pass@k: the chance that one of k answers passes, estimated without bias (Chen et al. 2021, section 2.1).

    score = pass_at_k({"HumanEval/0": [True, False], "HumanEval/1": [True, True]}, k=1)
    print(score.value, score.low, score.high)

A benchmark's tasks are a sample of the tasks that could have been asked, so intervals are over tasks: the mean's
standard error among tasks, and for scores that are all-or-nothing the Wilson interval, which holds near 0 and 1 too.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sca_hf.errors import InputError
from sca_hf.wording import counted

Passes = Mapping[str, Sequence[bool]]
"""Of each task: whether each of its answers passed."""

Z95 = 1.959963984540054
"""Of the normal distribution, 95 % lie within so many standard deviations."""


@dataclass(frozen=True)
class Estimate:
    """A mean over `tasks` tasks with its 95 % interval."""

    value: float
    low: float
    high: float
    tasks: int

    def percent(self) -> str:
        """For a table: "61.6 [53.9, 68.7]"."""
        return f"{100 * self.value:.1f} [{100 * self.low:.1f}, {100 * self.high:.1f}]"


def estimate(answers: int, passes: int, k: int) -> float:
    """The unbiased estimate of one task: 1 - C(n-c, k) / C(n, k).

    Raises InputError where n < k: k answers can't be drawn from fewer.
    """
    if k < 1:
        raise InputError(f"k must be at least 1, got {k}")
    if not 0 <= passes <= answers:
        raise InputError(f"{passes} of {counted(answers, 'answer')} passed: must lie between 0 and {answers}")
    if answers < k:
        raise InputError(
            f"pass@{k} needs at least {counted(k, 'answer')} a task, got {answers}; draw more, or give a smaller k"
        )
    if answers - passes < k:
        return 1.0
    # A product of factors below 1, as the binomials overflow.
    return 1.0 - math.prod(1.0 - k / n for n in range(answers - passes + 1, answers + 1))


def pass_at_k(passes: Passes, k: int) -> Estimate:
    """The mean over tasks. Raises InputError where a task has fewer than k answers, or there is no task."""
    scores = []
    for task, passed in passes.items():
        try:
            scores.append(estimate(len(passed), sum(map(bool, passed)), k))
        except InputError as error:
            raise InputError(f"task {task!r}: {error}") from None
    if not scores:
        raise InputError(f"pass@{k} of no task: no answer was graded")
    return mean_over_tasks(scores)


def mean_over_tasks(scores: Sequence[float]) -> Estimate:
    """The mean of scores between 0 and 1, one a task. Raises InputError where there is none."""
    if not scores:
        raise InputError("a mean needs at least one task, got none")
    count = len(scores)
    mean = math.fsum(scores) / count
    if all(score in (0.0, 1.0) for score in scores):
        return Estimate(mean, *_wilson(mean, count), count)
    half = _half_width(scores, mean)
    return Estimate(mean, max(0.0, mean - half), min(1.0, mean + half), count)


def paired_difference(ours: Passes, theirs: Passes, k: int = 1) -> Estimate:
    """`ours` minus `theirs` on the same tasks, with its interval: paired, so what tasks have in common drops out.

    Raises InputError where the tasks are not the same.
    """
    apart = sorted(set(ours) ^ set(theirs))
    if apart:
        raise InputError(f"in one of the two only: {counted(len(apart), 'task')}, {apart[0]!r} first; compare the same")
    if not ours:
        raise InputError("a difference needs at least one task, got none")
    differences = [
        estimate(len(ours[task]), sum(map(bool, ours[task])), k)
        - estimate(len(theirs[task]), sum(map(bool, theirs[task])), k)
        for task in ours
    ]
    mean = math.fsum(differences) / len(differences)
    half = _half_width(differences, mean)
    return Estimate(mean, max(-1.0, mean - half), min(1.0, mean + half), len(differences))


def _half_width(scores: Sequence[float], mean: float) -> float:
    if len(scores) < 2:
        return 1.0
    variance = math.fsum((score - mean) ** 2 for score in scores) / (len(scores) - 1)
    return Z95 * math.sqrt(variance / len(scores))


def _wilson(mean: float, count: int) -> tuple[float, float]:
    z2 = Z95 * Z95
    middle = (mean + z2 / (2 * count)) / (1 + z2 / count)
    half = Z95 / (1 + z2 / count) * math.sqrt(mean * (1 - mean) / count + z2 / (4 * count * count))
    return max(0.0, middle - half), min(1.0, middle + half)
