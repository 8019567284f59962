"""Which version of a dataset's folder is the latest, and which ones are pilots'.

A link `latest` leads to the one, files in `.pilots` name the others. A card beside them leads `datasets` to the latest
alone.
"""

from pathlib import Path

from sca_hf.store.cards.dataset import readme_of_latest, readme_without_latest
from sca_hf.store.lineage import FILE as LINEAGE
from sca_hf.store.manifest import MANIFEST
from sca_hf.store.temporary import temporary_folder

_LATEST = "latest"
_README = "README.md"
_PILOTS = ".pilots"


def latest(folder: Path) -> str | None:
    """Return the fingerprint of the latest version, or None."""
    link = folder / _LATEST
    return link.readlink().name if link.is_symlink() else None


def make_latest(folder: Path, fingerprint: str) -> None:
    """Make a version the latest, and no pilot's any more. Raises OSError."""
    (folder / _PILOTS / fingerprint).unlink(missing_ok=True)
    _write_card(folder, readme_of_latest(folder / fingerprint))
    with temporary_folder(folder) as temporary:
        (temporary / _LATEST).symlink_to(fingerprint)
        (temporary / _LATEST).replace(folder / _LATEST)


def forget(folder: Path, fingerprint: str) -> None:
    """Take away what says that a version, now removed, is the latest, or a pilot's. Raises OSError.

    The newest of those that are left and no pilot's is the latest then.
    """
    (folder / _PILOTS / fingerprint).unlink(missing_ok=True)
    if latest(folder) == fingerprint:
        (folder / _LATEST).unlink()
        if newest := _newest(folder):
            make_latest(folder, newest)
        else:
            _write_card(folder, readme_without_latest())


def mark_pilot(folder: Path, fingerprint: str) -> None:
    """Make a version, which may not be there yet, a pilot's. Raises OSError."""
    (folder / _PILOTS).mkdir(exist_ok=True)
    (folder / _PILOTS / fingerprint).touch()
    if latest(folder) is None:
        _write_card(folder, readme_without_latest())


def is_pilot(folder: Path, fingerprint: str) -> bool:
    """Return whether a version is a pilot's."""
    return (folder / _PILOTS / fingerprint).exists()


def _newest(folder: Path) -> str | None:
    written = {
        file.parent.name: file.stat().st_mtime_ns
        for file in sorted(folder.glob(f"[!.]*/{LINEAGE}"))
        if not is_pilot(folder, file.parent.name) and (file.parent / MANIFEST).is_file()
    }
    return max(written, key=written.__getitem__, default=None)


def _write_card(folder: Path, text: str) -> None:
    with temporary_folder(folder) as temporary:
        (temporary / _README).write_text(text, encoding="utf-8")
        (temporary / _README).replace(folder / _README)
