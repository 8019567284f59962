"""When EvoEval (version 0.1.0, `evoeval/eval_test`) takes a returned value for the expected one.

Values are compared by type first: an int is no float, a bool no int. What holds floats alone, an empty list or tuple
included, is compared by numpy's `allclose`, which broadcasts: [1.0] equals [1.0, 1.0]. Six tasks have an oracle.
"""

import math
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numpy as np

_ATOL = 1e-6
_MOVES = {"right": (0, 1), "left": (0, -1), "up": (-1, 0), "down": (1, 0)}


def first_wrong(dataset: str, task: str, cases: Iterable[tuple[Any, Any, Any]]) -> tuple[int, str] | None:
    """Index of the first of (inputs, expected, returned) that doesn't hold, and why; None where all do.

    `dataset`: "difficult" and so on. `inputs`: their values, where `has_oracle`.
    """
    oracle = _ORACLES.get((dataset, task))
    for index, (inputs, expected, returned) in enumerate(cases):
        try:
            held = is_equal(expected, returned) if oracle is None else oracle(inputs, expected, returned)
        except Exception as reason:  # comparing what an answer returned can fail in any way
            return index, f"can't be compared: {type(reason).__name__}"
        if not held:
            return index, "wrong value"
    return None


def has_oracle(dataset: str, task: str) -> bool:
    """Whether its rule looks at the inputs."""
    return (dataset, task) in _ORACLES


def is_equal(expected: Any, returned: Any) -> bool:
    """EvoEval's equality by type."""
    kind = _kind(expected)
    if kind != _kind(returned):
        return False
    if kind == "float":
        return bool(np.allclose(expected, returned, equal_nan=True, atol=_ATOL))
    if kind in ("list", "tuple"):
        return len(expected) == len(returned) and all(map(is_equal, expected, returned))
    if kind == "dict":
        return len(expected) == len(returned) and all(
            key in returned and is_equal(value, returned[key]) for key, value in expected.items()
        )
    return bool(expected == returned)


def _kind(value: Any) -> str:
    if value is None:
        return "none"
    plain: tuple[type, ...] = (bool, int, str)
    others: tuple[type, ...] = (tuple, list, dict, set, type)
    for kind in plain:
        if isinstance(value, kind):
            return kind.__name__
    if _is_floats(value):
        return "float"
    return next((kind.__name__ for kind in others if isinstance(value, kind)), "other")


def _is_floats(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(isinstance(part, float) for part in value)
    return isinstance(value, float) or (isinstance(value, np.ndarray) and value.dtype in (np.float64, np.float32))


def _never(inputs: Any, expected: Any, returned: Any) -> bool:
    # The published oracle has its arguments swapped, and raises for every number.
    return False


def _palindrome(inputs: Any, expected: Any, returned: Any) -> bool:
    lower = returned.lower()
    return len(returned) == len(expected) and returned.startswith(inputs[0]) and lower == lower[::-1]


def _root_between(inputs: Any, expected: Any, returned: Any) -> bool:
    coefficients, (start, end) = inputs
    if expected is None:
        return returned is None
    return start <= returned <= end and abs(_polynomial(coefficients, returned)) <= 2e-2


def _root_of_even(inputs: Any, expected: Any, returned: Any) -> bool:
    first, second, *others = inputs[0]
    coefficients = [first, second, *(part for other in others for part in (0, other))]
    return abs(_polynomial(coefficients, returned)) <= _ATOL


def _maze(inputs: Any, expected: Any, returned: Any) -> bool:
    maze, position, end = inputs
    if not expected:
        return bool(returned == [])
    for move in returned:
        position = position[0] + _MOVES[move][0], position[1] + _MOVES[move][1]
        if maze[position[0]][position[1]] == 1:
            return False
    return bool(position == end)


def _path(inputs: Any, expected: Any, returned: Any) -> bool:
    maze, start, end = inputs
    if not expected:
        return bool(returned == [])
    # The published oracle looks at this cell and not at the start.
    if returned[0] != start or returned[-1] != end or maze[start[0]][start[0]] == 0:
        return False
    for (x, y), (next_x, next_y) in pairwise(returned):
        if maze[next_x][next_y] == 0 or abs(next_x - x) + abs(next_y - y) != 1:
            return False
    return True


def _product(inputs: Any, expected: Any, returned: Any) -> bool:
    numbers, target = inputs
    if expected == "No magic today":
        return bool(returned == expected)
    if not isinstance(returned, tuple):
        return False
    first, second = returned
    return bool(0 <= first < second < len(numbers) and numbers[first] * numbers[second] == target)


def _polynomial(coefficients: list[float], x: float) -> float:
    return sum(coefficient * math.pow(x, power) for power, coefficient in enumerate(coefficients))


_ORACLES = {
    ("verbose", "HumanEval/32"): _never,
    ("concise", "HumanEval/32"): _never,
    ("difficult", "EvoEval/10"): _palindrome,
    ("difficult", "EvoEval/32"): _root_between,
    ("creative", "EvoEval/26"): _maze,
    ("creative", "EvoEval/30"): _path,
    ("creative", "EvoEval/69"): _product,
    ("subtle", "EvoEval/32"): _root_of_even,
}
