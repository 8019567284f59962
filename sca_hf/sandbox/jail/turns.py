"""Values of a loop's variables over all its turns: what arithmetic and comparisons on them come to.

A value is a plain one, which is the same in every turn, or a `Line` or `Some`. Whatever could raise in some turn, run
code of a program, or come out one way in one turn and otherwise in another is `Unsure`.
"""

import operator
from collections.abc import Callable
from types import GetSetDescriptorType
from typing import Any, NamedTuple

NUMBERS = (int, float, bool)
SIZED = (str, bytes, list, tuple, dict, set, frozenset, range)
_HOOKS = frozenset(("__getattribute__", "__getattr__"))
_TRUTH = frozenset(("__bool__", "__len__"))
_MADE_IN_PYTHON = 1 << 9
_PLAIN = (*NUMBERS, str, bytes, type(None))

# More would take long to work out.
_BITS = 4096
_LOOKED_THROUGH = 1000
# An int that is multiplied by no more in a turn takes hours to fill a memory of 64 MiB, and one that adds far longer.
_FACTOR_BITS = 64


# Past what a metaclass may say instead.
_FLAGS_OF, _ORDER_OF, _DICT_OF = (type.__dict__[name].__get__ for name in ("__flags__", "__mro__", "__dict__"))


class Unsure(Exception):
    """No proof that the loop is endless."""


class Line(NamedTuple):
    """An int: `base + n * step` in turn n, for every n from 0 on. `step` isn't 0."""

    base: int
    step: int


class Some(NamedTuple):
    """Any value of exactly this type, which is int or float."""

    kind: type


def claim(first: Any, second: Any, third: Any) -> Any:
    """What may hold for every turn from the first on, by the values in three."""
    if is_same(first, second) and is_same(second, third):
        return first
    kinds = {type(first), type(second), type(third)}
    if kinds == {int} and second - first == third - second:
        return Line(first, second - first)
    if kinds in ({int}, {float}):
        return Some(kinds.pop())
    raise Unsure


def holds(claimed: Any, value: Any) -> bool:
    """Whether a claim on the turns from the last on holds for a value that comes next."""
    if type(claimed) is Line:
        return type(value) is Line and value == Line(claimed.base + claimed.step, claimed.step)
    if type(claimed) is Some:
        return _kind(value) is claimed.kind
    return is_same(claimed, value)


def is_same(left: Any, right: Any) -> bool:
    if type(left) is not type(right):
        return False
    if type(left) is float:
        # Zeros have signs, and NaN isn't equal to itself.
        return bool(left.hex() == right.hex())
    if type(left) is tuple and is_simple(left) and is_simple(right):
        return len(left) == len(right) and all(map(is_same, left, right))
    return left is right or (type(left) in _PLAIN and bool(left == right))


def is_simple(value: Any) -> bool:
    """Whether it is made of built-in scalars only, so that nothing on it runs code of a program."""
    if type(value) is tuple:
        return len(value) <= _LOOKED_THROUGH and all(map(is_simple, value))
    return type(value) in _PLAIN


def is_readable(container: Any) -> bool:
    """Whether looking for something in it compares with built-in scalars only, and is quick."""
    return type(container) in SIZED and len(container) <= _LOOKED_THROUGH and all(map(is_simple, container))


def tried(function: Callable[..., Any], *values: Any) -> Any:
    try:
        return function(*values)
    except Exception:
        raise Unsure from None


def truth(value: Any) -> bool:
    if type(value) is Line:
        return compared("ne", value, 0)
    if type(value) in _PLAIN or type(value) in SIZED:
        return bool(value)
    if _defines(type(value), _TRUTH):
        raise Unsure
    return True


def compared(relation: str, left: Any, right: Any) -> bool:
    """`relation`: a function of `operator`."""
    kinds = _kind(left), _kind(right)
    if Some in (type(left), type(right)):
        raise Unsure
    if Line in (type(left), type(right)):
        if not all(kind in (int, bool) for kind in kinds):
            raise Unsure
        return _for_all_turns(relation, *_difference(left, right))
    ordered = all(kind in NUMBERS for kind in kinds) or kinds in ((str, str), (bytes, bytes))
    if ordered or (relation in ("eq", "ne") and is_simple(left) and is_simple(right)):
        return bool(tried(getattr(operator, relation), left, right))
    raise Unsure


def calculated(operation: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    """`operation`: a function of `operator` with two operands."""
    kinds = _kind(left), _kind(right)
    if not all(kind in NUMBERS for kind in kinds):
        raise Unsure
    if not {Line, Some} & {type(left), type(right)}:
        return _exactly(operation, left, right)
    on_line = _on_line(operation, left, right)
    return on_line if on_line is not None else _roughly(operation, left, right)


def negated(value: Any) -> Any:
    if type(value) is Line:
        return Line(-value.base, -value.step)
    if type(value) is Some:
        return value
    if type(value) not in NUMBERS:
        raise Unsure
    return -value


def attribute(owner: Any, name: str) -> Any:
    """What lies in an object under this name, where looking it up runs no code."""
    if _defines(type(owner), _HOOKS | {name}):
        raise Unsure
    own = tried(object.__getattribute__, owner, "__dict__")
    if type(own) is not dict or name not in own:
        raise Unsure
    return own[name]


def _defines(kind: type, names: frozenset[str]) -> bool:
    """Whether a class that a program made, or one that it is based on, has one of these; and True for all others."""
    if not _FLAGS_OF(kind) & _MADE_IN_PYTHON:
        return True
    for known in _ORDER_OF(kind)[:-1]:
        own = _DICT_OF(known)
        if not names.isdisjoint(own) or type(own.get("__dict__")) not in (GetSetDescriptorType, type(None)):
            return True
    return False


def _exactly(operation: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    if operation is operator.lshift and right > _BITS:
        raise Unsure
    if operation is operator.pow and (type(right) is float or abs(right) * _bits(left) > _BITS):
        raise Unsure
    result = tried(operation, left, right)
    if type(result) not in NUMBERS or _bits(result) > _BITS:
        raise Unsure
    return result


def _on_line(operation: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    """The exact result where there is one that is linear too, else None."""
    if not all(type(value) in (Line, int, bool) for value in (left, right)):
        return None
    if operation is operator.sub:
        return _line(*_difference(left, right))
    if operation is operator.add:
        return _line(*_difference(left, negated(right)))
    if type(right) is Line and (type(left) is Line or operation is not operator.mul):
        return None
    line, number = (right, left) if type(right) is Line else (left, right)
    if operation is operator.mul:
        return _line(line.base * number, line.step * number)
    if number and not line.step % number:
        if operation is operator.mod:
            return line.base % number
        if operation is operator.floordiv:
            return _line(line.base // number, line.step // number)
    return None


def _roughly(operation: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    """Only what never raises, whatever the value, and makes no int grow fast."""
    exact = [value for value in (left, right) if type(value) not in (Line, Some)]
    if any(_bits(value) > _FACTOR_BITS for value in exact):
        raise Unsure
    by_number = bool(exact) and exact[0] is right and bool(right)
    if float in (_kind(left), _kind(right)):
        # An int that grows could be too large for a float.
        if any(_kind(value) is not float for value in (left, right) if value not in exact):
            raise Unsure
        if operation in (operator.add, operator.sub, operator.mul) or (operation is operator.truediv and by_number):
            return Some(float)
    elif (
        operation in (operator.add, operator.sub)
        or (operation is operator.mul and exact)
        or (operation in (operator.mod, operator.floordiv) and by_number)
    ):
        return Some(int)
    raise Unsure


def _difference(left: Any, right: Any) -> tuple[int, int]:
    left_base, left_step = left if type(left) is Line else (left, 0)
    right_base, right_step = right if type(right) is Line else (right, 0)
    return left_base - right_base, left_step - right_step


def _line(base: int, step: int) -> Any:
    if _bits(base) > _BITS:
        raise Unsure
    return Line(base, step) if step else base


def _for_all_turns(relation: str, base: int, step: int) -> bool:
    """How `base + n * step` compares with 0, for every n from 0 on."""
    now: bool = getattr(operator, relation)(base, 0)
    if relation in ("eq", "ne"):
        meets = not base if not step else base % step == 0 and -base // step >= 0
        if meets and step:
            raise Unsure
        return now
    # True may stay so while it grows, for `gt` and `ge`; false, while it falls.
    grows = step > 0 if (relation in ("gt", "ge")) is now else step < 0
    if step and not grows:
        raise Unsure
    return now


def _kind(value: Any) -> type:
    return int if type(value) is Line else value.kind if type(value) is Some else type(value)


def _bits(value: Any) -> int:
    return value.bit_length() if type(value) is int else 1
