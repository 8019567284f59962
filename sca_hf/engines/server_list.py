"""Where servers are, as given or in a file that may change while a run goes, and what they say first that they run."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sca_hf.engines import EngineIdentity
from sca_hf.engines.http import Busy, Failed, Unreachable, shown
from sca_hf.errors import EngineUnavailable

_LOOKS_AT_ONCE = 32


def read_urls(urls: Sequence[str] | str) -> tuple[str, ...]:
    """Return the addresses: those of a sequence, or those in a file, one a line; lines that begin with # don't count.

    Raises EngineUnavailable for a file that can't be read, or a line that is no address.
    """
    if not isinstance(urls, str):
        return tuple(urls)
    try:
        lines = [line.strip() for line in Path(urls).expanduser().read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise EngineUnavailable(
            f"engine.urls names file {urls!r}, which can't be read ({error}); write one address a line"
        ) from error
    addresses = [line for line in lines if line and not line.startswith("#")]
    for address in addresses:
        if not address.startswith(("http://", "https://")):
            raise EngineUnavailable(
                f"{address!r} in file {urls!r} of engine.urls is no address; begin it with http:// or https://"
            )
    return tuple(dict.fromkeys(addresses))


def ask_first(
    urls: Sequence[str], look: Callable[[str], EngineIdentity], patience: float, *, mixed: bool = False
) -> tuple[EngineIdentity, dict[str, EngineIdentity]]:
    """Return what the first server says that it runs, and what each one says that answers.

    Raises EngineUnavailable if none answers, or if they differ and are not to be `mixed`.
    """
    deadline = time.monotonic() + min(patience, 10.0)
    while True:
        with ThreadPoolExecutor(_LOOKS_AT_ONCE) as threads:
            looks = dict(zip(urls, threads.map(lambda url: _looked(look, url), urls), strict=True))
        there = {url: said for url, said in looks.items() if isinstance(said, EngineIdentity)}
        if there or time.monotonic() > deadline:
            break
        time.sleep(1.0)
    if not there:
        trouble = next((f"{shown(url)}: {said}" for url, said in looks.items()), "none was given")
        raise EngineUnavailable(
            f"no server of engine.urls is up ({trouble}); start one and wait until it has loaded its model, or change "
            "engine.urls"
        )
    first_url, first = next(iter(there.items()))
    for url, identity in there.items():
        if identity != first and not mixed:
            raise EngineUnavailable(
                f"the servers of engine.urls differ: {shown(first_url)} has {first.intent()}, {shown(url)} has "
                f"{identity.intent()}; give servers of one model and one build, or set engine.mixed=true"
            )
    return first, there


def _looked(look: Callable[[str], EngineIdentity], url: str) -> EngineIdentity | Exception:
    try:
        return look(url)
    except (Unreachable, Busy, Failed) as error:
        return error
