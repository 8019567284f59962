"""When evalplus takes a returned value for the expected one (version 0.3.1, `evalplus/eval`).

`==`; where that fails and a tolerance is due, numpy's `allclose` of values of the same type and length. A tolerance of
1e-6 is due from the first expected value on that is a float or a non-empty list or tuple of floats, to the last input.
Some tasks have a rule of their own.
"""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

_AS_SETS = frozenset(
    (
        *("similar_elements", "find_char_long", "common_in_nested_lists", "extract_singly"),
        *("larg_nnum", "intersection_array", "find_dissimilar", "Diff"),
    )
)
# Of these only matters whether they return something.
_NOT_NONE = frozenset(("check_str", "text_match_three", "text_starta_endb"))
_FLOAT_ATOL = 1e-6
_RTOL = 1e-7


def first_wrong(
    dataset: str, entry: str, atol: float, cases: Iterable[tuple[list[Any], Any, Any]]
) -> tuple[int, str] | None:
    """Index of the first of (inputs, expected, returned) that doesn't hold, and why; None where all do.

    `dataset`: "humaneval" or "mbpp".
    """
    for index, (inputs, expected, returned) in enumerate(cases):
        try:
            held, atol = _holds(dataset, entry, atol, inputs, expected, returned)
        except Exception as reason:  # comparing what an answer returned can fail in any way
            return index, f"can't be compared: {type(reason).__name__}"
        if not held:
            return index, "wrong value"
    return None


def _holds(
    dataset: str, entry: str, atol: float, inputs: list[Any], expected: Any, returned: Any
) -> tuple[bool, float]:
    if dataset == "humaneval" and entry == "find_zero":
        return abs(_polynomial(inputs[0], returned)) <= atol, atol
    exact = returned == expected
    if dataset == "mbpp":
        exact = _by_own_rule(entry, atol, inputs, expected, returned, exact)
    if atol == 0 and _is_floats(expected):
        atol = _FLOAT_ATOL
    if exact or atol == 0:
        return bool(exact), atol
    if type(returned) is not type(expected):
        return False, atol
    if isinstance(expected, list | tuple) and len(returned) != len(expected):
        return False, atol
    return bool(np.allclose(returned, expected, rtol=_RTOL, atol=atol)), atol


def _by_own_rule(entry: str, atol: float, inputs: list[Any], expected: Any, returned: Any, exact: Any) -> Any:
    if entry == "are_equivalent":
        return True
    if entry == "sum_div":
        return exact or returned == 0
    if entry == "surface_Area":
        return exact or abs(returned - _surface(*inputs)) <= atol
    if entry == "digit_distance_nums":
        return exact or returned == _digit_distance(*inputs)
    if entry in _AS_SETS:
        return set(returned) == set(expected)
    if entry in _NOT_NONE:
        something = expected is not None
        return returned == something if isinstance(returned, bool) else (returned is not None) == something
    return exact


def _is_floats(value: Any) -> bool:
    if isinstance(value, float):
        return True
    if isinstance(value, list | tuple) and value:
        return all(isinstance(part, float) for part in value)
    return isinstance(value, np.ndarray) and value.dtype in (np.float64, np.float32)


def _polynomial(coefficients: list[float], x: float) -> float:
    return sum(coefficient * math.pow(x, power) for power, coefficient in enumerate(coefficients))


def _surface(base: float, height: float) -> int:
    """Of a square pyramid, where `height` is its own and not that of a side."""
    return round(base**2 + 2 * base * math.sqrt((base / 2) ** 2 + height**2))


def _digit_distance(first: int, second: int) -> int:
    one, other = str(first), str(second)
    length = max(len(one), len(other))
    return sum(abs(int(a) - int(b)) for a, b in zip(one.zfill(length), other.zfill(length), strict=True))
