"""The manifest of a version: its row files with their checksums, and one sha of its content."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from sca_hf.identity import digest

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class File:
    """A file of rows: name relative to the version's folder, SHA-256 (hex), size in bytes, number of rows."""

    name: str
    sha256: str
    bytes: int
    rows: int


@dataclass(frozen=True)
class Manifest:
    """The files under `data/`, `rejected/` and `formats/`. Measurements, timings, card and lineage are not content."""

    files: tuple[File, ...]

    @property
    def sha(self) -> str:
        """64 hex digits over the names and checksums, in the order of the names."""
        return digest(*(part for file in self._sorted() for part in (file.name, file.sha256)))

    def of(self, folder: str) -> tuple[File, ...]:
        """Return the files of one folder, in the order of the rows."""
        return tuple(file for file in self._sorted() if file.name.startswith(f"{folder}/"))

    def write(self, root: Path) -> None:
        """Write `manifest.json` into the version's folder."""
        content = {"manifest_sha": self.sha, "files": [asdict(file) for file in self._sorted()]}
        (root / MANIFEST).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")

    def _sorted(self) -> list[File]:
        return sorted(self.files, key=lambda file: file.name)


def format_folder(name: str) -> str:
    """The folder of the kept rows in the format `name`."""
    return f"formats/{name}"


def read_manifest(root: Path) -> Manifest:
    """Return the manifest in a version's folder. Raises OSError or ValueError if there is none that can be read."""
    content = json.loads((root / MANIFEST).read_text(encoding="utf-8"))
    try:
        return Manifest(tuple(File(**file) for file in content["files"]))
    except (KeyError, TypeError) as error:
        raise ValueError(f"{root / MANIFEST} is not a manifest: {error!r}") from error
