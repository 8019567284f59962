"""Git checkouts as sources: what is committed, with commit, remote and license; nothing of a repository is run."""

import os
import subprocess
from pathlib import Path

import pytest

from sca_hf.corpus.sources import MAX_FILE_BYTES, open_source
from sca_hf.corpus.spdx import licenses_of
from sca_hf.errors import InputError

MIT = """MIT License

Permission is hereby granted, free of charge, to any person … The above copyright notice and this permission notice
shall be included in all copies.
"""


def _git(folder: Path, *arguments: str) -> str:
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    who = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main")
    done = subprocess.run(
        ["git", "-C", str(folder), *who, *arguments], env=environment, check=True, capture_output=True
    )
    return done.stdout.decode().strip()


def _repository(folder: Path, files: dict[str, bytes], remote: str = "") -> str:
    """Commit the files; gives the commit."""
    folder.mkdir(parents=True, exist_ok=True)
    _git(folder, "init", "-q")
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    _git(folder, "add", "-f", "--all")
    _git(folder, "commit", "-q", "-m", "first")
    if remote:
        _git(folder, "remote", "add", "origin", remote)
    return _git(folder, "rev-parse", "HEAD")


def test_a_checkout_gives_what_is_committed_with_its_commit_remote_and_license(tmp_path: Path) -> None:
    files = {
        "pkg/b.py": b"b",
        "a.py": b"a",
        "LICENSE": MIT.encode(),
        "big.py": b"#" * (MAX_FILE_BYTES + 9),
        "notes.txt": b"no source",
        ".hidden/x.py": b"hidden",
        "node_modules/y.py": b"package",
    }
    commit = _repository(tmp_path / "code", files, "https://me:secret@github.com/one/repo.git")
    (tmp_path / "code" / "a.py").write_bytes(b"changed, not committed")
    (tmp_path / "code" / "new.py").write_bytes(b"untracked")
    (tmp_path / "code" / "link.py").symlink_to("a.py")
    rows = open_source(str(tmp_path / "code")).rows.to_list()
    begin = f"github.com/one/repo@{commit}"
    assert [row["path"] for row in rows] == [f"{begin}/a.py", f"{begin}/big.py", f"{begin}/pkg/b.py"]
    assert [row["content"][:3] for row in rows] == [b"a", b"###", b"b"]
    assert len(rows[1]["content"]) == MAX_FILE_BYTES + 1
    assert {row["license"] for row in rows} == {"MIT"}


def test_several_checkouts_and_files_lie_in_one_folder_and_bare_ones_do_too(tmp_path: Path) -> None:
    one = _repository(tmp_path / "all" / "one", {"a.py": b"1"}, "git@example.org:group/sub/one.git")
    two = _repository(tmp_path / "two", {"a.py": b"2", "COPYING": b"GNU GENERAL PUBLIC LICENSE Version 3"})
    _git(tmp_path, "clone", "-q", "--bare", "two", "all/two.git")
    (tmp_path / "all" / "plain.py").write_bytes(b"3")
    rows = open_source(str(tmp_path / "all"), license="ISC").rows.to_list()
    assert [(row["path"], row["content"], row["license"]) for row in rows] == [
        ("plain.py", b"3", "ISC"),
        (f"example.org/group/sub/one@{one}/a.py", b"1", "ISC"),
        (f"two@{two}/a.py", b"2", "GPL-3.0"),
    ]


def test_the_same_commit_is_the_same_source_wherever_it_lies(tmp_path: Path) -> None:
    _repository(tmp_path / "code", {"a.py": b"1"})
    first = open_source(str(tmp_path / "code")).sha
    _git(tmp_path, "clone", "-q", "code", "elsewhere/code")
    assert open_source(str(tmp_path / "elsewhere" / "code")).sha == first
    (tmp_path / "code" / "b.py").write_bytes(b"2")
    _git(tmp_path / "code", "add", "b.py")
    _git(tmp_path / "code", "commit", "-q", "-m", "second")
    assert open_source(str(tmp_path / "code")).sha != first


def test_nothing_that_a_repository_brings_along_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _repository(tmp_path / "code", {"a.py": b"1", ".gitattributes": b"*.py filter=evil diff=evil\n"})
    evil = tmp_path / "evil.sh"
    evil.write_text(f"#!/bin/sh\ntouch {tmp_path}/run\ncat\n")
    evil.chmod(0o755)
    for key in ("core.fsmonitor", "core.pager", "filter.evil.smudge", "filter.evil.process", "diff.evil.textconv"):
        _git(tmp_path / "code", "config", key, str(evil))
    _git(tmp_path / "code", "config", "core.hooksPath", str(tmp_path))
    _git(tmp_path / "code", "config", "remote.origin.url", f"ext::{evil}")
    _git(tmp_path / "code", "config", "remote.origin.promisor", "true")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    assert open_source(str(tmp_path / "code")).rows[0]["content"] == b"1"
    blob = next((tmp_path / "code" / ".git" / "objects").glob("??/*"))
    for path in (tmp_path / "code" / ".git" / "objects").glob("??/*"):
        if _git(tmp_path / "code", "cat-file", "-t", path.parent.name + path.name) == "blob":
            blob = path
            blob.unlink()
    with pytest.raises(InputError, match=r"lacks the object|can't be read"):
        open_source(str(tmp_path / "code"))
    assert not (tmp_path / "run").exists()


def test_a_checkout_that_cannot_be_read_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    _git(tmp_path / "empty", "init", "-q")
    with pytest.raises(InputError, match="has no commit; commit its files first"):
        open_source(str(tmp_path / "empty"))
    _repository(tmp_path / "outer", {"a.py": b"1"})
    broken = tmp_path / "outer" / "broken"
    (broken / ".git").mkdir(parents=True)
    (broken / ".git" / "HEAD").write_text("nothing")
    with pytest.raises(InputError, match="broken' can't be read"):  # and not the repository above
        open_source(str(broken))


@pytest.mark.parametrize(
    ("text", "license"),
    [
        (MIT, "MIT"),
        ("Apache License\n   Version 2.0, January 2004\n http://www.apache.org/licenses/", "Apache-2.0"),
        ("GNU GENERAL PUBLIC LICENSE\n Version 2, June 1991", "GPL-2.0"),
        ("GNU LESSER GENERAL PUBLIC LICENSE\n Version 3, 29 June 2007 …", "LGPL-3.0"),
        ("GNU AFFERO GENERAL PUBLIC LICENSE Version 3", "AGPL-3.0"),
        ("Mozilla Public License Version 2.0", "MPL-2.0"),
        ("Redistribution and use in source and binary forms … Neither the name of …", "BSD-3-Clause"),
        ("Redistribution and use in source and binary forms, with or without …", "BSD-2-Clause"),
        ("// SPDX-License-Identifier: MIT OR Apache-2.0", "MIT OR Apache-2.0"),
        ("All rights reserved.", ""),
    ],
)
def test_licenses_are_known_by_their_texts(text: str, license: str) -> None:
    assert licenses_of([text, text]) == license
