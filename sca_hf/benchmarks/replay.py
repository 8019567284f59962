"""Grades an answer's function by a benchmark's own tests, which are assertions, without letting it near them.

The tests run where the reference is, once, to see which calls they make. An answer gets those calls' arguments alone.
Then the tests run on what it returned, again without the answer. Where it returned just what the reference did, they
have held already.
"""

import asyncio
import math
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
    replayed = await call(Calls(_source(tested), "replay", [arguments], _SECONDS, {}, _SECONDS, tested.setup), jails)
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
    """A value as an expression that makes it again. Raises NotReplayable for one of no built-in type."""
    if isinstance(value, np.generic | np.ndarray):
        return expression(value.tolist())
    if value is None or isinstance(value, bool | str | bytes | range):
        return repr(_plain(value))
    if isinstance(value, int):
        return hex(value)
    if isinstance(value, float):
        return f"float({str(float(value))!r})" if not math.isfinite(value) else repr(float(value))
    if isinstance(value, complex):
        return f"complex({expression(value.real)}, {expression(value.imag)})"
    if isinstance(value, list):
        return f"[{', '.join(map(expression, value))}]"
    if isinstance(value, tuple):
        return f"({''.join(expression(part) + ', ' for part in value)})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{expression(key)}: {expression(part)}" for key, part in value.items()) + "}"
    if isinstance(value, set | frozenset):
        return f"{'frozen' if isinstance(value, frozenset) else ''}set([{', '.join(map(expression, value))}])"
    if isinstance(value, Opaque):
        return "object()"
    raise NotReplayable(f"a value of type {type(value).__name__}")


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, str) else value
