"""Repositories of the loopback Hub: commits, branches and tags in memory, and their listings in the Hub's terms."""

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

DATE = "2026-01-02T03:04:05.000Z"

_LICENSES = {"mit", "apache-2.0", "bsd-3-clause", "other", "unknown"}
_SIZES = re.compile(r"n<1K|1K<n<10K|10K<n<100K|100K<n<1M|1M<n<10M|10M<n<100M")
_REGULAR_BYTES = 10_000_000


class Refused(Exception):
    """An answer that is an error of the protocol."""

    def __init__(self, status: int, message: str, code: str | None = None, **body: Any) -> None:
        super().__init__(message)
        self.status, self.code, self.body = status, code, {"error": message, **body}


@dataclass(frozen=True)
class Blob:
    """A file of a commit. `lfs`: SHA-256 of an LFS object; otherwise `content` is the file."""

    oid: str
    size: int
    content: bytes | None
    lfs: str | None = None


@dataclass(frozen=True)
class Commit:
    oid: str
    parent: str | None
    title: str
    files: dict[str, Blob]


@dataclass
class Repo:
    """A dataset repository. `gated`: only its owner reads files."""

    id: str
    private: bool
    gated: bool = False
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def resolve(self, revision: str) -> Commit:
        oid = self.branches.get(revision) or self.tags.get(revision) or revision
        if oid not in self.commits:
            raise Refused(404, f"Revision {revision} not found", "RevisionNotFound")
        return self.commits[oid]

    def add(self, branch: str, title: str, files: dict[str, Blob]) -> Commit:
        parent = self.branches.get(branch)
        listing = "".join(f"{path} {blob.oid}\n" for path, blob in sorted(files.items()))
        commit = Commit(sha1(f"{parent}\n{title}\n{listing}".encode()), parent, title, files)
        self.commits[commit.oid] = commit
        self.branches[branch] = commit.oid
        return commit


def revisions(repo: Repo) -> Iterator[str]:
    yield from (*repo.branches, *repo.tags, *repo.commits)


def tree(commit: Commit, folder: str, recursive: bool) -> list[dict[str, Any]]:
    prefix = f"{folder}/" if folder else ""
    below = {path: blob for path, blob in sorted(commit.files.items()) if path.startswith(prefix)}
    if folder and not below:
        raise Refused(404, f"{folder} does not exist", "EntryNotFound")
    folders = sorted(
        {str(parent) for path in below for parent in Path(path).parents if str(parent) not in {".", folder}}
    )
    items: list[dict[str, Any]] = [
        {"type": "directory", "oid": sha1(name.encode()), "size": 0, "path": name}
        for name in folders
        if name.startswith(prefix)
    ]
    for path, blob in below.items():
        item: dict[str, Any] = {"type": "file", "oid": blob.oid, "size": blob.size, "path": path}
        if blob.lfs:
            item["lfs"] = {"oid": blob.lfs, "size": blob.size, "pointerSize": 134}
        item["lastCommit"] = {"id": commit.oid, "title": commit.title, "date": DATE}
        items.append(item)
    return [item for item in items if recursive or "/" not in item["path"].removeprefix(prefix)]


def mode(file: dict[str, Any], held: Blob | None) -> dict[str, Any]:
    large = file["size"] > _REGULAR_BYTES or b"\0" in base64.b64decode(file["sample"])
    mode = "lfs" if large or file["path"].endswith((".parquet", ".png")) else "regular"
    known = {"oid": held.lfs or held.oid} if held else {}
    return {"path": file["path"], "uploadMode": mode, "shouldIgnore": False, **known}


def log(repo: Repo, commit: Commit | None) -> Iterator[dict[str, Any]]:
    while commit is not None:
        yield {"id": commit.oid, "title": commit.title, "message": "", "authors": [{"user": "alice"}], "date": DATE}
        commit = repo.commits[commit.parent] if commit.parent else None


def validate(card: str) -> Any:
    """The fields of a card that the real Hub refuses when they are wrong."""
    head = card.split("---")[1] if card.startswith("---") else ""
    try:
        metadata = yaml.safe_load(head) or {}
    except yaml.YAMLError as error:
        raise Refused(400, f"Invalid YAML: {error}", None, errors=[{"message": "Invalid YAML"}]) from error
    license = metadata.get("license", "mit")
    errors = [] if license in _LICENSES else [f'"license" must be one of the known licenses, not {license}']
    errors += [
        f'"size_categories" {size}' for size in metadata.get("size_categories", []) if not _SIZES.fullmatch(size)
    ]
    if errors:
        raise Refused(400, "Invalid metadata in README.md", None, errors=[{"message": error} for error in errors])
    return {"errors": [], "warnings": []}


def regular(content: bytes) -> Blob:
    return Blob(sha1(b"blob %d\0" % len(content) + content), len(content), content)


def sha1(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()
