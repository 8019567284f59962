"""A function whose result is another one of the same type and truth. The text of this file runs in jails, before a
response: it needs nothing but the standard library, and its names are not a response's."""

import copy
import datetime as dt
import enum
import functools
import inspect
import numbers
import os
import types
from collections.abc import Callable, Iterator
from typing import Any

_DEPTH = 4  # of values in values


def sca_changed(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function` with its result changed, but not that of the calls that it makes of itself."""
    return _wrapped(function, sca_changed_value)


def sca_ends_where_changed(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function`, which ends the program where `sca_changed` would change something."""

    def ended(value: Any) -> Any:
        later = _later(value, ended)
        if later is not None:
            return later
        other = sca_changed_value(value)
        try:
            is_same = other is value or bool(other == value)
        except Exception:  # of an array, or of an object that can't be compared
            is_same = False
        if not is_same:
            os._exit(1)
        return value

    return _wrapped(function, ended)


def sca_changed_value(value: Any, depth: int = _DEPTH) -> Any:
    """Return another value of the same type and truth; where none is known, the value itself."""
    kind = type(value)
    if not depth or value is None or isinstance(value, type):
        return value
    deeper = functools.partial(sca_changed_value, depth=depth - 1)
    if kind is bool:
        return not value
    if isinstance(value, enum.Enum):
        return next((member for member in kind if member is not value), value)
    if isinstance(value, complex):
        return value * 2
    if isinstance(value, numbers.Number):
        number: Any = value  # what numbers can do, their base class doesn't say
        return number and number + (1 if number > 0 else -1)
    if kind is str:
        return "".join(f"{character}~" for character in value)
    if kind is bytes:
        return bytes(byte ^ 1 for byte in value)
    if kind is list:
        return [deeper(each) for each in [*value, *value[-1:]]]
    if isinstance(value, tuple):
        values = map(deeper, value)
        return tuple(values) if kind is tuple else kind(*values)
    if isinstance(value, set | frozenset):
        return kind(map(deeper, value))
    if isinstance(value, dict):
        other = copy.copy(value)
        other.clear()
        other.update({deeper(key): deeper(each) for key, each in value.items()})
        return other
    if isinstance(value, dt.date):
        return value + dt.timedelta(days=1)
    if isinstance(value, dt.timedelta):
        return value and value * 2
    later = _later(value, deeper)
    return _other_object(value, deeper) if later is None else later


def _wrapped(function: Callable[..., Any], change: Callable[[Any], Any]) -> Callable[..., Any]:
    depth = 0

    @functools.wraps(function)
    def wrapped(*arguments: Any, **named: Any) -> Any:
        nonlocal depth
        depth += 1
        try:
            result = function(*arguments, **named)
        finally:
            depth -= 1
        return result if depth else change(result)

    return wrapped


def _later(value: Any, change: Callable[[Any], Any]) -> Any:
    """What gives its results later, with these changed; None for anything else."""
    if isinstance(value, types.FunctionType | types.MethodType | functools.partial):
        return _wrapped(value, change)
    if inspect.iscoroutine(value):
        return _awaited(value, change)
    return map(change, value) if isinstance(value, Iterator) else None


async def _awaited(coroutine: Any, change: Callable[[Any], Any]) -> Any:
    return change(await coroutine)


def _other_object(value: Any, deeper: Callable[[Any], Any]) -> Any:
    """An object of the program's with other attributes; of an array, other elements."""
    try:
        if hasattr(value, "dtype"):
            return value + 1
        if type(value).__module__ != __name__:
            return value
        other = copy.copy(value)
        attributes = vars(other)
        attributes.update({name: deeper(each) for name, each in attributes.items()})
    except Exception:  # what the program's classes do when they are copied is theirs
        return value
    return other if attributes else value
