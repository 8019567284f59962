"""What the engines that ask servers share: which server is asked, when a call is made again, when all is given up.

A call goes to the server with the fewest calls on it. One that can't be reached, or asks for patience, rests for a
while and the others take its calls. A call that fails on its own account is made again a few times and is then its
row's failure; where no call of any server has succeeded for `patience` seconds, it is the servers that are broken.
"""

import asyncio
import itertools
import os
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit, urlunsplit

from sca_hf.engines import Completion, EngineIdentity, Prompt, RowFailure, Sampling
from sca_hf.engines.threaded import ThreadedEngine
from sca_hf.errors import EngineUnavailable

ATTEMPTS = 5
"""Times that a call is made which fails on its own account, before it is its row's failure."""

_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 20.0
_LOOK_AGAIN = 0.1


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


class Unreachable(Exception):
    """The server was not there, so the call did not even begin."""


class Busy(Exception):
    """The server asks for patience: `seconds` of it, if it says so."""

    def __init__(self, why: str, seconds: float | None = None) -> None:
        super().__init__(why)
        self.seconds = seconds


class Failed(Exception):
    """The call failed on the way or in the server, and may succeed the next time."""


class Server(Protocol):
    """One server. `ask` raises the three above, RowFailure, or EngineUnavailable where no call can succeed."""

    url: str

    async def ask(self, prompt: Prompt, sampling: Sampling) -> Completion: ...

    async def close(self) -> None: ...


@dataclass(eq=False)
class _Seat:
    server: Server
    calls: int = 0
    rests_until: float = 0.0
    troubles: int = 0


class RemoteEngine(ThreadedEngine):
    """Asks `servers`, which all serve the same model. `patience`: seconds without any success that are borne."""

    def __init__(
        self, identity: EngineIdentity, servers: Sequence[Server], limits: TokenLimits, patience: float
    ) -> None:
        super().__init__(identity, "remote-engine")
        self._limits = limits
        self._patience = patience
        self._seats = [_Seat(server) for server in servers]
        self._turn = itertools.count()
        self._last_success = 0.0

    async def _ask(self, prompt: Prompt, sampling: Sampling) -> Completion:
        if not _is_text(str(prompt)):
            raise RowFailure("undecodable-prompt")
        completion = await self._asked(prompt, sampling)
        if not _is_text(completion.text):
            raise RowFailure("undecodable-completion")
        self._limits.check(completion.prompt_tokens, sampling.max_tokens)
        return completion

    async def _release(self) -> None:
        for seat in self._seats:
            await seat.server.close()

    async def _asked(self, prompt: Prompt, sampling: Sampling) -> Completion:
        began = time.monotonic()
        failures = 0
        while True:
            self._check()
            seat = await self._awake_seat()
            seat.calls += 1
            trouble: Exception
            try:
                completion = await seat.server.ask(prompt, sampling)
            except Unreachable as error:
                trouble = error
                self._rest(seat, None)
            except Busy as error:
                trouble = error
                self._rest(seat, error.seconds)
            except Failed as error:
                trouble = error
                failures += 1
                if failures >= ATTEMPTS and (self._last_success > began or await self._serves(seat)):
                    raise RowFailure("engine-error") from None
                await asyncio.sleep(_pause(failures))
            else:
                seat.troubles = 0
                self._last_success = time.monotonic()
                return completion
            finally:
                seat.calls -= 1
            self._check_patience(began, seat, trouble)

    async def _serves(self, seat: _Seat) -> bool:
        """Return whether the server completes anything at all."""
        try:
            await seat.server.ask("1", Sampling(temperature=0.0, max_tokens=1, stop=(), seed=0))
        except (Unreachable, Busy, Failed, RowFailure):
            return False
        self._last_success = time.monotonic()
        return True

    async def _awake_seat(self) -> _Seat:
        """Return the seat with the fewest calls of those that don't rest; waits while all do."""
        while True:
            now = time.monotonic()
            awake = [seat for seat in self._seats if seat.rests_until <= now]
            if awake:
                turn = next(self._turn) % len(self._seats)
                return min(awake, key=lambda seat: (seat.calls, (self._seats.index(seat) - turn) % len(self._seats)))
            self._check()
            await asyncio.sleep(min(_LOOK_AGAIN, min(seat.rests_until for seat in self._seats) - now))

    def _rest(self, seat: _Seat, seconds: float | None) -> None:
        """Calls that fail together are one trouble."""
        now = time.monotonic()
        if seat.rests_until <= now:
            seat.troubles += 1
            seat.rests_until = now + _pause(seat.troubles)
        if seconds is not None:
            seat.rests_until = max(seat.rests_until, now + seconds)

    def _check_patience(self, began: float, seat: _Seat, trouble: Exception) -> None:
        now = time.monotonic()
        if now - max(began, self._last_success) <= self._patience or any(
            other.rests_until <= now and other is not seat and not other.troubles for other in self._seats
        ):
            return
        names = ", ".join(shown(other.server.url) for other in self._seats)
        raise EngineUnavailable(
            f"no call has succeeded for {self._patience:.0f} s at {names} (last: {trouble}); start the servers or "
            "change engine.urls, and run the same command again: finished calls are kept"
        )


def key_of(variable: str) -> str | None:
    """Return the key in an environment variable: keys are nowhere else."""
    return os.environ.get(variable) or None


def without(text: str, key: str | None) -> str:
    """Return one line of at most 300 characters, without the key."""
    line = " ".join(text.split())
    return (line.replace(key, "***") if key else line)[:300]


def shown(url: str) -> str:
    """Return an address as it may be printed: without a name and password in it."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))


def ask_first(urls: Sequence[str], look: Callable[[str], EngineIdentity], patience: float) -> EngineIdentity:
    """What the servers that answer say that they run. Raises EngineUnavailable if none does, or if they differ."""
    deadline = time.monotonic() + min(patience, 10.0)
    while True:
        identities: dict[str, EngineIdentity] = {}
        trouble = "none was given"
        for url in urls:
            try:
                identities[url] = look(url)
            except (Unreachable, Busy, Failed) as error:
                trouble = f"{shown(url)}: {error}"
        if identities or time.monotonic() > deadline:
            break
        time.sleep(1.0)
    if not identities:
        raise EngineUnavailable(f"no server of engine.urls answers ({trouble}); start one, or change engine.urls")
    first_url, first = next(iter(identities.items()))
    for url, identity in identities.items():
        if identity != first:
            raise EngineUnavailable(
                f"the servers of engine.urls differ: {shown(first_url)} has {first.intent()}, {shown(url)} has "
                f"{identity.intent()}; give servers of one model and one build"
            )
    return first


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
