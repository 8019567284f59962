"""Calls an answer's function on each input and hands out what it returned, as JSON of exact built-in types.

Runs in the answer's process. Neither the tests nor an expected value is there: whatever the answer does to this module
only changes what it says that it returned.
"""

import binascii
import collections
import hashlib
import io
import itertools
import json
import marshal
import os
import resource
import signal
import sys
import time
import zlib
from typing import Any, NoReturn

MOST_ITEMS = 10_000  # of an iterator, which may have no end
MOST_OF_ONE, MOST_OF_ALL, ALWAYS = 20_000, 200_000, 100  # items, characters and digits that are handed out
SMALL = 1 << 53
PLAIN = frozenset((bool, float, type(None)))
# Equal to nothing that is expected, but a rule may ask what they hold.
ITERATED: tuple[type, ...] = (collections.deque, type({}.items()))

left = [MOST_OF_ONE, MOST_OF_ALL]


class TooBig(Exception):
    pass


def spend(size: int) -> None:
    left[0] -= size
    if left[0] < 0:
        raise TooBig


def hand_out(value: Any) -> Any:
    """What is too big to be handed out is told by a hash, which equal values have in common."""
    before = left[0] = max(min(MOST_OF_ONE, left[1]), ALWAYS)
    try:
        encoded = encode(value)
        left[1] -= before - left[0]
        return encoded
    except TooBig:
        sha = hashlib.sha256()
        for part in value if type(value) in (list, tuple) else (value,):
            sha.update(marshal.dumps(part, 2))
        return ["h", type(value).__name__, sha.hexdigest()]


def encode(value: Any) -> Any:
    kind = type(value)
    if kind in PLAIN:
        return value
    if kind is int:
        if -SMALL < value < SMALL:
            return value
        digits = value.bit_length() // 4
        if digits > ALWAYS:
            spend(digits)
        return ["i", hex(value)]
    if kind is str:
        if len(value) > ALWAYS:
            spend(len(value))
        return value
    if kind is list:
        spend(len(value))
        return ["l", *map(encode, value)]
    if kind is tuple:
        spend(len(value))
        return ["t", *map(encode, value)]
    if kind is dict:
        return ["d", *(encode(part) for pair in value.items() for part in pair)]
    if kind is set:
        return ["s", *map(encode, value)]
    return encode_rare(value, kind)


def encode_rare(value: Any, kind: Any) -> Any:
    if hasattr(kind, "dtype") and hasattr(kind, "tolist"):
        return ["n", str(value.dtype), list(value.shape), encode(value.tolist())]
    if kind is complex:
        return ["c", value.real, value.imag]
    if kind is bytes:
        return ["b", value.hex()]
    if kind is range:
        return ["r", encode(value.start), encode(value.stop), encode(value.step)]
    if kind is frozenset:
        return ["f", *map(encode, value)]
    if kind is type({}.keys()):
        return ["k", *map(encode, value)]
    if kind is type({}.values()):
        return ["v", *map(encode, value)]
    if kind.__module__ in ("decimal", "fractions") and kind.__name__ in ("Decimal", "Fraction"):
        return ["q", kind.__name__, str(value)]
    # Of a subclass what the built-in type holds, past whatever methods it has of its own.
    for base, plain in (
        (int, lambda it: int.__add__(it, 0)),
        (float, float.__float__),
        (str, str.__str__),
        (list, lambda it: list(list.__iter__(it))),
        (tuple, lambda it: list(tuple.__iter__(it))),
        (dict, lambda it: dict(dict.items(it))),
        (set, lambda it: list(set.__iter__(it))),
    ):
        if issubclass(kind, base):
            return ["x", base.__name__, encode(plain(value))]
    if hasattr(kind, "__next__") or kind in ITERATED:
        return ["g", *map(encode, itertools.islice(value, MOST_ITEMS))]
    return ["o", kind.__name__]


class Silent(io.StringIO):
    """Takes all that is written and keeps nothing; as by evalplus, whoever reads gets an OSError."""

    def write(self, text: str) -> int:
        return len(text)

    def _refuse(self, *arguments: Any) -> NoReturn:
        raise OSError("answers are not given any input")

    read = readline = readlines = _refuse


class OutOfTime(Exception):
    pass


def out_of_time(number: int, frame: Any) -> NoReturn:
    raise OutOfTime


def run(source: str, entry: str, inputs: list[Any], seconds: float, seconds_of: dict[int, float], total: float) -> None:
    """`seconds`: CPU time of one call; `seconds_of`: those of single inputs; `total`: of loading the answer."""
    clock, timer, which = time.process_time, signal.setitimer, signal.ITIMER_PROF
    dumps, write, cut, seek, pack = json.dumps, os.write, os.ftruncate, os.lseek, zlib.compress
    armour, encoded = binascii.b2a_base64, hand_out
    results, times, status = [], [], ""
    signal.signal(signal.SIGPROF, out_of_time)
    # For an answer that catches what the timer raises.
    resource.setrlimit(resource.RLIMIT_CPU, (int(clock() + total) + 2, resource.getrlimit(resource.RLIMIT_CPU)[1]))
    sys.stdin = sys.stdout = sys.stderr = Silent()
    try:
        timer(which, total)
        namespace: dict[str, Any] = {}
        exec(compile(source, "<answer>", "exec"), namespace)
        function = namespace[entry]
        for index, arguments in enumerate(inputs):
            timer(which, seconds_of.get(index, seconds))
            start = clock()
            result = function(*arguments)
            timer(which, total)
            times.append(round(clock() - start, 3))
            results.append(encoded(result))
        timer(which, 0)
    except BaseException as reason:
        timer(which, 0)
        status = type(reason).__name__
    slow = {index: spent for index, spent in enumerate(times) if spent >= 0.1}
    text = dumps([status, results, slow], separators=(",", ":"))
    # Past what the answer wrote there itself.
    cut(1, 0)
    seek(1, 0, 0)
    write(1, b"sca:" + armour(pack(text.encode(), 6), newline=False) + b":")
