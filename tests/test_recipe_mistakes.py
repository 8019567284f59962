"""Mistakes in a recipe that are told before a run, at --dry-run, in one line with the fix."""

from pathlib import Path

import pytest

from sca_hf import run
from tests.finished_run import arguments, finished, own_cache

__all__ = ["arguments", "finished", "own_cache"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "seeds:\n  count: 3\nname: mine\nseeds:\n  max_lines: 9\n",
            "'seeds' is given twice, in lines 2 and 5; join them",
        ),
        ("seeds:\n  count: 3\n  count: 4\n", "'count' is given twice, in lines 3 and 4"),
        ("instructions: {categories: {a: 1, a: 2}}\n", "'a' is given twice, in lines 2 and 2"),
        (
            "instructions: {categories: {a: 0}}\n",
            "instructions.categories: weights must be >= 0",
        ),
        ("instructions: {difficulties: {easy: -1, hard: 2}}\n", "weights must be >= 0, and one of them > 0"),
        ("instructions: {languages: {Python: 0}}\n", "weights must be >= 0, and one of them > 0"),
        ("instructions: {languages: {Python: 1, Rust: 2}}\n", "responses in Rust can't be executed; give {Python: 1}"),
    ],
)
def test_a_mistake_in_a_recipe(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, message: str) -> None:
    (tmp_path / "mine.yaml").write_text(f"extends: demo\n{text}")
    store = tmp_path / "store"
    assert run.main(["--recipe", str(tmp_path / "mine.yaml"), "--dry-run", "--store", str(store)]) == 2
    assert message in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "mine.yaml' is empty; give 'key: value' lines"),
        (b"# nothing yet\n", "mine.yaml' is empty"),
        (b"- extends: demo\n", "mine.yaml' holds a list; give 'key: value' lines"),
        (b"extends demo\n", "mine.yaml' holds a text"),
        (b"3\n", "mine.yaml' holds one value"),
        (
            b"extends: demo\nseeds:\n\tcount: 3\n",
            "mine.yaml', line 3: found character '\\t' that cannot start any token",
        ),
        (b"extends: demo\nseeds:\n\tcount: 3\n", "; indent by blanks, not by tabs"),
        (b"extends: demo\nname: a: b\n", "mine.yaml', line 2: mapping values are not allowed here; correct it"),
        (b"extends: demo\nname: !!python/name:os.system x\n", "mine.yaml', line 2: could not determine a constructor"),
        (b"extends: demo\nabout: caf\xe9\n", "mine.yaml' is not UTF-8; save it as UTF-8"),
        (b"extends: demo\nabout: \x00\n", "mine.yaml': unacceptable character"),
        (b"extends: dmo\n", "dmo', which '"),
        (b"extends: other.yaml\n", "other.yaml' does not exist; give the path of a .yaml file"),
        (b"extends: mine.yaml\n", "extends itself"),
        (None, "mine.yaml' is a folder; give the path of a .yaml file"),
    ],
)
def test_a_file_that_is_no_recipe(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, message: str
) -> None:
    path = tmp_path / "mine.yaml"
    path.mkdir() if content is None else path.write_bytes(content)
    assert run.main(["--recipe", str(path), "--dry-run", "--store", str(tmp_path / "store")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_a_recipe_with_a_mark_of_its_encoding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.yaml").write_bytes(b"\xef\xbb\xbfextends: demo\r\nname: d\xc3\xa9mo\r\n")
    assert run.main(["--recipe", str(tmp_path / "mine.yaml"), "--dry-run", "--store", str(tmp_path / "store")]) == 2
    assert "name = 'démo': give text that matches" in capsys.readouterr().err


def test_anchors_may_be_merged(tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    merged = "extends: demo\nseeds: &some\n  count: 3\nseeds2: {<<: *some, <<: *some}\n"
    (tmp_path / "mine.yaml").write_text(merged)
    assert run.main(["--recipe", str(tmp_path / "mine.yaml"), "--dry-run", "--store", str(tmp_path / "store")]) == 2
    assert "unknown key 'seeds2'" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_an_empty_exemplar_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], text: str
) -> None:
    (tmp_path / "shots.txt").write_text(text)
    start = [*arguments, "--set", f"prompts={tmp_path / 'shots.txt'}", "--store", str(tmp_path / "store"), "--dry-run"]
    assert run.main(start) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "shots.txt: no text under '### System: S->C'; add it" in said


def test_an_empty_file_of_the_judge(tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    (tmp_path / "judge.txt").write_text("")
    start = [*arguments, "--set", f"judge.prompts={tmp_path / 'judge.txt'}", "--store", str(tmp_path / "store")]
    assert run.main([*start, "--dry-run"]) == 2
    assert "judge.txt: no text under '### System'; add it" in " ".join(capsys.readouterr().err.split())
