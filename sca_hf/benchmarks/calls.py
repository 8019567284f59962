"""Runs a function of an answer on inputs in a jail; what it returned comes out, and is compared elsewhere.

So an answer never meets an expected value, a test, or what compares. It can lie about what it returned, which helps as
much as returning it.
"""

import base64
import json
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from typing import Any, Protocol

from sca_hf.benchmarks.values import decode
from sca_hf.sandbox import Program, Verdict

MOST_HANDED_OUT = 8 << 20
"""Bytes of a program's output that its jail should keep, packed: what the calls of one answer return together."""
_MOST_BYTES = 64 << 20
_CUT = "\n[...]\n"


class Runner(Protocol):
    """Runs programs in jails: `sca_hf.sandbox.Jails`, or the journal before it."""

    async def run(self, program: Program) -> Verdict: ...


@dataclass(frozen=True)
class Calls:
    """`inputs`: each a list of arguments as a Python expression, in which `inf`, `nan` and `loads` (JSON) are known.

    `seconds`: CPU time of one call, `seconds_of` that of single inputs, `total` that of all. `setup`: source, run
    before the inputs are read.
    """

    source: str
    entry: str
    inputs: Sequence[str]
    seconds: float = 4.0
    seconds_of: Mapping[int, float] = field(default_factory=dict)
    total: float = 60.0
    setup: str = ""


@dataclass(frozen=True)
class Returned:
    """`values`: what the calls returned, up to the first that did not. `reason`: why there are no more; "": none.

    `seconds`: CPU time of the calls that took 0.1 s or more, by index. `encoded`: the values as they came out.
    """

    values: list[Any]
    reason: str
    seconds: Mapping[int, float] = field(default_factory=dict)
    encoded: list[Any] = field(default_factory=list)


async def call(calls: Calls, jails: Runner) -> Returned:
    """What the calls returned. Where it is more than a jail hands out at once, the inputs are run in two halves."""
    verdict = await jails.run(_program(calls))
    returned = _read(verdict)
    if returned is not None:
        return returned
    if _CUT not in verdict.stdout:
        return Returned([], verdict.exception or verdict.status)
    if len(calls.inputs) < 2:
        return Returned([], "OutputLimit")
    half = len(calls.inputs) // 2
    first = await call(_part(calls, 0, half), jails)
    if first.reason:
        return first
    second = await call(_part(calls, half, len(calls.inputs)), jails)
    later = {index + half: spent for index, spent in second.seconds.items()}
    seconds = {**first.seconds, **later}
    return Returned(first.values + second.values, second.reason, seconds, first.encoded + second.encoded)


def literal(arguments: Sequence[Any]) -> str:
    """The expression of a list of arguments, which are made of built-in types."""
    return repr(list(arguments))


def text_literal(text: str) -> str:
    """A text as an expression with a line of its own for each line, so that what it imports is seen by the jail."""
    return "\n".join(("(", *(repr(line) for line in text.splitlines(keepends=True)), "'')"))


def _part(calls: Calls, begin: int, end: int) -> Calls:
    own = {index - begin: spent for index, spent in calls.seconds_of.items() if begin <= index < end}
    return replace(calls, inputs=calls.inputs[begin:end], seconds_of=own)


def _program(calls: Calls) -> Program:
    inputs = ",\n".join(calls.inputs)
    total = math.ceil(min(calls.total, calls.seconds * len(calls.inputs) + sum(calls.seconds_of.values())))
    code = (
        f"{_driver()}\n"
        "inf, nan, loads = float('inf'), float('nan'), json.loads\n"
        f"{calls.setup}\n"
        f"INPUTS = [\n{inputs}\n]\n"
        f"run({text_literal(calls.source)}, {calls.entry!r}, INPUTS, "
        f"{calls.seconds}, {dict(calls.seconds_of)}, {total})"
    )
    return Program(code, "")


@cache
def _driver() -> str:
    return (files("sca_hf.benchmarks") / "in_jail" / "calls.py").read_text(encoding="utf-8")


def _read(verdict: Verdict) -> Returned | None:
    """None where no complete message is there."""
    text = verdict.stdout
    if not (text.startswith("sca:") and text.endswith(":")) or _CUT in text:
        return None
    try:
        unpack = zlib.decompressobj()
        unpacked = unpack.decompress(base64.b64decode(text[4:-1], validate=True), _MOST_BYTES)
        status, values, seconds = json.loads(unpacked)
        decoded = [decode(value) for value in values]
        return Returned(decoded, str(status), {int(index): float(spent) for index, spent in seconds.items()}, values)
    except (ValueError, TypeError, KeyError, IndexError, RecursionError, AttributeError, zlib.error, OverflowError):
        return Returned([], "NoResult")
