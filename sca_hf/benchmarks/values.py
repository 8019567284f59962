"""Values that came out of a jail: `in_jail/calls.py` encodes them, here they are made again out of built-in types.

What comes in was written by an answer. It can say that its function returned anything, and nothing else: no name that
it chooses is looked up, nothing is run, and sizes are bounded by what came in.
"""

import decimal
import fractions
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


class Opaque:
    """Stands for an object that is none of the known types: equal to itself alone."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __repr__(self) -> str:
        return f"<{self.kind}>"


@dataclass(frozen=True)
class Digest:
    """Stands for a value that is too big to be handed out: equal to one of the same type and content."""

    kind: str
    sha256: str


class _Int(int): ...


class _Float(float): ...


class _Str(str):
    __slots__ = ()


class _List(list[Any]): ...


class _Tuple(tuple[Any, ...]):
    __slots__ = ()


class _Dict(dict[Any, Any]): ...


class _Set(set[Any]): ...


# A subclass's value has the type of a subclass again, as rules ask for the type.
_SUBCLASSES: dict[str, Callable[[Any], Any]] = {
    "int": _Int,
    "float": _Float,
    "str": _Str,
    "list": _List,
    "tuple": _Tuple,
    "dict": _Dict,
    "set": _Set,
}
_SCALARS = frozenset(
    [
        "bool",
        "int8",
        "int16",
        "int32",
        "int64",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
        "float16",
        "float32",
        "float64",
        "complex64",
        "complex128",
    ]
)
_MOST_DIGITS = 100_000


def decode(encoded: Any) -> Any:
    """The value. Raises ValueError, TypeError or RecursionError where it is not one that `encode` writes."""
    if not isinstance(encoded, list):
        return encoded
    kind, *parts = encoded
    make = _MAKERS.get(kind)
    if make is None:
        raise ValueError(f"unknown kind of value {kind!r}")
    return make(parts)


def _all(parts: list[Any]) -> list[Any]:
    return [decode(part) for part in parts]


def _int(parts: list[Any]) -> int:
    return int(parts[0], 16)


def _pairs(parts: list[Any]) -> dict[Any, Any]:
    values = _all(parts)
    return dict(zip(values[::2], values[1::2], strict=True))


def _numpy(parts: list[Any]) -> Any:
    dtype, shape, values = parts
    if dtype not in _SCALARS and not (dtype[:2] in ("<U", "|S") and dtype[2:].isdecimal()):
        return Opaque(f"numpy {dtype}")
    array = np.array(decode(values), dtype=dtype).reshape(shape)
    return array if shape else array[()]


def _number(parts: list[Any]) -> Any:
    name, text = parts
    if len(text) > _MOST_DIGITS or ("e" in text.lower() and name == "Fraction"):
        raise ValueError("a number with too many digits")
    return fractions.Fraction(text) if name == "Fraction" else decimal.Decimal(text)


_MAKERS: dict[str, Callable[[list[Any]], Any]] = {
    "i": _int,
    "l": _all,
    "t": lambda parts: tuple(_all(parts)),
    "d": _pairs,
    "s": lambda parts: set(_all(parts)),
    "f": lambda parts: frozenset(_all(parts)),
    "c": lambda parts: complex(*parts),
    "b": lambda parts: bytes.fromhex(parts[0]),
    "r": lambda parts: range(*_all(parts)),
    "k": lambda parts: dict.fromkeys(_all(parts)).keys(),
    "v": lambda parts: dict(enumerate(_all(parts))).values(),
    "g": lambda parts: iter(_all(parts)),
    "n": _numpy,
    "q": _number,
    "x": lambda parts: _SUBCLASSES[parts[0]](decode(parts[1])),
    "h": lambda parts: Digest(str(parts[0]), str(parts[1])),
    "o": lambda parts: Opaque(str(parts[0])),
}
