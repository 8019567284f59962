"""What the engines that ask servers share: which server is asked, when a call is made again, when all is given up.

A call goes to the server that has the prompts of its deck (`sca_hf.engines.routing`). One that can't be reached gets no
calls until it has said again what it runs, one that asks for patience rests for a while, and the others take their
calls. A call that fails on its own account is made again a few times, elsewhere if it can be, and is then its row's
failure; where no call of any server has succeeded for `patience` seconds, it is the servers that are broken.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from sca_hf.engines import Completion, EngineIdentity, Fleet, Prompt, RowFailure, Sampling
from sca_hf.engines.http import Busy, Failed, Unreachable, shown
from sca_hf.engines.routing import Router, shared_part
from sca_hf.engines.server_list import ask_first, read_urls
from sca_hf.engines.threaded import ThreadedEngine
from sca_hf.errors import EngineUnavailable

ATTEMPTS = 5
"""Times that a call is made which fails on its own account, before it is its row's failure."""

_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 20.0
_LOOK_AGAIN = 0.1
_WATCH_SECONDS = 0.5

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TokenLimits:
    """Tokens of a prompt, and of prompt and completion together, as in the recipe: None for no bound but the server's.

    They reject the same rows as in the in-process engine, by the count that the server gives.
    """

    max_prompt_tokens: int | None
    max_model_len: int | None

    def check(self, prompt_tokens: int, max_tokens: int) -> None:
        """Raise RowFailure for a prompt that is too long."""
        too_long = self.max_prompt_tokens is not None and prompt_tokens > self.max_prompt_tokens
        if too_long or (self.max_model_len is not None and prompt_tokens + max_tokens > self.max_model_len):
            raise RowFailure("prompt-too-long")


class Server(Protocol):
    """One server. `ask` raises Unreachable, Busy, Failed (`sca_hf.engines.http`), RowFailure, or EngineUnavailable
    where no call can succeed."""

    url: str

    async def ask(self, prompt: Prompt, sampling: Sampling) -> Completion: ...

    async def close(self) -> None: ...


@dataclass(frozen=True)
class Servers:
    """Servers of one model. `urls`: their addresses, or a file with them. `look` returns what one says that it runs,
    `server` makes one of its address and of that. `mixed`: they may differ."""

    urls: Sequence[str] | str
    look: Callable[[str], EngineIdentity]
    server: Callable[[str, EngineIdentity], Server]
    mixed: bool = False


@dataclass(eq=False)
class _Seat:
    """A server that gets calls. `troubles`: since its last success."""

    server: Server
    troubles: int = 0


class RemoteEngine(ThreadedEngine):
    """Asks servers. `patience`: seconds without a success before giving up. Raises EngineUnavailable where no server
    answers at first, or two of them differ."""

    def __init__(self, servers: Servers, limits: TokenLimits, patience: float) -> None:
        urls = read_urls(servers.urls)
        identity, there = ask_first(urls, servers.look, patience, mixed=servers.mixed)
        super().__init__(identity, "remote-engine")
        self._servers = servers
        self._limits = limits
        self._patience = patience
        self._router: Router[_Seat] = Router()
        self._absent = {url: "it does not answer" for url in urls if url not in there}
        """Servers that get no calls, and why."""
        self._left: list[Server] = []
        self._lost = 0
        self._last_success = 0.0
        self._watcher: asyncio.Task[None] | None = None
        for url, runs in there.items():
            self._router.add(url, _Seat(servers.server(url, runs)))

    @property
    def urls(self) -> tuple[str, ...]:
        """The servers that get calls, those that rest included."""
        return tuple(url for url in self._router.names if url not in self._absent)

    @property
    def fleet(self) -> Fleet:
        """Return how the servers are now."""
        return Fleet(len(self.urls), len(self._absent), self._lost)

    def _prepare(self) -> None:
        self._watcher = self._loop.create_task(self._watch())

    async def _ask(self, prompt: Prompt, sampling: Sampling) -> Completion:
        if not _is_text(str(prompt)):
            raise RowFailure("undecodable-prompt")
        completion = await self._asked(prompt, sampling)
        if not _is_text(completion.text):
            raise RowFailure("undecodable-completion")
        self._limits.check(completion.prompt_tokens, sampling.max_tokens)
        return completion

    async def _release(self) -> None:
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
        for server in [*self._left, *(seat.server for seat in self._router.holders)]:
            await server.close()

    async def _asked(self, prompt: Prompt, sampling: Sampling) -> Completion:
        began = time.monotonic()
        failures = 0
        trouble: object = "no server answers"
        while True:
            self._check()
            key = f"{failures} {prompt}" if failures else shared_part(prompt)  # what failed here may not elsewhere
            taken = self._router.take(key, time.monotonic())
            if taken is None:
                self._check_patience(began, None, trouble)
                await asyncio.sleep(max(0.0, min(_LOOK_AGAIN, self._router.wakes() - time.monotonic())))
                continue
            url, seat = taken
            try:
                completion = await seat.server.ask(prompt, sampling)
            except Unreachable as error:
                trouble = error
                self._lose(url, str(error))
            except Busy as error:
                trouble = error
                self._rest(url, seat, error.seconds)
            except Failed as error:
                trouble = error
                failures += 1
                if failures >= ATTEMPTS and (self._last_success > began or await self._serves(seat)):
                    raise RowFailure("engine-error") from None
                await asyncio.sleep(_pause(failures))
            else:
                seat.troubles = 0
                self._last_success = time.monotonic()
                self.usage.trouble = ""
                return completion
            finally:
                self._router.give_back(url)
            self.usage.trouble = self._told(url, trouble)
            self._check_patience(began, url, trouble)

    async def _serves(self, seat: _Seat) -> bool:
        """Return whether the server completes anything at all."""
        try:
            await seat.server.ask("1", Sampling(temperature=0.0, max_tokens=1, stop=(), seed=0))
        except (Unreachable, Busy, Failed, RowFailure):
            return False
        self._last_success = time.monotonic()
        return True

    async def _watch(self) -> None:
        """Follow the file of addresses, and let servers join that have come or come back."""
        while True:
            self._follow()
            for url in list(self._absent):
                await self._let_join(url)
            await asyncio.sleep(_WATCH_SECONDS)

    def _follow(self) -> None:
        try:
            urls = read_urls(self._servers.urls)
        except EngineUnavailable:
            return  # while it is written, perhaps
        for url in urls:
            if url not in self._router and url not in self._absent:
                self._absent[url] = "it does not answer"
        for url in {*self._router.names, *self._absent} - {*urls}:
            self._absent.pop(url, None)
            if url in self._router:
                self._left.append(self._router.remove(url).server)  # closed in the end: it may have calls yet

    async def _let_join(self, url: str) -> None:
        try:
            runs = await asyncio.to_thread(self._servers.look, url)
        except (Unreachable, Busy, Failed) as error:
            self._absent[url] = str(error)
            return
        except EngineUnavailable as error:
            self._refuse(url, str(error))
            return
        if runs != self.identity and not self._servers.mixed:
            self._refuse(url, f"{shown(url)} has {runs.intent()}, the others have {self.identity.intent()}")
        elif url in self._absent:  # it may have left the file meanwhile
            del self._absent[url]
            if url in self._router:
                self._router.rest(url, time.monotonic())
            else:
                self._router.add(url, _Seat(self._servers.server(url, runs)))

    def _refuse(self, url: str, why: str) -> None:
        if self._absent.get(url) != why:
            self._absent[url] = why
            _log.warning(
                "a server gets no calls: %s; give servers of one model and one build, or engine.mixed=true", why
            )

    def _lose(self, url: str, why: str) -> None:
        """It gets calls again once it says what it runs: another build may come back in its place."""
        if url in self._router and url not in self._absent:
            self._router.rest(url)
            self._absent[url] = why
            self._lost += 1

    def _rest(self, url: str, seat: _Seat, seconds: float | None) -> None:
        """Calls that fail together are one trouble."""
        now, until = time.monotonic(), self._router.rests_until(url)
        if until <= now:
            seat.troubles += 1
            until = now + _pause(seat.troubles)
        self._router.rest(url, until if seconds is None else max(until, now + seconds))

    def _check_patience(self, began: float, asked: str | None, trouble: object) -> None:
        now = time.monotonic()
        if now - max(began, self._last_success) <= self._patience or any(
            url != asked and not seat.troubles and self._router.rests_until(url) <= now
            for url, seat in zip(self._router.names, self._router.holders, strict=True)
        ):
            return
        how = "start the servers or change engine.urls, and run the same command again: finished calls are kept"
        if self._died_at_once(trouble):
            raise EngineUnavailable(f"{self._told(asked, trouble)}; then {how}")
        names = self._names()
        raise EngineUnavailable(f"no call has succeeded for {self._patience:.0f} s at {names} (last: {trouble}); {how}")

    def _names(self) -> str:
        return ", ".join(shown(url) for url in {**dict.fromkeys(self._router.names), **self._absent})

    def _told(self, asked: str | None, trouble: object) -> str:
        if asked is None or self._died_at_once(trouble):
            return (
                f"{self._names()}: up when this run began, gone since the first calls (last: {trouble}); the server's "
                "own log says why (vllm serve on CPUs needs --no-enable-chunked-prefill)"
            )
        return f"{shown(asked)} does not answer ({trouble})"

    def _died_at_once(self, trouble: object) -> bool:
        """Return whether no server is there, of which one had said what it runs, and no call has ever succeeded."""
        now = time.monotonic()
        gone = isinstance(trouble, Unreachable) and all(
            self._router.rests_until(url) > now for url in self._router.names
        )
        return gone and not self._last_success


def _pause(times: int) -> float:
    """Seconds before the next attempt: doubled each time, with a spread so that calls don't come back all at once."""
    longest: float = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(times - 1, 10))
    return longest * random.uniform(0.5, 1.0)


def _is_text(text: str) -> bool:
    """Return whether it can be written as UTF-8: a lone surrogate can't."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
