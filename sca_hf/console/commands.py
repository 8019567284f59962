"""Commands to try next, as they can be pasted into a shell."""

import json
import shlex
import sys
from pathlib import Path

from sca_hf.store import Version


def command(module: str, *arguments: str) -> str:
    """Return the command line of `python -m sca_hf.<module>`, with this interpreter as it can be typed here."""
    return shlex.join([_python(), "-m", f"sca_hf.{module}", *arguments])


def typed_here(line: str) -> str:
    """Return a command line of a card, which begins with `python` on every machine, with this interpreter."""
    return shlex.quote(_python()) + line.removeprefix("python")


def load_command(version: Version) -> str:
    """Return the command that loads a version's kept rows."""
    code = f"import datasets; print(datasets.load_dataset({json.dumps(str(version.path), ensure_ascii=False)}))"
    return shlex.join([_python(), "-c", code])


def rows_command(version: str, reason: str, store: Path, *, prompt: bool) -> str:
    """Return the command that shows rows rejected for a reason. `version`: dataset, or dataset/fingerprint."""
    more = ["--prompt"] if prompt else []
    return command("versions", "rows", version, "--rejected", reason, "-n", "3", *more, "--store", str(store))


def _python() -> str:
    path = Path(sys.executable)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
