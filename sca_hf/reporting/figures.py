"""What the report counts: passes by what was asked for, exceptions, lengths, and what each stage took."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np

from sca_hf.pipeline.resources import Answers
from sca_hf.reporting.runs import Run, Step

_BINS = 40
_MEASURED = {
    "cpu_seconds": ("CPU time of a program", "ms", 1000.0),
    "wall_seconds": ("wall time of a program", "ms", 1000.0),
    "memory_mb": ("memory of a program", "MiB", 1.0),
}
_TEXTS = {"seed": "seed", "instruction": "instruction", "response": "response", "tests": "tests"}
_GROUPS = {
    "category": "category",
    "difficulty": "difficulty",
    "language": "language",
    "concepts": "number of concepts",
    "sample": "sample index",
}
_ORDER = ("easy", "medium", "hard")


@dataclass(frozen=True)
class Rate:
    """`passed` of `total`; `low` and `high` bound the rate with 95 % confidence (Wilson's interval)."""

    label: str
    passed: int
    total: int

    @property
    def rate(self) -> float:
        """The share that passed, 0 to 1."""
        return self.passed / self.total if self.total else 0.0

    @property
    def low(self) -> float:
        """Lower bound of the rate."""
        return self._bounds()[0]

    @property
    def high(self) -> float:
        """Upper bound of the rate."""
        return self._bounds()[1]

    def _bounds(self) -> tuple[float, float]:
        if not self.total:
            return 0.0, 1.0
        z, n = 1.96, self.total
        middle = self.rate + z * z / (2 * n)
        spread = z * sqrt(self.rate * (1 - self.rate) / n + z * z / (4 * n * n))
        return max(0.0, (middle - spread) / (1 + z * z / n)), min(1.0, (middle + spread) / (1 + z * z / n))


@dataclass(frozen=True)
class Passes:
    """Verdicts of all executed attempts. `groups`: rates by title; `solved`: instructions by number of passes."""

    overall: Rate
    instructions: Rate
    statuses: Sequence[tuple[str, int]]
    exceptions: Sequence[tuple[str, int]]
    groups: Mapping[str, Sequence[Rate]]
    solved: Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Spread:
    """How a number is distributed: quantiles, and counts of values in equal steps from 0 to `top`."""

    label: str
    unit: str
    count: int
    quantiles: Mapping[str, float]
    top: float
    bins: Sequence[int]
    stage: str = ""


@dataclass(frozen=True)
class Cost:
    """What a stage took. `seconds` is None where the version doesn't say; `calls` are those of the model."""

    stage: str
    rows: int
    seconds: float | None
    starting: float
    calls: Answers
    programs: Answers
    prompt_tokens: int
    completion_tokens: int

    @property
    def whole_seconds(self) -> float:
        """What all its calls would take in one run, without loading the model: a resumed one made some of them only."""
        worked = (self.seconds or 0.0) - self.starting
        made, reused = self.calls.made, self.calls.reused
        return worked * (made + reused) / made if made else worked


def passes(run: Run) -> Passes | None:
    """Verdicts of a run's attempts; None where none were executed."""
    step = run.first_with("status")
    if step is None:
        return None
    statuses: Counter[str] = Counter()
    exceptions: Counter[str] = Counter()
    groups: dict[str, Counter[tuple[Any, bool]]] = {name: Counter() for name in _GROUPS}
    solved: Counter[str] = Counter()
    for batch in step.batches(["status", "exception", "instruction_id", *_GROUPS]):
        passed = [status == "passed" for status in batch["status"]]
        statuses.update(batch["status"])
        exceptions.update(name for name in batch.get("exception", ()) if name)
        for instruction, held in zip(batch.get("instruction_id", ()), passed, strict=False):
            solved[instruction] += held
        for name, counter in groups.items():
            values = batch.get(name, ())
            keys = map(len, values) if name == "concepts" else values
            counter.update(zip(keys, passed, strict=False))
    total = sum(statuses.values())
    return Passes(
        overall=Rate("all attempts", statuses["passed"], total),
        instructions=Rate("instructions", sum(map(bool, solved.values())), len(solved)),
        statuses=statuses.most_common(),
        exceptions=exceptions.most_common(12),
        groups={title: rates for name, title in _GROUPS.items() if len(rates := _rates(groups[name])) > 1},
        solved=sorted(Counter(solved.values()).items()),
    )


def spreads(run: Run) -> list[Spread]:
    """Lengths of what is in the rows, in words (code: lines), and what programs took."""
    found = []
    for column, label in _TEXTS.items():
        step = run.first_with(column)
        if step is not None:
            unit = "lines" if column in {"seed", "tests"} else "words"
            sizes = (_size(text, unit) for batch in step.batches([column]) for text in batch[column] if text)
            found.append(_spread(label, unit, sizes, step.stage))
    for step in run.steps:
        for column, (label, unit, factor) in _MEASURED.items():
            if step.has(column, folder="measurements"):
                values = (value for batch in step.batches([column], "measurements") for value in batch[column])
                found.append(_spread(label, unit, (factor * value for value in values if value), step.stage))
    return [spread for spread in found if spread.count]


def costs(run: Run) -> list[Cost]:
    """What each stage took, first to last."""
    return [cost(step) for step in run.steps]


def cost(step: Step) -> Cost:
    """What a stage took."""
    timings, tokens = step.timings, step.lineage.tokens
    return Cost(
        stage=step.stage,
        rows=step.counts["judged"],
        seconds=timings.get("seconds"),
        starting=timings.get("starting", 0.0),
        calls=Answers(**timings.get("calls", {})),
        programs=Answers(**timings.get("programs", {})),
        prompt_tokens=tokens.prompt,
        completion_tokens=tokens.completion,
    )


def _rates(counter: Counter[tuple[Any, bool]]) -> list[Rate]:
    values = {value for value, _ in counter if value is not None}
    ordered = sorted(values, key=lambda value: (_ORDER.index(value) if value in _ORDER else -1, value))
    return [Rate(str(value), counter[value, True], counter[value, True] + counter[value, False]) for value in ordered]


def _size(text: str, unit: str) -> int:
    return text.count("\n") + 1 if unit == "lines" else len(text.split())


def _spread(label: str, unit: str, sizes: Iterable[float], stage: str) -> Spread:
    """The top of the picture is the 99th percentile: a single giant would leave the rest one bar."""
    values = np.fromiter(sizes, dtype=np.float32)
    if not len(values):
        return Spread(label, unit, 0, {}, 0.0, (), stage)
    points = {"5 %": 5, "median": 50, "95 %": 95, "most": 100}
    quantiles = {name: float(np.percentile(values, point)) for name, point in points.items()}
    top = float(np.percentile(values, 99)) or 1.0
    bins, _ = np.histogram(np.clip(values, 0, top), bins=_BINS, range=(0, top))
    return Spread(label, unit, len(values), quantiles, top, bins.tolist(), stage)
