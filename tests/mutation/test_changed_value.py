"""A changed result is another one, of the same type and truth."""

import datetime as dt
import enum
from collections import Counter, OrderedDict, defaultdict, namedtuple
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from sca_hf.mutation.changed_value import sca_changed, sca_changed_value

Pair = namedtuple("Pair", "left right")


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


VALUES: list[Any] = [
    3,
    -1,
    0.5,
    2j,
    Decimal("1.5"),
    Fraction(1, 3),
    "a",
    b"a",
    [1],
    [[1], ["a"]],
    (1, "a"),
    Pair(1, 2),
    {1, 2},
    frozenset({"a"}),
    {"a": 1},
    Counter("aab"),
    OrderedDict(a=1),
    defaultdict(int, a=1),
    Colour.RED,
    dt.date(2024, 2, 28),
    dt.datetime(2024, 2, 28, 12, tzinfo=dt.UTC),
    dt.timedelta(seconds=1),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_another_value_of_the_same_type_and_truth(value: Any) -> None:
    other = sca_changed_value(value)
    assert other != value
    assert type(other) is type(value)
    assert bool(other) == bool(value)


@pytest.mark.parametrize("value", [0, 0.0, "", b"", [], (), {}, set(), None, Counter(), float("inf"), int, object()])
def test_a_value_without_another_one_is_left(value: Any) -> None:
    other = sca_changed_value(value)
    assert other == value
    assert type(other) is type(value)


def test_truths_arrays_and_what_comes_later() -> None:
    assert sca_changed_value(True) is False
    assert sca_changed_value(np.array([1, 2])).tolist() == [2, 3]
    assert list(sca_changed_value(iter([1, 2]))) == [2, 3]
    assert sca_changed_value(lambda x: x)(1) == 2


def test_what_it_holds_is_not_touched() -> None:
    value = {"a": [1, {2}]}
    sca_changed_value(value)
    assert value == {"a": [1, {2}]}
    endless: list[Any] = [1]
    endless.append(endless)
    assert sca_changed_value(endless)[0] == 2


def test_a_recursive_function_is_changed_once() -> None:
    @sca_changed
    def is_even(n: int) -> bool:
        return n == 0 or not is_even(n - 1)

    assert [is_even(n) for n in range(4)] == [False, True, False, True]
