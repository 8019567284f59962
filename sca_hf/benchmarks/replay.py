"""Grades an answer's function by a benchmark's own tests, which are assertions, without letting it near them.

The tests run where the reference is, once, to see which calls they make. An answer gets those calls' arguments alone.
Then the tests run on what it returned, again without the answer. Where it returned just what the reference did, they
have held already.
"""

import asyncio
import decimal
import fractions
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from sca_hf.benchmarks.calls import Calls, Returned, Runner, call, text_literal
from sca_hf.benchmarks.values import Opaque

_SECONDS = 10.0


@dataclass(frozen=True)
class Tested:
    """`reference`: a whole program. `tests`: source that is run behind it, and calls `entry`. `setup`: source that a
    program needs in front."""

    reference: str
    tests: str
    entry: str
    setup: str = ""


@dataclass(frozen=True)
class Recording:
    """The calls that the tests make: their arguments as expressions; and what the reference returns, as encoded."""

    calls: list[str]
    results: list[Any]


class NotReplayable(Exception):
    """The tests do more than compare results of calls with built-in values. Says what."""


class Replays:
    """Records each task's calls once. `seconds`: of an answer, for all calls together."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._recordings: dict[str, asyncio.Task[Recording]] = {}

    async def grade(self, task: str, tested: Tested, program: str, jails: Runner) -> str:
        """Why the program fails; "" where it passes. Raises NotReplayable."""
        if task not in self._recordings:
            self._recordings[task] = asyncio.create_task(_record(tested, jails))
        recording = await asyncio.shield(self._recordings[task])
        return await grade_by(recording, tested, program, self._seconds, jails)


async def grade_by(recording: Recording, tested: Tested, program: str, seconds: float, jails: Runner) -> str:
    """Why the program fails; "" where it passes. `seconds`: for all calls together."""
    calls = Calls(program, tested.entry, recording.calls, seconds, {}, seconds, tested.setup)
    returned = await call(calls, jails)
    if len(returned.values) != len(recording.calls):
        # The tests may stop before the call that failed, but only where they fail too.
        return returned.reason or "NoResult"
    if returned.encoded == recording.results:
        return ""
    # Also where the tests make other calls than of the reference: else an answer could choose how it is graded.
    outcome = await _replay(tested, recording, returned, jails)
    return "" if outcome == "passed" else outcome


async def _record(tested: Tested, jails: Runner) -> Recording:
    source = _source(tested)
    recorded = await call(Calls(source, "record", ["[]"], _SECONDS, {}, _SECONDS), jails)
    if recorded.reason or not recorded.values:
        raise NotReplayable(f"recording the tests' calls ends in {recorded.reason or 'nothing'}")
    arguments = recorded.values[0]
    if not isinstance(arguments, list) or not arguments:
        raise NotReplayable("the tests make no call")
    expressions = [expression(list(of_call)) for of_call in arguments]
    calls = Calls(tested.reference, tested.entry, expressions, _SECONDS, {}, _SECONDS, tested.setup)
    returned = await call(calls, jails)
    if returned.reason or len(returned.values) != len(expressions):
        raise NotReplayable(f"the reference ends in {returned.reason}")
    recording = Recording(expressions, returned.encoded)
    outcome = await _replay(tested, recording, returned, jails)
    if outcome != "passed":
        raise NotReplayable(f"the tests need more than the reference's results: {outcome}")
    return recording


async def _replay(tested: Tested, recording: Recording, returned: Returned, jails: Runner) -> str:
    try:
        results = ", ".join(map(expression, returned.values))
    except NotReplayable as reason:
        return str(reason)
    calls = ", ".join(f"tuple({of_call})" for of_call in recording.calls)
    arguments = f"[[{calls}], [{results}]]"
    setup = f"{tested.setup}\nimport decimal, fractions{', numpy' if 'numpy.' in results else ''}"
    replayed = await call(Calls(_source(tested), "replay", [arguments], _SECONDS, {}, _SECONDS, setup), jails)
    return str(replayed.values[0]) if replayed.values else replayed.reason or "failed"


def _source(tested: Tested) -> str:
    return (
        f"{_replay_source()}\n\nENTRY = {tested.entry!r}\nPROGRAM = {text_literal(tested.reference)}\n"
        f"TESTS = {text_literal(tested.setup + chr(10) + tested.tests)}\n"
    )


@cache
def _replay_source() -> str:
    return (files("sca_hf.benchmarks") / "in_jail" / "replay.py").read_text(encoding="utf-8")


def expression(value: Any) -> str:
    """A value as an expression that makes it again where decimal, fractions and numpy are imported.

    Raises NotReplayable for one of no known type.
    """
    for kinds, make in _EXPRESSIONS:
        if isinstance(value, kinds):
            return make(value)
    raise NotReplayable(f"a value of type {type(value).__name__}")


def _float(value: float) -> str:
    return repr(float(value)) if math.isfinite(value) else f"float({str(float(value))!r})"


def _numpy(value: Any) -> str:
    made = f"numpy.array({expression(value.tolist())}, {str(value.dtype)!r})"
    return f"{made}.reshape({value.shape})" if isinstance(value, np.ndarray) else f"{made}[()]"


def _all(values: Iterable[Any]) -> str:
    return ", ".join(map(expression, values))


def _pairs(value: Mapping[Any, Any]) -> str:
    return ", ".join(f"{expression(key)}: {expression(part)}" for key, part in value.items())


# A numpy float is a float too, and a bool an int. Numbers of a subclass become plain ones.
_EXPRESSIONS: tuple[tuple[type | tuple[type, ...], Callable[[Any], str]], ...] = (
    ((np.generic, np.ndarray), _numpy),
    ((type(None), bool, bytes, range), repr),
    (str, lambda value: repr(str(value))),
    (int, hex),
    (float, _float),
    (complex, lambda value: f"complex({_float(value.real)}, {_float(value.imag)})"),
    (list, lambda value: f"[{_all(value)}]"),
    (tuple, lambda value: f"({''.join(expression(part) + ', ' for part in value)})"),
    (dict, lambda value: "{" + _pairs(value) + "}"),
    (set, lambda value: f"set([{_all(value)}])"),
    (frozenset, lambda value: f"frozenset([{_all(value)}])"),
    (decimal.Decimal, lambda value: f"decimal.Decimal({str(value)!r})"),
    (fractions.Fraction, lambda value: f"fractions.Fraction({str(value)!r})"),
    (type({}.keys()), lambda value: f"dict.fromkeys([{_all(value)}]).keys()"),
    (type({}.values()), lambda value: f"dict(enumerate([{_all(value)}])).values()"),
    (type(iter([])), lambda value: f"iter([{_all(value)}])"),
    (Opaque, lambda value: "object()"),
)
