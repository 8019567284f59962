"""Commits with all files of a version, each checked against what the Hub then lists."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import RevisionNotFoundError
from huggingface_hub.hf_api import RepoFile

from sca_hf.errors import HubError
from sca_hf.store.hub.edited_card import CARD, GENERATED, keep_edit
from sca_hf.store.hub.retry import Moved
from sca_hf.store.manifest import MANIFEST, read_manifest
from sca_hf.store.parquet import sha256
from sca_hf.store.store import Version
from sca_hf.wording import counted

# What a commit replaces as a whole. Other files in a repository are its owner's and stay.
_ROWS = ("data/", "formats/", "rejected/", "measurements/")


def listing(api: HfApi, repo: str, revision: str) -> dict[str, RepoFile]:
    """Return all files of a revision by path."""
    entries = api.list_repo_tree(repo, repo_type="dataset", revision=revision, recursive=True)
    return {entry.path: entry for entry in entries if isinstance(entry, RepoFile)}


def commit_to_branch(api: HfApi, repo: str, branch: str, version: Version) -> str:
    """As `commit_version`, to a branch that is made from `main` unless it is there."""
    api.create_branch(repo, repo_type="dataset", branch=branch, exist_ok=True)
    try:
        return commit_version(api, repo, branch, version)
    except RevisionNotFoundError:
        raise Moved(f"branch {branch} of {repo} is gone") from None
    except HubError:
        api.delete_branch(repo, repo_type="dataset", branch=branch)
        raise


def commit_version(api: HfApi, repo: str, branch: str, version: Version) -> str:
    """Commit the version's files to a branch; the commit's id. Raises Moved if others committed to it meanwhile,
    HubError if it holds rows of something else.

    Where the branch holds just these files there is no new commit, but the one that is there.
    """
    head = str(api.repo_info(repo, repo_type="dataset", revision=branch).sha)
    before = listing(api, repo, head)
    if MANIFEST not in before and any(path.startswith(_ROWS) for path in before):
        raise HubError(f"{repo} holds data that no run put there; they stay: give another name with --hub")
    files = _files(api, repo, head, before, version)
    stale = [path for path in before if path.startswith(_ROWS) and path not in files]
    info = api.create_commit(
        repo,
        [
            *(CommitOperationAdd(path, content) for path, content in files.items()),
            *(CommitOperationDelete(path) for path in stale),
        ],
        repo_type="dataset",
        revision=branch,
        commit_message=f"Version {version.fingerprint}, {counted(version.counts.kept, 'row')}",
        parent_commit=head,
    )
    after = listing(api, repo, info.oid)
    checksums = {file.name: file.sha256 for file in read_manifest(version.path).files}
    same = all(path in after and _same(after[path], content, checksums.get(path)) for path, content in files.items())
    if not same or any(path.startswith(_ROWS) and path not in files for path in after):
        raise Moved(f"commit {info.oid} of {repo} is not the one that was sent")
    return info.oid


def _files(
    api: HfApi, repo: str, head: str, before: Mapping[str, RepoFile], version: Version
) -> dict[str, str | bytes]:
    """Return what the repository is to hold of the version: for each path a file's name or the content itself."""
    files: dict[str, str | bytes] = {path: str(version.path / path) for path in _paths(version.path)}
    files[GENERATED] = files[CARD]
    if CARD in before and (GENERATED not in before or before[CARD].blob_id != before[GENERATED].blob_id):
        edited = Path(api.hf_hub_download(repo, CARD, repo_type="dataset", revision=head)).read_text(encoding="utf-8")
        files[CARD] = keep_edit(edited, (version.path / CARD).read_text(encoding="utf-8")).encode()
    return files


def _paths(root: Path) -> Iterator[str]:
    for path in sorted(root.rglob("*")):
        if path.is_file():
            yield path.relative_to(root).as_posix()


def _same(listed: RepoFile, content: str | bytes, checksum: str | None) -> bool:
    """Return whether the Hub lists just this content: by its SHA-256 if it is an LFS file, else by its git blob id."""
    if listed.lfs is not None:
        if checksum is None:
            checksum = hashlib.sha256(content).hexdigest() if isinstance(content, bytes) else sha256(Path(content))
        return listed.lfs.sha256 == checksum
    read = content if isinstance(content, bytes) else Path(content).read_bytes()
    return listed.blob_id == hashlib.sha1(b"blob %d\0" % len(read) + read, usedforsecurity=False).hexdigest()
