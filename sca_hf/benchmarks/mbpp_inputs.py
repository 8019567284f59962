"""The types of MBPP+ inputs, which JSON lost: tuples, sets and complex numbers, by task.

The release file has lists everywhere; the tasks' published literals (OriginFmt) show what they were.
"""

from collections.abc import Callable
from typing import Any

Arguments = list[Any]


def restore(task: str, inputs: list[Arguments]) -> list[Arguments]:
    """The inputs of task "Mbpp/ID" with the types that its function takes."""
    number = int(task.rpartition("/")[2])
    for numbers, make in _SHAPES:
        if number in numbers:
            return [make(arguments) for arguments in inputs]
    return inputs


def _tuples(values: Any) -> list[Any]:
    return [tuple(value) for value in values]


def _first_is_tuples(arguments: Arguments) -> Arguments:
    return [_tuples(arguments[0]), arguments[1]]


def _first_is_tuple(arguments: Arguments) -> Arguments:
    return [tuple(arguments[0]), *arguments[1:]]


def _second_is_tuple(arguments: Arguments) -> Arguments:
    return [arguments[0], tuple(arguments[1])]


def _each_of_tuples(arguments: Arguments) -> Arguments:
    return [_tuples(argument) for argument in arguments]


def _tuple_of_tuples(arguments: Arguments) -> Arguments:
    return [tuple(_tuples(argument)) for argument in arguments]


def _sets(arguments: Arguments) -> Arguments:
    # An empty one is a dict in the published tests.
    return [[set(part) if isinstance(part, list) and part else {} for part in arguments[0]]]


def _tuple_of_some_tuples(arguments: Arguments) -> Arguments:
    return [tuple(tuple(part) if isinstance(part, list) else part for part in arguments[0])]


def _values_are_tuples(arguments: Arguments) -> Arguments:
    return [{key: tuple(value) for key, value in arguments[0].items()}, *arguments[1:]]


def _deep(value: Any) -> Any:
    return tuple(_deep(part) for part in value) if isinstance(value, list) else value


_SHAPES: tuple[tuple[frozenset[int], Callable[[Arguments], Arguments]], ...] = (
    (
        frozenset(
            (2, 116, 132, 143, 222, 261, 273, 394, 399, 421, 424, 429, 470, 560, 579, 596, 616, 630, 726, 740, 744, 809)
        ),
        _tuples,
    ),
    (frozenset((63, 64, 70, 94, 120, 237, 272, 299, 400, 409, 417, 438, 473, 614, 780)), _each_of_tuples),
    (frozenset((75, 413, 444, 753)), _first_is_tuples),
    (frozenset((106, 750)), _second_is_tuple),
    (frozenset((250, 307, 405, 446, 617, 720, 763, 808)), _first_is_tuple),
    (frozenset((259, 401, 445)), _tuple_of_tuples),
    (frozenset((580, 615, 791)), lambda arguments: [_deep(argument) for argument in arguments]),
    (frozenset((115,)), _sets),
    (frozenset((124,)), lambda arguments: [float(arguments[0]), complex(arguments[1])]),
    (frozenset((252,)), lambda arguments: [complex(arguments[0])]),
    (frozenset((278,)), _tuple_of_some_tuples),
    (frozenset((722,)), _values_are_tuples),
)
