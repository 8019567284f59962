"""Rows worked on ahead: many at once, results in order.

`Dataset.map` can await an async function itself, but its loop looks at all pending tasks for each row (about 1 ms of
CPU a row at 256 tasks), spins behind a slow row, and starts all rows behind it, whose results it holds in memory.
"""

import asyncio
import threading
from array import array
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, Self

from datasets import Dataset

Row = dict[str, Any]
"""A row, or a batch of rows by column."""

Worked = Row | list[Row]
"""What became of one row: a row, or any number of them."""

# While a row that takes 20 times as long as the others is at the head, those around it take 7 turns; with less ahead,
# an engine would wait for the head.
AHEAD = 16
_READ_ROWS = 64


class OrderedMap:
    """Awaits `function` for the rows in a thread and an event loop of its own, `concurrency` of them at once.

    Rows start in `order` (indices of all of them; None: as they are), no further than AHEAD x `concurrency` before the
    first that was not taken, so that memory does not grow with the number of rows. The first exception of `function`
    ends all, and `take` raises it.
    """

    def __init__(
        self,
        rows: Dataset,
        function: Callable[[Row], Awaitable[Worked]],
        concurrency: int,
        order: Sequence[int] | None = None,
    ) -> None:
        self.counts = array("H")
        """Of each row taken: how many it became, 65,535 at most."""
        self._function = function
        self._concurrency = concurrency
        self._total = len(rows)
        self._source = _one_by_one(rows, range(len(rows)) if order is None else order)
        self._started = 0
        self._done: dict[int, list[Row]] = {}
        self._error: BaseException | None = None
        self._news = threading.Condition()
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._loop = asyncio.new_event_loop()
        self._main: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._work, name="rows", daemon=True)

    def take(self, count: int) -> list[Row]:
        """What became of the next `count` rows (AHEAD x `concurrency` at most), in their order, once all are there."""
        first = len(self.counts)
        taken: list[Row] = []
        for index in range(first, first + count):
            with self._news:
                self._news.wait_for(lambda index=index: index in self._done or self._error)  # type: ignore[misc]
                if index not in self._done:
                    assert self._error is not None
                    raise self._error
                results = self._done.pop(index)
            self.counts.append(len(results))
            taken += results
        self._loop.call_soon_threadsafe(self._wake)
        return taken

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._loop.call_soon_threadsafe(self._stop)
        self._thread.join()
        self._loop.close()

    def _work(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._main = self._loop.create_task(self._all())
            self._loop.run_until_complete(self._main)
        except BaseException as error:
            with self._news:
                self._error = error
                self._news.notify_all()

    async def _all(self) -> None:
        workers = [asyncio.create_task(self._worker()) for _ in range(min(self._concurrency, self._total))]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def _worker(self) -> None:
        while self._started < self._total:
            index = self._started
            self._started += 1
            row = next(self._source)
            while index - len(self.counts) >= AHEAD * self._concurrency:
                turn = self._loop.create_future()
                self._waiting.append(turn)
                await turn
            results = await self._function(row)
            with self._news:
                self._done[index] = results if isinstance(results, list) else [results]
                if index == len(self.counts):
                    self._news.notify_all()

    def _wake(self) -> None:
        """After rows were taken: all that waited for it look again."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)

    def _stop(self) -> None:
        if self._main is not None:
            self._main.cancel()


def _one_by_one(rows: Dataset, order: Sequence[int]) -> Iterator[Row]:
    plain = rows.with_format(None)
    for start in range(0, len(order), _READ_ROWS):
        batch = plain[order[start : start + _READ_ROWS]]
        for values in zip(*batch.values(), strict=True):
            yield dict(zip(batch, values, strict=True))
