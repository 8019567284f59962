"""Source files of git checkouts: what is committed, with the commit, the remote and the repository's license.

Files are read from the commit at HEAD, not from the work tree: so a row says truly where it comes from, a bare
repository will do, and nothing that a repository brings along (hooks, filters, monitors) is run.
"""

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from sca_hf.corpus.spdx import UNKNOWN, is_license_file, license_above, license_in, licenses_of
from sca_hf.errors import InputError

_REGULAR = {"100644", "100755"}
# No settings but the repository's own, of which those that name programs do nothing here; no fetch of missing objects.
_ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
_SETTINGS = ("core.fsmonitor=false", f"core.hooksPath={os.devnull}", "core.pager=cat", "protocol.allow=never")


@dataclass(frozen=True)
class Checkout:
    """A repository at the commit of its HEAD. `name`: its remote as host/owner/name, or the name of its folder.

    `licenses`: by folder ("" is the root), those that its license files name.
    """

    root: Path
    name: str
    commit: str
    licenses: Mapping[str, str]

    def files(self, wanted: Callable[[str], bool], most_bytes: int) -> Iterator[tuple[str, bytes, str]]:
        """Yield path (repository@commit/path), content and license of each committed file that is wanted, by path.

        Read `most_bytes` and one more of a file that is larger. Links and submodules are not files.
        """
        entries = [entry for entry in _entries(self.root, self.commit) if wanted(entry[1])]
        contents = _contents(self.root, [blob for blob, _ in entries], most_bytes)
        for (_, path), content in zip(entries, contents, strict=True):
            license = license_in(content) or license_above(path, self.licenses) or UNKNOWN
            yield f"{self.name}@{self.commit}/{path}", content, license


def is_checkout(folder: Path) -> bool:
    """Return whether a folder is the root of a checkout, or a bare repository."""
    bare = (folder / "HEAD").is_file() and (folder / "objects").is_dir() and (folder / "refs").is_dir()
    # A file in a linked work tree and in a submodule.
    return bare or (folder / ".git").is_file() or (folder / ".git" / "HEAD").is_file()


def checkout_of(folder: Path) -> Path | None:
    """Return the root of the checkout that a folder is in, or is; None if there is none."""
    folder = folder.resolve()
    return next(filter(is_checkout, (folder, *folder.parents)), None)


def open_checkout(root: Path, license: str) -> Checkout:
    """Return the checkout in a folder. `license`: for a repository without a license file that is known.

    Raises InputError when git is missing or can't read it, or when it has no commit.
    """
    commit = _git(root, "rev-parse", "--verify", "--quiet", "HEAD^{commit}").decode().strip()
    if not commit:
        raise InputError(f"git checkout {str(root)!r} has no commit; commit its files first, or copy them to a folder")
    remote = _git(root, "config", "--get", "remote.origin.url").decode("utf-8", "replace").strip()
    named = sorted((path, blob) for blob, path in _entries(root, commit) if is_license_file(path.rpartition("/")[2]))
    texts: dict[str, list[str]] = {"": []}
    for (path, _), content in zip(named, _contents(root, [blob for _, blob in named], 100_000), strict=True):
        texts.setdefault(path.rpartition("/")[0], []).append(content.decode("utf-8", "replace"))
    licenses = {folder: licenses_of(each) or (UNKNOWN if folder else license) for folder, each in texts.items()}
    name = _remote_name(remote) or root.resolve().name.removesuffix(".git")
    return Checkout(root, name, commit, licenses)


def _remote_name(url: str) -> str:
    """host/owner/name, without user, password and port; "" for a path of this machine."""
    if "://" not in url:
        host, colon, path = url.partition(":")
        if not colon or "/" in host:
            return ""
        return f"{host.rpartition('@')[2]}/{path.strip('/').removesuffix('.git')}"
    split = urlsplit(url)
    path = split.path.strip("/").removesuffix(".git")
    return f"{split.hostname}/{path}" if split.hostname and path else ""


def _entries(root: Path, commit: str) -> Iterator[tuple[str, str]]:
    """Blob and path of each regular file of a commit, by path."""
    listed = _git(root, "ls-tree", "-z", "--full-tree", "-r", commit, must=True)
    for line in listed.split(b"\0")[:-1]:
        kind, _, name = line.partition(b"\t")
        mode, _, blob = kind.decode().split()
        if mode in _REGULAR:
            yield blob, name.decode("utf-8", "backslashreplace")


def _contents(root: Path, blobs: Sequence[str], most_bytes: int) -> Iterator[bytes]:
    """Yield the content of each blob, its beginning if it is longer than `most_bytes`."""
    if not blobs:
        return
    with subprocess.Popen(
        _command(root, "cat-file", "--batch"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=_environment(root),
        start_new_session=True,  # a Ctrl-C is this process's: git would look broken
    ) as git:
        assert git.stdin is not None
        assert git.stdout is not None
        for blob in blobs:  # one at a time: neither pipe fills up
            git.stdin.write(f"{blob}\n".encode())
            git.stdin.flush()
            head = git.stdout.readline().split()
            if len(head) != 3:
                raise InputError(f"git checkout {str(root)!r} lacks the object {blob}; clone it in full (no --filter)")
            size = int(head[2])
            content = git.stdout.read(min(size, most_bytes + 1))
            left = size - len(content) + 1  # and a line break
            while left > 0 and (skipped := len(git.stdout.read(min(left, 1 << 20)))):
                left -= skipped
            yield content


def _git(root: Path, *arguments: str, must: bool = False) -> bytes:
    """Return what git prints; b"" when it fails, unless it `must` not."""
    try:
        done = subprocess.run(
            _command(root, *arguments),
            capture_output=True,
            env=_environment(root),
            start_new_session=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise InputError(f"git checkout {str(root)!r} can't be read without git; install it") from error
    if done.returncode and (must or done.returncode > 1):
        said = " ".join(done.stderr.decode("utf-8", "replace").split())
        raise InputError(f"git checkout {str(root)!r} can't be read: {said}; see `git -C {root} fsck`")
    return b"" if done.returncode else done.stdout


def _command(root: Path, *arguments: str) -> list[str]:
    settings = [*_SETTINGS, f"safe.directory={root.resolve()}"]
    return ["git", "-C", str(root), *(part for setting in settings for part in ("-c", setting)), *arguments]


def _environment(root: Path) -> dict[str, str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    # Where there turns out to be no repository, none is looked for in the folders above.
    return environment | _ENVIRONMENT | {"GIT_CEILING_DIRECTORIES": str(root.resolve().parent)}
