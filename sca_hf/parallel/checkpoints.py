"""Finished parts of a long stage, kept on disk until the stage is done: what is killed goes on where it was.

finished = Checkpoints(folder, "seeds", settings)
rows = finished.part(("files", sha), lambda: judge(files))
"""

import json
import shutil
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from sca_hf.identity import digest

Part = TypeVar("Part")


class Checkpoints:
    """Parts in `folder` (null: nothing is kept), by all that determines them: `scope` and the key of the part.

    A part is written aside and renamed, so it is there whole or not at all. Many processes may share a folder.
    """

    def __init__(self, folder: Path | None, *scope: str) -> None:
        self.folder, self.scope = folder, scope

    def part(self, key: Sequence[str], make: Callable[[], Part]) -> Part:
        """Return what `make` gives, JSON-able: as it was kept, or made and kept now."""
        checkpoint: Part | None = self.kept(key)
        if checkpoint is not None:
            return checkpoint
        part = make()
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            path = self._path(self.folder, key)
            aside = path.with_suffix(f".{uuid.uuid4().hex}")
            aside.write_text(json.dumps(part))
            aside.replace(path)
        return part

    def kept(self, key: Sequence[str]) -> Any:
        """Return the part as it was kept, or None: there is none, or only a piece of it, since the machine stopped."""
        if self.folder is None:
            return None
        try:
            return json.loads(self._path(self.folder, key).read_bytes())
        except (FileNotFoundError, ValueError):
            return None

    def count(self) -> int:
        """Return how many parts are kept."""
        return sum(1 for _ in self.folder.glob("*.json")) if self.folder is not None else 0

    def forget(self) -> None:
        """Remove what was kept."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, folder: Path, key: Sequence[str]) -> Path:
        return folder / f"{digest(*self.scope, *key)}.json"
