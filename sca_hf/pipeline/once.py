"""Equal calls that come at once are made once."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


class _Abandoned(Exception):
    """Whoever made the call was cancelled."""


class Once:
    """Of equal calls that come at once, from any event loops, makes the first; the others wait for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: dict[str, Future[Any]] = {}

    async def make(self, key: str, make: Callable[[], Awaitable[T]]) -> tuple[T, bool]:
        """Return the result of `make`, and whether it was another's."""
        while True:
            with self._lock:
                other = self._under_way.get(key)
                if other is None:
                    mine: Future[T] = Future()
                    mine.set_running_or_notify_cancel()  # so that no waiter can cancel it for the others
                    self._under_way[key] = mine
            if other is None:
                return await self._make(key, make, mine), False
            with suppress(_Abandoned):
                return await asyncio.wrap_future(other), True

    async def _make(self, key: str, make: Callable[[], Awaitable[T]], mine: Future[T]) -> T:
        error: BaseException = _Abandoned()
        try:
            result = await make()
        except Exception as failure:
            error = failure
            raise
        else:
            mine.set_result(result)
            return result
        finally:
            with self._lock:
                del self._under_way[key]
            if not mine.done():
                mine.set_exception(error)
