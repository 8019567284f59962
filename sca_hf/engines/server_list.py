"""Where servers are: addresses as given, or in a file that may change while a run goes."""

from collections.abc import Sequence
from pathlib import Path

from sca_hf.errors import EngineUnavailable


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
