"""Whose license a file has: its own tag, the nearest license file above it, the repository's; else unknown."""

from pathlib import Path

import pytest

from sca_hf.corpus.sources import open_source
from sca_hf.corpus.spdx import allows, is_license_file, license_in, licenses_of
from sca_hf.stages.context import Context
from sca_hf.stages.seeds import SeedSettings, seeds
from tests.corpus.test_sources_git import MIT, _repository

APACHE = b"Apache License\n Version 2.0"
FUNCTION = b'def add(a, b):\n    """Add."""\n    return a + b + %d\n'
GPL = b"# SPDX-License-Identifier: GPL-3.0-only\n"
FILES = {
    "LICENSE": APACHE,
    "a.py": FUNCTION % 1,
    "gpl.py": GPL + FUNCTION % 2,
    "vendor/LICENSE.md": MIT.encode(),
    "vendor/deep/er/b.py": FUNCTION % 3,
    "vendor/deep/er/tagged.py": GPL + FUNCTION % 4,
    "own/COPYING": b"All rights reserved.",
    "own/c.py": FUNCTION % 5,
    "odd/d.py": b"# SPDX-License-Identifier: ???\n" + FUNCTION % 6,
    "odd/license.py": FUNCTION % 7,
}
LICENSES = {
    "a.py": "Apache-2.0",
    "gpl.py": "GPL-3.0-only",
    "vendor/deep/er/b.py": "MIT",
    "vendor/deep/er/tagged.py": "GPL-3.0-only",
    "own/c.py": "unknown",
    "odd/d.py": "unknown",
    "odd/license.py": "Apache-2.0",
}


def test_a_checkout_has_a_license_per_file(tmp_path: Path) -> None:
    commit = _repository(tmp_path / "code", FILES)
    rows = open_source(str(tmp_path / "code")).rows
    assert {row["path"].removeprefix(f"code@{commit}/"): row["license"] for row in rows} == LICENSES


def test_a_folder_has_a_license_per_file_and_its_sha_tells_them_apart(tmp_path: Path) -> None:
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    first = open_source(str(tmp_path))
    assert {row["path"]: row["license"] for row in first.rows} == LICENSES
    (tmp_path / "LICENSE").write_text(MIT)
    assert open_source(str(tmp_path)).sha != first.sha


def test_a_sub_folder_of_a_checkout_keeps_commit_path_and_license(tmp_path: Path) -> None:
    commit = _repository(tmp_path / "code", FILES, "https://github.com/one/repo")
    (tmp_path / "code" / "vendor" / "deep" / "new.py").write_bytes(b"not committed")
    rows = open_source(str(tmp_path / "code" / "vendor" / "deep")).rows.to_list()
    begin = f"github.com/one/repo@{commit}/vendor/deep/er"
    assert [(row["path"], row["license"]) for row in rows] == [
        (f"{begin}/b.py", "MIT"),
        (f"{begin}/tagged.py", "GPL-3.0-only"),
    ]


def test_a_folder_in_a_checkout_with_nothing_committed_is_a_folder(tmp_path: Path) -> None:
    _repository(tmp_path / "code", FILES)
    (tmp_path / "code" / "data").mkdir()
    (tmp_path / "code" / "data" / "x.py").write_bytes(b"1")
    assert open_source(str(tmp_path / "code" / "data"), license="ISC").rows.to_list() == [
        {"path": "x.py", "content": b"1", "license": "ISC"}
    ]


def test_an_allow_list_lets_no_other_license_through(tmp_path: Path) -> None:
    _repository(tmp_path / "code", FILES)
    rows = open_source(str(tmp_path / "code")).rows
    judged = seeds(rows, SeedSettings(licenses=("Apache-2.0",)), Context(seed=1, scratch=tmp_path))
    kept = {row["path"].partition("/")[2] for row in judged if row["reject_reason"] is None}
    assert kept == {"a.py", "odd/license.py"}
    assert [row["reject_reason"] for row in judged].count("license") == 5


@pytest.mark.parametrize(
    ("license", "is_allowed"),
    [
        ("MIT", True),
        ("mit", True),
        ("GPL-3.0", False),
        ("unknown", False),
        ("MIT AND unknown", False),
        ("MIT OR GPL-3.0", True),
        ("(MIT OR GPL-3.0)", True),
        ("MIT AND GPL-3.0", False),
        ("MIT AND Apache-2.0", True),
        ("MIT OR GPL-3.0 AND Apache-2.0", False),
        ("MIT WITH a-clause", False),
    ],
)
def test_an_expression_is_allowed_if_its_licenses_are(license: str, is_allowed: bool) -> None:
    assert allows({"mit", "apache-2.0"}, license) is is_allowed


@pytest.mark.parametrize(
    ("content", "license"),
    [
        (b"# SPDX-License-Identifier: MIT", "MIT"),
        (b"/* SPDX-License-Identifier: MIT OR Apache-2.0 */", "MIT OR Apache-2.0"),
        (b"# SPDX-License-Identifier: (MIT OR X11) AND ISC\r\n", "(MIT OR X11) AND ISC"),
        (
            b"# SPDX-License-Identifier: GPL-2.0-only WITH Classpath-exception-2.0",
            "GPL-2.0-only WITH Classpath-exception-2.0",
        ),
        (b"# SPDX-License-Identifier:\n", "unknown"),
        (b"# MIT", ""),
        (None, ""),
    ],
)
def test_a_tag_in_a_file_names_its_license(content: bytes | None, license: str) -> None:
    assert license_in(content) == license


def test_a_text_that_is_not_known_next_to_one_that_is(tmp_path: Path) -> None:
    assert licenses_of([MIT, "All rights reserved."]) == "MIT AND unknown"


@pytest.mark.parametrize("name", ["license.py", "License.json", "licenses.txt", "copyingfile"])
def test_files_that_only_sound_like_licenses(name: str) -> None:
    assert not is_license_file(name)
