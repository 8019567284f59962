"""The landscape of concepts: those that come up together lie together, each as large as it is frequent."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np

from sca_hf.reporting.figures import Rate
from sca_hf.reporting.runs import Run

WIDTH, HEIGHT = 1000.0, 560.0
_SHOWN = 70
_COVERED = 0.58  # of the picture, by all circles together
_STEPS = 600
_GRAVITY = np.array([0.003, 0.045])  # the picture is wider than high
_GAP = 3.0
_DOUBT = 30.0  # attempts at the average rate that are added to those of each concept


@dataclass(frozen=True)
class Circle:
    """A concept at a place of the picture. `tasks`: how many have it; `rate`: of the attempts at those.

    `lean`: whether fewer (to -1) or more (to 1) of them pass than on average.
    """

    label: str
    tasks: int
    rate: Rate | None
    x: float
    y: float
    radius: float
    lean: float

    @cached_property
    def text(self) -> tuple[int, list[str]]:
        """The label as it fits into the circle: size of its letters in pixels, and its lines; none if none fits."""
        for size in (15, 13, 11, 10, 9):
            lines = _wrapped(self.label, int(self.radius * 1.8 / (0.58 * size)))
            if lines and len(lines) * size * 1.1 <= 1.6 * self.radius:
                return size, lines
        return 9, []


@dataclass(frozen=True)
class Landscape:
    """The most frequent concepts, largest first; `distinct`: how many there are in all, over `tasks`."""

    circles: tuple[Circle, ...]
    distinct: int
    tasks: int


def landscape(run: Run) -> Landscape | None:
    """The concepts of a run's tasks; None where it has none."""
    tasks: Counter[str] = Counter()
    together: Counter[tuple[str, str]] = Counter()
    attempts: Counter[tuple[str, bool]] = Counter()
    count = 0
    for concepts, verdicts in _tasks(run):
        count += 1
        tasks.update(concepts)
        together.update(combinations(concepts, 2))
        for held in verdicts:
            attempts.update((concept, held) for concept in concepts)
    if not tasks:
        return None
    names = [name for name, _ in sorted(tasks.items(), key=lambda pair: (-pair[1], pair[0]))[:_SHOWN]]
    sizes = np.array([tasks[name] for name in names], dtype=float)
    radii = np.sqrt(sizes * WIDTH * HEIGHT * _COVERED / sizes.sum() / np.pi)
    radii = np.clip(radii, 9.0, HEIGHT / 6)
    places = _places(_bonds(names, sizes, together), radii)
    leans = _leans(names, attempts)
    circles = []
    for name, radius, lean, (x, y) in zip(names, radii, leans, places, strict=True):
        passed, failed = attempts[name, True], attempts[name, False]
        rate = Rate(name, passed, passed + failed) if passed + failed else None
        circles.append(Circle(name, tasks[name], rate, float(x), float(y), float(radius), float(lean)))
    return Landscape(tuple(circles), len(tasks), count)


def _tasks(run: Run) -> Iterator[tuple[list[str], list[bool]]]:
    """Concepts of each task, sorted, and whether each attempt at it passed. A task's attempts follow one another."""
    step = run.first_with("status", "concepts", "instruction_id") or run.first_with("concepts")
    if step is None:
        return
    current: Any = None
    concepts: list[str] = []
    verdicts: list[bool] = []
    for batch in step.batches(["id", "instruction_id", "concepts", "status"]):
        tasks = batch["instruction_id"] if "instruction_id" in batch and "status" in batch else batch["id"]
        for number, task in enumerate(tasks):
            if task != current and current is not None:
                yield concepts, verdicts
            if task != current:
                current, verdicts = task, []
                concepts = sorted(
                    {concept.strip().lower() for concept in batch["concepts"][number] or () if concept.strip()}
                )
            if "status" in batch:
                verdicts.append(batch["status"][number] == "passed")
    if current is not None:
        yield concepts, verdicts


def _bonds(names: list[str], sizes: Any, together: Counter[tuple[str, str]]) -> Any:
    """How much each two concepts belong together: how often they meet, beside how often they would by chance."""
    numbers = {name: number for number, name in enumerate(names)}
    bonds = np.zeros((len(names), len(names)))
    for (one, other), count in together.items():
        if one in numbers and other in numbers:
            row, column = numbers[one], numbers[other]
            bonds[row, column] = bonds[column, row] = count
    expected = np.outer(sizes, sizes) / sizes.sum()
    bonds = np.log1p(bonds / expected) * np.sqrt(np.minimum(bonds, 25))
    return bonds / (bonds.max() or 1.0)


def _leans(names: list[str], attempts: Counter[tuple[str, bool]]) -> Any:
    """From -1 to 1. A concept of few attempts is drawn to the average: what it has beside that is mostly chance."""
    passed = np.array([attempts[name, True] for name in names], dtype=float)
    total = passed + np.array([attempts[name, False] for name in names])
    average = passed.sum() / (total.sum() or 1.0)
    leans = (passed + _DOUBT * average) / (total + _DOUBT) - average
    return leans / (np.abs(leans).max() or 1.0)


def _places(bonds: Any, radii: Any) -> Any:
    """Centers of the circles, by springs: bonds pull, circles push one another away, all are drawn to the middle."""
    count = len(radii)
    angles = np.arange(count) * np.pi * (3 - np.sqrt(5))  # a sunflower: even, and the same every time
    flat = np.array([1.0, HEIGHT / WIDTH])
    places = np.stack([np.cos(angles), np.sin(angles)], 1) * np.sqrt(np.arange(count) + 0.5)[:, None] * 75 * flat
    apart = radii[:, None] + radii[None, :] + _GAP
    yields = radii[None, :] ** 2 / (radii[:, None] ** 2 + radii[None, :] ** 2)  # the smaller makes way
    for step in range(_STEPS):
        heat = max(0.0, 1 - step / (0.8 * _STEPS))  # in the end circles only push
        between = places[None, :, :] - places[:, None, :]
        distance = np.sqrt((between**2).sum(2)) + 1e-6
        direction = between / distance[:, :, None]
        pull = bonds * np.maximum(distance - apart, 0) * 0.05 * heat
        push = np.maximum(apart - distance, 0) * 0.7
        np.fill_diagonal(push, 0)
        moves = ((pull - push) * yields)[:, :, None] * direction
        places = places + moves.sum(1) - places * _GRAVITY * heat
    low, high = (places - radii[:, None]).min(0), (places + radii[:, None]).max(0)
    scale = min(1.0, *((np.array([WIDTH, HEIGHT]) - 8) / (high - low)))
    radii *= scale
    return (places - (low + high) / 2) * scale + np.array([WIDTH, HEIGHT]) / 2


def _wrapped(label: str, width: int) -> list[str]:
    """The words of the label in lines of at most `width` characters; none if a word is longer."""
    words = label.split()
    if max(map(len, words)) > width:
        return []
    lines: list[str] = []
    for word in words:
        if lines and len(lines[-1]) + 1 + len(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines
