"""Where the text of prompts comes from: a bundled file, by its name, or any other, by its path."""

from collections.abc import Mapping
from importlib.resources.abc import Traversable
from pathlib import Path

from sca_hf.errors import InputError


def read_prompts(what: str, name_or_path: str, bundled: Mapping[str, Traversable]) -> str:
    """The text of a file. `what`: what a message calls it. Raises InputError when it can't be read."""
    source = bundled.get(name_or_path) or Path(name_or_path)
    try:
        return source.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        known = f"one of {sorted(bundled)}" if len(bundled) > 1 else repr(*bundled)
        raise InputError(f"{what} {name_or_path!r} can't be read ({error}); give a UTF-8 file, or {known}") from error
