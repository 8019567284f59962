"""What all engines share: one thread and event loop in which every call runs, and one failure that ends them all."""

import asyncio
import atexit
import threading
from abc import ABC, abstractmethod

from sca_hf.engines import Completion, EngineIdentity, Prompt, Sampling, Usage, Work
from sca_hf.errors import EngineUnavailable

_CLOSE_SECONDS = 60.0


class ThreadedEngine(ABC):
    """An engine with a thread of its own, since its callers' event loops come and go with each stage.

    The thread starts with the first call. Once a call has raised EngineUnavailable, all raise it, those under way too
    as soon as they ask.
    """

    _ready_when_prepared = True

    def __init__(self, identity: EngineIdentity, thread_name: str) -> None:
        self.usage = Usage(live=self._live)
        self._identity = identity
        self._thread_name = thread_name
        self._failure: str | None = None
        self._closing = False
        self._lock = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._thread: threading.Thread | None = None
        self._calls: set[asyncio.Task[Completion]] = set()

    @property
    def identity(self) -> EngineIdentity:
        """What of this engine determines its completions."""
        return self._identity

    def start(self) -> None:
        """Begin to get ready, and return at once. `complete` does so itself; early on, it saves waiting."""
        with self._lock:
            self._start()

    async def complete(self, prompt: Prompt, sampling: Sampling) -> Completion:
        """One sample. RowFailure: "prompt-too-long", "undecodable-prompt", "undecodable-completion", "engine-error"."""
        with self._lock:  # so that `close` finds each call that was let in
            self._start()
            self._check()
            call = asyncio.run_coroutine_threadsafe(self._complete(prompt, sampling), self._loop)
        return await asyncio.wrap_future(call)

    def close(self) -> None:
        """End the engine and all that is its own. Pending calls raise EngineUnavailable. A second call does nothing."""
        with self._lock:
            thread, self._thread = self._thread, None
            self._failure = self._failure or "the engine was closed"
        if thread is None:
            return
        atexit.unregister(self.close)
        self._interrupt()
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(_CLOSE_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        thread.join(_CLOSE_SECONDS)

    @abstractmethod
    async def _ask(self, prompt: Prompt, sampling: Sampling) -> Completion:
        """Return one sample, in the thread. What it raises is what `complete` raises."""

    @abstractmethod
    async def _release(self) -> None:
        """Give up what is the engine's own, in the thread, after the last call."""

    def _prepare(self) -> None:  # noqa: B027 - servers need nothing
        """Before the first call, in the thread: the calls wait behind it. May raise EngineUnavailable."""

    def _live(self) -> Work:
        """Return what calls under way have done; asked from any thread. Nothing where it can't be told."""
        return Work()

    def _interrupt(self) -> None:  # noqa: B027
        """When the engine is closed, in the closer's thread: end a `_prepare` under way."""

    def _check(self) -> None:
        if self._failure is not None:
            raise EngineUnavailable(self._failure)

    def _start(self) -> None:
        if self._thread is None and self._failure is None:
            self._loop.call_soon(self._prepare_or_fail)
            self._thread = threading.Thread(target=self._loop.run_forever, name=self._thread_name, daemon=True)
            self._thread.start()
            atexit.register(self.close)

    def _prepare_or_fail(self) -> None:
        self.usage.start()
        try:
            self._prepare()
        except EngineUnavailable as error:
            self._failure = self._failure or str(error)
        if self._failure or self._ready_when_prepared:
            self.usage.be_ready()

    async def _complete(self, prompt: Prompt, sampling: Sampling) -> Completion:
        self._check()
        task = asyncio.current_task()
        assert task is not None
        self._calls.add(task)
        try:
            completion = await self._ask(prompt, sampling)
        except EngineUnavailable as error:
            self._failure = self._failure or str(error)
            raise
        except asyncio.CancelledError:
            if self._closing:
                raise EngineUnavailable(self._failure) from None
            raise  # the caller gave it up
        finally:
            self._calls.discard(task)
        self.usage.calls += 1
        self.usage.prompt_tokens += completion.prompt_tokens
        self.usage.completion_tokens += completion.completion_tokens
        return completion

    async def _end(self) -> None:
        self._closing = True
        calls = list(self._calls)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        await self._release()
