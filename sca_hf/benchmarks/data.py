"""Where benchmarks' rows come from: a folder of the user's, the Hub, or a pinned file of a release.

Nothing of a repository is run: rows are JSON or Parquet. `Rows.revision` is a hash of the rows themselves, so that it
says what was graded wherever they came from.
"""

import gzip
import hashlib
import json
import logging
import urllib.request
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sca_hf.errors import InputError, one_line
from sca_hf.identity import digest
from sca_hf.store.hub.retry import waiting

Row = dict[str, Any]

_SECONDS = 60


@dataclass(frozen=True)
class Source:
    """`files`: names to look for in a folder of the user's.

    Elsewhere, `repo`: a dataset on the Hub at `revision`, a commit, with `config` and `split`, or with `path`, one of
    its files; or `url`: a file of a release, whose unpacked content has `md5`.
    """

    files: tuple[str, ...]
    repo: str = ""
    config: str | None = None
    split: str = "test"
    revision: str = ""
    path: str = ""
    url: str = ""
    md5: str = ""


@dataclass(frozen=True)
class Rows:
    """`revision`: 12 hex digits, of the rows' content."""

    rows: Sequence[Row]
    revision: str


def load_rows(name: str, source: Source, folder: Path | None) -> Rows:
    """The rows of benchmark `name`. Raises InputError, in one line, where they can't be had."""
    rows = _from_folder(name, source, folder) if folder is not None else _from_network(name, source)
    if not rows:
        raise InputError(f"benchmark {name!r} has no rows in {folder or source.repo or source.url}")
    return Rows(rows, digest(*(json.dumps(row, sort_keys=True) for row in rows))[:12])


def need(name: str, rows: Iterable[Row], columns: Sequence[str]) -> None:
    """Raise InputError where a row lacks a column."""
    for row in rows:
        missing = [column for column in columns if column not in row]
        if missing:
            raise InputError(
                f"benchmark {name!r}: a row has no {missing[0]!r}, only {sorted(row)}; give its published file"
            )


def _from_folder(name: str, source: Source, folder: Path) -> list[Row]:
    for file in source.files:
        for path in (folder / file, folder / Path(file).name):
            if path.is_file():
                return _read(name, path.name, path.read_bytes())
    raise InputError(f"benchmark {name!r}: --data-dir {folder} has none of {', '.join(source.files)}; put it there")


def _from_network(name: str, source: Source) -> list[Row]:
    where = source.repo or source.url
    try:
        if source.url:
            return _from_release(name, source)
        from datasets import load_dataset
        from huggingface_hub import hf_hub_download

        with asking_hub(name):
            if source.path:
                file = hf_hub_download(source.repo, source.path, repo_type="dataset", revision=source.revision)
                return _read(name, source.path, Path(file).read_bytes())
            rows = load_dataset(source.repo, source.config, split=source.split, revision=source.revision)
            return [dict(row) for row in rows]
    except InputError:
        raise
    except Exception as error:  # `datasets` raises many types, from offline mode to a broken file
        raise InputError(
            f"benchmark {name!r} can't be had from {where} ({one_line(error)[:200]}); connect, "
            f"or give --data-dir DIR with {source.files[0]}"
        ) from error


@contextmanager
def asking_hub(benchmark: str) -> Iterator[None]:
    """Say once that the Hub is waited for, and keep back warnings of each attempt: the error after the last says it."""
    log = logging.getLogger("huggingface_hub")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with waiting(f"benchmark {benchmark!r}"):
            yield
    finally:
        log.setLevel(level)


def _from_release(name: str, source: Source) -> list[Row]:
    from huggingface_hub import constants

    file = source.url.rsplit("/", 1)[1]
    kept = Path(constants.HF_HOME) / "sca_hf" / f"{source.md5}-{file}"
    if not kept.is_file():
        with urllib.request.urlopen(source.url, timeout=_SECONDS) as answer:
            content = answer.read()
        found = hashlib.md5(gzip.decompress(content), usedforsecurity=False).hexdigest()
        if found != source.md5:
            raise InputError(f"benchmark {name!r}: {source.url} has md5 {found}, not {source.md5}; give --data-dir")
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(content)
    return _read(name, file, kept.read_bytes())


def _read(name: str, file: str, content: bytes) -> list[Row]:
    try:
        text = (gzip.decompress(content) if file.endswith(".gz") else content).decode()
        if file.removesuffix(".gz").endswith(".json"):
            rows = json.loads(text)
        else:
            # Not `splitlines`: JSON may hold other line breaks of Unicode.
            rows = [json.loads(line) for line in text.split("\n") if line.strip()]
        return [dict(row) for row in rows]
    except (ValueError, TypeError, OSError, EOFError) as error:
        raise InputError(f"benchmark {name!r}: {file} can't be read ({one_line(error)}); fetch it again") from error
