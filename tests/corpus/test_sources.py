"""Sources: what is read, what identifies it, and what a user is told about a source that can't be used."""

import ast
import json
import sysconfig
from collections.abc import Sequence
from pathlib import Path

import pytest
from datasets import Dataset

from sca_hf.corpus.columns import FEATURES
from sca_hf.corpus.sources import MAX_FILE_BYTES, open_source
from sca_hf.errors import InputError


def _write(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def _write_jsonl(path: Path, rows: Sequence[object]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_the_standard_library_is_read_as_it_lies_on_disk() -> None:
    source = open_source("stdlib")
    root = Path(sysconfig.get_path("stdlib"))
    assert source.rows.features == FEATURES
    assert set(source.rows["license"]) == {"PSF-2.0"}
    paths = list(source.rows["path"])
    assert {"textwrap.py", "json/decoder.py"} <= set(paths)
    assert not any({"test", "tests", "site-packages", "lib2to3"} & set(path.split("/")) for path in paths)
    for row in source.rows.select(range(0, len(paths), 40)):
        assert (root / row["path"]).read_bytes() == row["content"]
        ast.parse(row["content"])
    assert open_source("stdlib").sha == source.sha


def test_a_folder_gives_its_python_files_in_order_without_hidden_ones_and_environments(tmp_path: Path) -> None:
    _write(
        tmp_path,
        {
            "b.py": b"b",
            "a.py": b"\xff not UTF-8",
            "pkg/deep/c.py": b"c",
            "pkg/notes.txt": b"no source",
            ".git/hook.py": b"hidden",
            ".hidden.py": b"hidden",
            "env/pyvenv.cfg": b"",
            "env/lib/x.py": b"environment",
            "node_modules/y.py": b"packages",
            "big.py": b"#" * (MAX_FILE_BYTES + 100),
        },
    )
    (tmp_path / "gone.py").symlink_to(tmp_path / "nowhere.py")
    rows = open_source(str(tmp_path), license="MIT").rows
    assert rows["path"][:] == ["a.py", "b.py", "big.py", "pkg/deep/c.py"]
    assert [content[:3] for content in rows["content"]] == [b"\xff n", b"b", b"###", b"c"]
    assert len(rows["content"][2]) == MAX_FILE_BYTES + 1
    assert set(rows["license"]) == {"MIT"}


def test_the_sha_is_of_paths_and_bytes_and_not_of_the_place(tmp_path: Path) -> None:
    first = open_source(str(_write(tmp_path / "1", {"a.py": b"x", "b.py": b"y"}))).sha
    assert open_source(str(_write(tmp_path / "2", {"a.py": b"x", "b.py": b"y"}))).sha == first
    assert open_source(str(_write(tmp_path / "3", {"a.py": b"x", "b.py": b"z"}))).sha != first
    assert open_source(str(_write(tmp_path / "4", {"a.py": b"x", "c.py": b"y"}))).sha != first


@pytest.mark.parametrize("suffix", ["jsonl", "json", "parquet"])
def test_a_data_file_gives_its_text_column_with_path_and_license_where_it_has_them(tmp_path: Path, suffix: str) -> None:
    rows = [
        {"code": "x = 'ä'\n", "path": "x.py", "license": "MIT"},
        {"code": None, "path": None, "license": None},
        {"code": "", "path": "z.py", "license": "BSD-3-Clause"},
    ]
    file = tmp_path / f"some [odd] name.{suffix}"
    if suffix == "jsonl":
        _write_jsonl(file, rows)
    elif suffix == "json":
        file.write_text(json.dumps(rows))
    else:
        Dataset.from_list(rows).to_parquet(str(file))
    source = open_source(str(file), column="code")
    assert source.rows.features == FEATURES
    assert source.rows["path"][:] == ["x.py", f"{file.name}:2", "z.py"]
    assert source.rows["content"][:] == ["x = 'ä'\n".encode(), None, b""]
    assert source.rows["license"][:] == ["MIT", "unknown", "BSD-3-Clause"]


def test_a_data_file_without_path_and_license_names_its_rows(tmp_path: Path) -> None:
    file = _write_jsonl(tmp_path / "code.jsonl", [{"content": "a"}, {"content": "b"}])
    rows = open_source(str(file), license="MIT").rows
    assert rows["path"][:] == ["code.jsonl:1", "code.jsonl:2"]
    assert rows["license"][:] == ["MIT", "MIT"]


def test_the_layouts_of_the_stack_are_known(tmp_path: Path) -> None:
    first = {
        "content": "x",
        "max_stars_repo_path": "src/a.py",
        "max_stars_repo_name": "one/repo",
        "max_stars_repo_licenses": ["MIT", "Apache-2.0"],
    }
    second = {"content": "y", "path": "/b.py", "repo_name": "two/repo", "detected_licenses": ["MIT"]}
    for row, path, license in [(first, "one/repo/src/a.py", "MIT AND Apache-2.0"), (second, "two/repo/b.py", "MIT")]:
        Dataset.from_list([row, row | dict.fromkeys(list(row)[1:])]).to_parquet(str(tmp_path / "stack.parquet"))
        rows = open_source(str(tmp_path / "stack.parquet")).rows
        assert rows["path"][:] == [path, "stack.parquet:2"]
        assert rows["license"][:] == [license, "unknown"]


def test_a_version_of_seeds_can_be_a_source(tmp_path: Path) -> None:
    version = tmp_path / "demo-seeds" / "0123456789abcdef"
    (version / "data").mkdir(parents=True)
    (version / "lineage.json").write_text("{}")
    for number, seed in enumerate(["def f(): ...", "def g(): ..."]):
        shard = version / "data" / f"train-0000{number}-of-00002.parquet"
        Dataset.from_dict({"seed": [seed], "path": ["f.py"], "license": ["MIT"]}).to_parquet(str(shard))
    rows = open_source(str(version), column="seed").rows
    assert rows["content"][:] == [b"def f(): ...", b"def g(): ..."]
    assert rows["path"][:] == ["f.py", "f.py"]


def _message(source: Path, column: str = "content") -> str:
    with pytest.raises(InputError) as caught:
        open_source(str(source), column=column)
    message = str(caught.value)
    assert "\n" not in message
    assert str(source) in message
    return message


def test_every_source_that_cannot_be_used_is_told_in_one_line(tmp_path: Path) -> None:
    assert "does not exist" in _message(tmp_path / "nowhere")
    (tmp_path / "seeds.csv").write_text("content\nx\n")
    assert ".jsonl.gz, .json.gz, .jsonl.zst" in _message(tmp_path / "seeds.csv")
    (tmp_path / "empty").mkdir()
    assert "no *.py file" in _message(tmp_path / "empty")
    (tmp_path / "empty.jsonl").write_text("")
    assert "no row" in _message(tmp_path / "empty.jsonl")
    Dataset.from_dict({"content": []}).to_parquet(str(tmp_path / "empty.parquet"))
    assert "no row" in _message(tmp_path / "empty.parquet")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and no more")
    assert "can't be read as parquet" in _message(tmp_path / "broken.parquet")
    (tmp_path / "broken.jsonl").write_text('{"content": ')
    assert "can't be read as json" in _message(tmp_path / "broken.jsonl")


def test_a_missing_or_wrong_column_is_named_with_those_that_are_there(tmp_path: Path) -> None:
    file = _write_jsonl(tmp_path / "seeds.jsonl", [{"text": "x", "license": 3, "size": 1}])
    message = _message(file)
    assert "no column 'content'" in message
    assert "'text', 'license', 'size'" in message
    assert "seeds.column" in message
    assert "column 'license'" in _message(file, column="text")
    assert "column 'size'" in _message(_write_jsonl(tmp_path / "sizes.jsonl", [{"size": 1}]), column="size")
