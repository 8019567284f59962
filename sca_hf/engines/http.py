"""One server behind HTTP, asked over connections that are kept open, and what its failures mean.

aiohttp as it is: a call costs 0.2 ms of this process, where the client of openai takes 2.7 (scripts/bench_machines.py).
"""

import json
import os
import time
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from sca_hf.engines import Completion, Prompt, Sampling
from sca_hf.errors import EngineUnavailable

if TYPE_CHECKING:
    from aiohttp import ClientSession

_LOOK_SECONDS = 10.0
_CONNECT_SECONDS = 10.0
# Less than the 5 s after which uvicorn, under vLLM, closes an idle connection: a call on one that closes is lost.
_KEEP_OPEN_SECONDS = 3.0
_BUSY = frozenset({429, 502, 503, 504})


class Unreachable(Exception):
    """The server was not there, so the call did not even begin."""


class Busy(Exception):
    """The server asks for patience: `seconds` of it, if it says so."""

    def __init__(self, why: str, seconds: float | None = None) -> None:
        super().__init__(why)
        self.seconds = seconds


class Failed(Exception):
    """The call failed on the way or in the server, and may succeed the next time."""


class HttpServer(ABC):
    """A server at `url`. `variable`: of the environment, holds its key, if it asks for one."""

    def __init__(self, url: str, variable: str, request_seconds: float) -> None:
        self.url = url
        self._variable = variable
        self._request_seconds = request_seconds
        self._session: ClientSession | None = None

    @abstractmethod
    async def ask(self, prompt: Prompt, sampling: Sampling) -> Completion:
        """Return one sample. Raises the three above, RowFailure, or EngineUnavailable where no call can succeed."""

    async def close(self) -> None:
        """Close its connections."""
        if self._session is not None:
            await self._session.close()

    async def _post(self, address: str, body: Mapping[str, Any]) -> tuple[int, Mapping[str, str], bytes]:
        """Return status, headers and content of the answer. Raises Unreachable and Failed."""
        import aiohttp

        session = self._opened()
        try:
            async with session.post(address, data=json.dumps(body).encode()) as answer:
                return answer.status, answer.headers, await answer.read()
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise Unreachable(self._hidden(error) or "can't connect") from None
        except TimeoutError:
            raise Failed("no answer in time") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Failed(self._hidden(error) or "the connection was cut") from None

    def _content(self, content: bytes) -> Any:
        """Return the JSON of an answer. Raises Failed where it is none."""
        try:
            return json.loads(content)
        except ValueError as error:  # broken, or invalid UTF-8
            raise Failed(f"it answers nonsense: {type(error).__name__}") from None

    def _refusal(self, status: int, headers: Mapping[str, str], said: str) -> Exception:
        """Return what a status means that all servers mean alike."""
        if status in _BUSY:
            return Busy(said, seconds_of(headers.get("Retry-After")))
        if status in {401, 403}:
            return wrong_key(self.url, status, self._variable)
        return Failed(said)

    def _hidden(self, said: object) -> str:
        return without(str(said), key_of(self._variable))

    def _opened(self) -> "ClientSession":
        """Its connections, in the event loop that runs."""
        if self._session is None:
            import aiohttp

            key = key_of(self._variable)
            headers = {"Content-Type": "application/json"}
            if key and "@" not in urlsplit(self.url).netloc:
                headers["Authorization"] = f"Bearer {key}"
            self._session = aiohttp.ClientSession(
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=self._request_seconds, sock_connect=_CONNECT_SECONDS),
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_OPEN_SECONDS),
                trust_env=bool(urllib.request.getproxies()),  # looked up at each call, if at all
            )
        return self._session


def read_json(address: str, variable: str, url: str) -> dict[str, Any]:
    """A JSON object from `address` of the server at `url`, with the key in `variable`. Raises as `HttpServer.ask`."""
    key = key_of(variable)
    request = urllib.request.Request(address, headers={"Authorization": f"Bearer {key}"} if key else {})
    try:
        with urllib.request.urlopen(request, timeout=_LOOK_SECONDS) as answer:
            content = json.load(answer)
    except urllib.error.HTTPError as error:
        if error.code in {401, 403}:
            raise wrong_key(url, error.code, variable) from None
        if error.code in _BUSY:
            raise Busy(f"status {error.code}") from None
        raise Failed(f"status {error.code}") from None
    except (OSError, ValueError) as error:
        raise Unreachable(without(str(error), key)) from None
    if not isinstance(content, dict):
        raise Failed("it answers nonsense")
    return content


def seconds_of(retry_after: str | None) -> float | None:
    """Return how long a Retry-After header says to wait, in seconds or as a date; None where it says neither."""
    if not retry_after:
        return None
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except ValueError:
        return None


def wrong_key(url: str, status: int, variable: str) -> EngineUnavailable:
    """Return the error of a server that refuses access."""
    state = "is not the one that it takes" if key_of(variable) else "is not set"
    return EngineUnavailable(
        f"{shown(url)} refuses access (status {status}); {variable} {state}: set it to the server's key"
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
