"""Calls to the Hub: made again while that can help, and refused in one line that a user can act on.

The client makes some requests again by itself; those that create, commit and tag it does not.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TypeVar

import httpx2
from huggingface_hub import get_token, set_client_factory
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalTokenNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from sca_hf.errors import HubError, one_line

Result = TypeVar("Result")

# 8 attempts whose pauses double wait for about a minute: the restart of a service, not an outage.
ATTEMPTS = 8
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
# Seconds without a byte from the Hub, where the client itself would wait forever. A large commit takes it a minute.
SILENCE = 120.0

PATIENCE = 5.0
"""Seconds after which whoever waits is told what for."""
_TOLD = 2
"""The failed attempt after which they are told at once; a connection that breaks once is none of their business."""
_log = logging.getLogger(__name__)
_AGAIN = frozenset({408, 409, 412, 429, 500, 502, 503, 504})
_LOGIN = "log in with `hf auth login`, or set HF_TOKEN"


class Moved(Exception):
    """Others changed the repository meanwhile: the call is to be made again."""


_OF_THE_HUB = (OSError, ValueError, httpx2.HTTPError, Moved)


@cache
def bound_silence() -> None:
    """Let this process's Hub client give up a request after SILENCE seconds without a byte."""
    from huggingface_hub.utils._http import default_client_factory

    def client() -> httpx2.Client:
        impatient = default_client_factory()
        impatient.timeout = httpx2.Timeout(SILENCE)
        return impatient

    set_client_factory(client)


def call(what: str, ask: Callable[[], Result], token: str | None) -> Result:
    """Return what `ask` returns, asked again after conflicts, rate limits, server errors and cut connections.

    `what` names it in errors: "push to org/name-sft". Raises HubError, whose text has no `token` and which carries no
    cause: the client's errors hold their requests, and so the token.
    """
    with waiting(what) as tell:
        return _until_answered(what, ask, token, tell)


@contextmanager
def waiting(what: str) -> Iterator[Callable[[str], None]]:
    """Say once that `what` waits for the Hub, if it still does after PATIENCE seconds; or, by the function that this
    gives, at once and why. The client itself asks several times, and waits long, without a word."""
    said = threading.Lock()

    def tell(why: str) -> None:
        if said.acquire(blocking=False):
            _log.warning("%s: waiting for the Hub, which %s", what, why)

    timer = threading.Timer(PATIENCE, tell, ["has not answered yet"])
    timer.daemon = True
    timer.start()
    try:
        yield tell
    finally:
        timer.cancel()


def _until_answered(what: str, ask: Callable[[], Result], token: str | None, tell: Callable[[str], None]) -> Result:
    attempt = 0
    while True:
        attempt += 1
        try:
            return ask()
        except HubError:
            raise
        except Exception as error:
            causes = list(_causes(error))
            pause = next(filter(None, (_pause(cause, attempt) for cause in causes)), None)
            # A programming error is not the Hub's.
            if pause is None and not any(isinstance(cause, _OF_THE_HUB) for cause in causes):
                raise
            refusal = HubError(without(f"{what}: {_reason(causes)}", token))
        if pause is None or attempt == ATTEMPTS:
            raise refusal
        if attempt == _TOLD and any(isinstance(cause, httpx2.TransportError) for cause in causes):
            tell("can't be reached; giving up in about a minute")
        time.sleep(pause)


def without(text: str, token: str | None) -> str:
    """Return the text in one line, with `***` in place of the token (by default the one that the client finds)."""
    token = token or get_token()
    text = one_line(text)
    return text.replace(token, "***") if token else text


def status(error: BaseException) -> int | None:
    """Return the HTTP status that an error of the client is about."""
    return error.response.status_code if isinstance(error, HfHubHTTPError) else None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and what it was raised from: the client wraps failed uploads and downloads."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def _pause(error: BaseException, attempt: int) -> float | None:
    """Seconds to wait before the next attempt; None: another attempt would end the same."""
    backoff: float = min(FIRST_PAUSE * 2 ** (attempt - 1), LONGEST_PAUSE)
    if isinstance(error, HfHubHTTPError) and status(error) in _AGAIN:
        asked = str(error.response.headers.get("Retry-After", ""))
        return max(backoff, float(asked)) if asked.isdecimal() else backoff
    return backoff if isinstance(error, httpx2.TransportError | Moved) else None


def _reason(causes: list[BaseException]) -> str:
    """Return what went wrong and how to fix it, from the first cause that says."""
    for error in causes:
        if isinstance(error, GatedRepoError):
            return "the repository is gated; ask for access on its page on the Hub, and log in"
        if isinstance(error, RevisionNotFoundError):
            return "there is no such revision; give a tag (v-…), a branch or a commit of the repository"
        if status(error) == 401 and "Invalid credentials" in str(error):
            return f"the token is not valid; {_LOGIN}"
        if isinstance(error, RepositoryNotFoundError):
            who = "and the token may see it" if get_token() else f"and, if it is private, {_LOGIN}"
            return f"there is no such dataset repository for you; check that the name is right {who}"
        if status(error) == 401 or isinstance(error, LocalTokenNotFoundError):
            return f"the Hub asks who you are; {_LOGIN}"
        if status(error) == 403:
            return "the token does not allow it; use one with write access to this namespace (hf.co/settings/tokens)"
        if isinstance(error, OfflineModeIsEnabled):
            return "HF_HUB_OFFLINE is set; unset it, or leave out --hub"
        if isinstance(error, Moved) or status(error) in {409, 412}:
            return f"others kept changing the repository, {ATTEMPTS} times in a row; run the same command again"
        if status(error) == 429:
            return "the Hub limits the rate of requests; wait some minutes, then run the same command again"
        if isinstance(error, HfHubHTTPError):
            return f"the Hub answered {status(error)} ({error}); run the same command again to go on"
        if isinstance(error, httpx2.TransportError):
            return f"the Hub can't be reached ({error or type(error).__name__}); run the same command again to go on"
    return f"{causes[0]}; run the same command again to go on"
