"""Where seeds come from: one row a source file, and a sha of all of them.

A source is `stdlib` (the running interpreter's standard library), a folder of Python files, one or several git
checkouts, a JSON or Parquet file with a text column, the folder of a dataset version, or a dataset on the Hub. Data may
have the layout of The Stack.
"""

import hashlib
import os
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from glob import escape
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Dataset, load_dataset

from sca_hf.corpus.columns import FEATURES, column_map
from sca_hf.corpus.data_files import FORMATS, bad_line, ending_of
from sca_hf.corpus.git import checkout_of, is_checkout, open_checkout
from sca_hf.corpus.hub import SCHEME, File, FileStream, open_hub_source
from sca_hf.corpus.spdx import UNKNOWN, is_license_file, license_in, licenses_of
from sca_hf.errors import InputError, one_line
from sca_hf.identity import row_id

STDLIB = "stdlib"
STDLIB_LICENSE = "PSF-2.0"
MAX_FILE_BYTES = 1_000_000  # and one more byte of a larger file is read: enough to see that it is larger

_KINDS = (
    f"{STDLIB!r}, a folder of *.py files or git checkouts, a file that ends in {', '.join(FORMATS)}, "
    f"the folder of a version, or {SCHEME}namespace/name"
)
_NOT_SOURCES = {"__pycache__", "node_modules", "site-packages", "dist-packages"}
# Test data, among it files broken on purpose, and applications.
_NOT_LIBRARY = frozenset({"test", "tests", "idlelib", "turtledemo", "lib2to3"})
# Written when Python is built or packaged: they differ between machines with the same Python.
_OF_THE_BUILD = ("_sysconfigdata", "sitecustomize.py", "usercustomize.py")


@dataclass(frozen=True)
class Source:
    """`rows`: a Dataset, or of a dataset on the Hub a FileStream, with `path` (relative, "/" between parts), `content`
    (bytes, null if the file can't be read) and `license`.

    A path begins with the repository where the source says it, that of a git checkout with `repository@commit`; several
    licenses of one file are joined by " AND ".

    `sha`: SHA-256, hex, of what `rows` were made of: the paths, bytes and licenses of the files, or the data files'
    bytes, or the commit of a dataset on the Hub. `name`: that dataset and commit.
    """

    rows: Any
    sha: str
    name: str | None = None


def open_source(
    source: str,
    column: str = "content",
    license: str = "unknown",
    *,
    config: str | None = None,
    data_dir: str | None = None,
    split: str = "train",
    endings: tuple[str, ...] = (".py",),
    patient: bool = True,
) -> Source:
    """Open a source of files of one language.

    `column`: the text column of a data file, a version or a dataset on the Hub, whose columns for path, repository and
    license (a text, or a list of texts) are used where they are.
    `license`: an SPDX id for files that neither say their own, nor have a license file above them. `config`,
    `data_dir`, `split`: which rows of a dataset on the Hub (`hf://namespace/name` or `hf://namespace/name@revision`),
    which is read when its rows are asked for.
    `endings`: of the names of the files that are taken from folders and checkouts; of data all rows are.
    `patient`: wait for a Hub that does not answer. Raises InputError when there is no such source, it is of an unknown
    kind, lacks the column, or has no row; HubError when the Hub refuses or does not answer.
    """
    if source.startswith(SCHEME):
        hub_source = open_hub_source(source, config, data_dir, split, column, license, patient)
        return Source(FileStream(hub_source), hub_source.sha, hub_source.name)
    if source == STDLIB:
        root = Path(sysconfig.get_path("stdlib"))
        paths = (
            path for path in _source_files(root, (".py",), _NOT_LIBRARY) if not path.name.startswith(_OF_THE_BUILD)
        )
        return _from_files(root, (_file(root, path, STDLIB_LICENSE) for path in paths), (".py",))
    path = Path(source).expanduser()
    if (path / "lineage.json").is_file() and (shards := sorted((path / "data").glob("*.parquet"))):
        return _from_data(path, shards, "parquet", column, license)
    if path.is_dir():
        files = _files_of_checkout(path, endings, license) or _files_and_checkouts(path, endings, license)
        return _from_files(path, files, endings)
    if not path.exists():
        raise InputError(f"seed source {source!r} does not exist; give {_KINDS}")
    format = FORMATS.get(ending_of(path) or "")
    if not path.is_file() or format is None:
        raise InputError(f"seed source {source!r} is of an unknown kind; give {_KINDS}")
    return _from_data(path, [path], format, column, license)


def _files_of_checkout(folder: Path, endings: tuple[str, ...], license: str) -> list[File]:
    """Return the files in a sub-folder of a git checkout; none if it is not in one, or nothing in it is committed."""
    root = checkout_of(folder)
    if root is None or root == folder.resolve():
        return []
    begin = f"{folder.resolve().relative_to(root).as_posix()}/"

    def wanted(path: str) -> bool:
        return path.startswith(begin) and _is_source(endings, path.removeprefix(begin))

    return list(open_checkout(root, license).files(wanted, MAX_FILE_BYTES))


def _files_and_checkouts(root: Path, endings: tuple[str, ...], license: str) -> Iterator[File]:
    """The files of a folder, and in the place of each git checkout in it, or of itself, those that are committed."""
    checkouts: list[Path] = []

    @cache
    def license_of(folder: Path) -> str:
        named = sorted(path for path in folder.iterdir() if is_license_file(path.name) and path.is_file())
        texts = [(_read(path) or b"").decode("utf-8", "replace") for path in named]
        if texts:
            return licenses_of(texts) or (license if folder == root else UNKNOWN)
        return license if folder == root else license_of(folder.parent)

    for path in _source_files(root, endings, checkouts=checkouts):
        yield _file(root, path, license_of(path.parent))
    for folder in checkouts:
        yield from open_checkout(folder, license).files(partial(_is_source, endings), MAX_FILE_BYTES)


def _source_files(
    root: Path,
    endings: tuple[str, ...],
    left_out: frozenset[str] = frozenset(),
    checkouts: list[Path] | None = None,
) -> Iterator[Path]:
    """Regular files with such names, folder by folder, sorted.

    None of hidden folders, installed packages and environments. `checkouts`: takes the git checkouts that there are,
    whose files are then left out.
    """
    for folder, names, files in os.walk(root):
        if checkouts is not None and is_checkout(Path(folder)):
            checkouts.append(Path(folder))
            names[:] = []
            continue
        names[:] = sorted(
            name
            for name in names
            if _is_source_folder(name) and name not in left_out and not Path(folder, name, "pyvenv.cfg").exists()
        )
        for name in sorted(files):
            path = Path(folder, name)
            if _is_source_file(endings, name) and path.is_file():
                yield path


def _is_source(endings: tuple[str, ...], path: str) -> bool:
    *folders, name = path.split("/")
    return _is_source_file(endings, name) and all(map(_is_source_folder, folders))


def _is_source_file(endings: tuple[str, ...], name: str) -> bool:
    return name.endswith(endings) and not name.startswith(".")


def _is_source_folder(name: str) -> bool:
    return not name.startswith(".") and name not in _NOT_SOURCES


def _file(root: Path, path: Path, license: str) -> File:
    content = _read(path)
    name = path.relative_to(root).as_posix().encode("utf-8", "backslashreplace").decode()
    return name, content, license_in(content) or license


def _from_files(root: Path, files: Iterable[File], endings: tuple[str, ...]) -> Source:
    rows = list(files)
    if not rows:
        raise InputError(f"seed source {str(root)!r} has no *{' or *'.join(endings)} file; give {_KINDS}")
    sha = hashlib.sha256()
    for name, content, license in rows:
        for part in (name.encode(), b"" if content is None else content, license.encode()):
            sha.update(f"{len(part)}:".encode())
            sha.update(part)
    columns = dict(zip(FEATURES, zip(*rows, strict=True), strict=True))
    return Source(Dataset(pa.table(columns, schema=FEATURES.arrow_schema)), sha.hexdigest())


def _read(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES + 1)
    except OSError:
        return None


def _from_data(source: Path, files: Sequence[Path], format: str, column: str, license: str) -> Source:
    sha = hashlib.sha256()
    try:
        for file in files:
            with file.open("rb") as opened:
                sha.update(hashlib.file_digest(opened, "sha256").digest())
        patterns = [escape(str(file.resolve())) for file in files]
        # `datasets` refuses files without any row
        filled = any(pq.read_metadata(file).num_rows if format == "parquet" else file.stat().st_size for file in files)
        rows = load_dataset(format, data_files=patterns, split="train") if filled else None
    except Exception as error:  # `datasets` wraps what its readers raise in many types
        cause = next(filter(None, map(bad_line, files)), "") or one_line(error.__cause__ or error)
        raise InputError(f"seed source {str(source)!r} can't be read as {format} ({cause}); give {_KINDS}") from error
    if not rows:
        raise InputError(f"seed source {str(source)!r} has no row; give one with at least one source file")
    layout = column_map(str(source), rows.features, column)

    def as_files(batch: dict[str, list[Any]], numbers: list[int]) -> dict[str, list[Any]]:
        return layout.files(batch, [f"{source.name}:{number + 1}" for number in numbers], license)

    rows = rows.map(
        as_files,
        batched=True,
        with_indices=True,
        remove_columns=rows.column_names,
        features=FEATURES,
        new_fingerprint=row_id("source", sha.hexdigest(), column, license, len(rows)),
        load_from_cache_file=False,
        desc="source",
    )
    return Source(rows, sha.hexdigest())
