"""When an instruction is given up: its first samples all ran out of time, so the later ones are not executed.

What is given up depends on the order of samples alone, not on which program ends first.
"""

import asyncio
from bisect import insort
from collections.abc import Awaitable, Callable, Sequence

import numpy as np
from datasets import Dataset

from sca_hf.parallel.ordered_map import Row
from sca_hf.sandbox import Verdict
from sca_hf.stages.reading import rows_of

NOT_RUN = "not-run"
"""Status of a sample that was not executed."""

_TIMEOUT = "timeout"
_COLUMNS = ["id", "instruction_id", "sample"]


class FirstSamples:
    """The first `count` samples of one instruction (None: it is never given up)."""

    __slots__ = ("_all_timed_out", "_count", "_done", "_left")

    def __init__(self, count: int | None) -> None:
        self._count = self._left = count or 0
        self._all_timed_out = count is not None
        self._done: asyncio.Event | None = None

    @property
    def gave_up(self) -> bool:
        """Whether all first samples ran out of time."""
        return self._all_timed_out and not self._left

    async def run(self, is_first: bool, run: Callable[[], Awaitable[Verdict]]) -> Verdict | None:
        """The verdict of `run`; None, and nothing is run, for a later sample of an instruction that is given up.

        A later sample waits for the verdicts on the first ones, all of which must be on their way.
        """
        if is_first and self._left:
            verdict = await run()
            self._left -= 1
            self._all_timed_out = self._all_timed_out and verdict.status == _TIMEOUT
            if self._done is not None and not self._left:
                self._done.set()
            return verdict
        if self._left:
            self._done = self._done or asyncio.Event()
            await self._done.wait()
        return None if self.gave_up else await run()

    async def run_all(self, runs: Sequence[Callable[[], Awaitable[Verdict]]], begin: int = 0) -> list[Verdict | None]:
        """The verdicts of samples in their order, the first of which is number `begin`, all at once; see `run`."""
        return await asyncio.gather(*(self.run(number < self._count, run) for number, run in enumerate(runs, begin)))


class Instructions:
    """The first samples of all instructions: rows in the order of `sample`, then of `id`. Rows that lack one of these,
    or `instruction_id`, are nobody's later samples.

    `order`: indices of the rows, those of first samples before all others.
    """

    def __init__(self, responses: Dataset, count: int | None) -> None:
        self.order: Sequence[int] | None = None
        self._last: dict[str, tuple[int, str]] = {}
        """Of the first samples, by instruction; of those that have others."""
        self._firsts: dict[str, FirstSamples] = {}
        self._count = count
        if count is None or not set(_COLUMNS) <= set(responses.column_names):
            return
        smallest: dict[str, list[tuple[int, str]]] = {}
        for row in rows_of(responses, _COLUMNS):
            kept = smallest.setdefault(row["instruction_id"], [])
            insort(kept, _place(row))
            del kept[count + 1 :]
        self._last = {name: kept[count - 1] for name, kept in smallest.items() if len(kept) > count}
        later = np.fromiter((not self._is_first(row) for row in rows_of(responses, _COLUMNS)), bool, len(responses))
        if later.any():
            self.order = np.argsort(later, kind="stable").tolist()

    async def run(self, response: Row, run: Callable[[], Awaitable[Verdict]]) -> Verdict | None:
        """As `FirstSamples.run`, for a row."""
        name = response.get("instruction_id")
        if name not in self._last:
            return await run()
        firsts = self._firsts.setdefault(name, FirstSamples(self._count))
        return await firsts.run(self._is_first(response), run)

    def _is_first(self, response: Row) -> bool:
        last = self._last.get(response["instruction_id"])
        return last is None or _place(response) <= last


def _place(response: Row) -> tuple[int, str]:
    return response["sample"], response["id"]
