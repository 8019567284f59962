"""Ready-made rows as people have them: each is read or has a reason that names the column; a bad file is one line."""

import gzip
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from sca_hf import run, versions
from sca_hf.reporting.reasons import meaning
from sca_hf.store import Store
from tests.code_files import FUNCTION
from tests.finished_run import RESPONSE, TESTS, arguments, finished, own_cache

pytestmark = pytest.mark.slow

__all__ = ["arguments", "finished", "own_cache"]

GOOD = {"instruction": "Add two numbers.", "response": RESPONSE.format(1)}
CODE = "def add(a, b):\n    total = a + b\n\n    return total"
USER, ASSISTANT = {"role": "user", "content": "Add."}, {"role": "assistant", "content": "So."}


@pytest.fixture
def sft(arguments: list[str], tmp_path: Path) -> Callable[[str], int]:
    """Run the last stage over an input."""
    start = [*arguments, "--store", str(tmp_path / "store"), "--from", "sft", "--input"]
    return lambda where: run.main([*start, str(tmp_path / where)])


def _write(path: Path, rows: list[Any]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"instruction": None}, "instruction-null"),
        ({"response": None}, "response-null"),
        ({"instruction": ""}, "instruction-empty"),
        ({"instruction": " \n\t"}, "instruction-empty"),
        ({"response": ""}, "response-empty"),
        ({"instruction": 5}, "instruction-not-text"),
        ({"instruction": 0.5}, "instruction-not-text"),
        ({"instruction": True}, "instruction-not-text"),
        ({"response": ["a", "b"]}, "response-not-text"),
        ({"response": {"text": "a"}}, "response-not-text"),
        ({"tests": 3}, "tests-not-text"),
        ({"tests": "It works."}, "tests-without-code"),
        ({"tests": "```\n3\n```"}, "tests-without-code"),
        ({"concepts": 5}, "concepts-not-a-list"),
        ({"concepts": [1, 2]}, "concepts-not-text"),
        ({"concepts": ["a", None]}, "concepts-with-null"),
        ({"concepts": '["a", '}, "concepts-not-json"),
        ({"flags": "none"}, "flags-not-a-list"),
        ({"sample": "first"}, "sample-not-a-number"),
        ({"sample": 0.5}, "sample-not-an-integer"),
        ({"sample": 1 << 40}, "sample-too-large"),
        ({"tests_inferred": "no"}, "tests_inferred-not-true-or-false"),
        ({"seed": {"code": "x"}}, "seed-not-text"),
    ],
)
def test_a_row_that_cannot_be_read_has_a_reason_that_names_the_column(
    sft: Callable[[str], int], tmp_path: Path, capsys: pytest.CaptureFixture[str], row: dict[str, Any], reason: str
) -> None:
    _write(tmp_path / "rows.jsonl", [GOOD, GOOD | row, GOOD])
    assert sft("rows.jsonl") == 0
    (made,) = Store(tmp_path / "store").versions()
    assert made.counts.kept == 2
    assert made.counts.rejected == {reason: 1}
    assert None not in made.load()["instruction"][:]
    assert f"1 of 3 rows can't be read ({reason}: 1, first in row 2)" in capsys.readouterr().err
    assert "Traceback" not in capsys.readouterr().err
    assert meaning(reason).startswith("This column")
    assert ("list" in meaning(reason)) == reason.endswith(("-a-list", "-with-null", "-empty"))


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"messages": None}, "messages-null"),
        ({"messages": "Add."}, "messages-not-json"),
        ({"messages": [USER]}, "messages-with-no-assistant-message"),
        ({"messages": [USER, ASSISTANT, USER, ASSISTANT]}, "messages-with-2-user-messages"),
        ({"messages": [USER, ASSISTANT | {"content": ""}]}, "messages-empty"),
        ({"messages": [USER, ASSISTANT | {"content": None}]}, "messages-null"),
        ({"prompt": None, "completion": "So."}, "prompt-null"),
        ({"prompt": "Add.", "completion": 3}, "completion-not-text"),
        ({"prompt": [USER, USER], "completion": [ASSISTANT]}, "prompt-with-2-user-messages"),
        ({"instruction": "Add.", "output": None}, "output-null"),
    ],
)
def test_if_no_row_can_be_read_one_line_says_why_and_nothing_is_made(
    sft: Callable[[str], int], tmp_path: Path, capsys: pytest.CaptureFixture[str], row: dict[str, Any], reason: str
) -> None:
    _write(tmp_path / "rows.jsonl", [row, row])
    assert sft("rows.jsonl") == 2
    assert f"2 of 2 rows can't be read ({reason}: 2, first in row 1)" in _said(capsys)
    assert Store(tmp_path / "store").versions() == []


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [USER, ASSISTANT]},
        {"messages": [{"role": "system", "content": "You add."}, USER, ASSISTANT]},
        {"messages": json.dumps([USER, ASSISTANT])},
        {"prompt": "Add.", "completion": "So."},
        {"prompt": [USER], "completion": [ASSISTANT]},
        {"instruction": "Add.", "output": "So."},
        {"instruction": "Add.", "response": "So.", "concepts": None},
    ],
)
def test_conversations_are_instructions_and_responses(
    arguments: list[str], tmp_path: Path, row: dict[str, Any]
) -> None:
    _write(tmp_path / "rows.jsonl", [row, row])
    start = [*arguments, "--store", str(tmp_path / "store"), "--input", str(tmp_path / "rows.jsonl")]
    assert run.main(start) == 0
    (made,) = Store(tmp_path / "store").versions()
    assert made.load()["messages"][:] == [[USER, ASSISTANT]] * 2
    assert made.lineage.stage == "sft"
    assert "concepts" not in row or made.load()["concepts"][:] == [[], []]


def test_text_that_is_python_is_code(sft: Callable[[str], int], tmp_path: Path) -> None:
    tests = "assert add(1, 2) == 3"
    _write(tmp_path / "rows.jsonl", [{"instruction": "Add.", "response": CODE, "tests": tests}])
    assert sft("rows.jsonl") == 0
    (made,) = Store(tmp_path / "store").versions()
    assert made.load()["response"][0] == f"```python\n{CODE}\n```"
    assert made.load()["tests"][0] == f"```python\n{tests}\n```"


def test_own_ids_and_columns_are_carried_and_what_is_not_is_said_once(
    sft: Callable[[str], int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = {"difficulty": "easy", "points": 3, "from": {"page": 1, "of": [1]}, "messages": "mine", "reject_reason": "x"}
    mixed = [1, "two", None, {"three": 3}]
    _write(tmp_path / "rows.jsonl", [GOOD | more | {"id": "a", "mixed": each, "nothing": None} for each in mixed])
    assert sft("rows.jsonl") == 0
    (made,) = Store(tmp_path / "store").versions()
    rows = made.load()
    assert len(set(rows["id"])) == len(rows) == 4
    assert rows["source_id"][:] == ["a"] * 4
    assert rows[0]["points"] == 3
    assert rows[0]["from"] == more["from"]
    assert rows["mixed"][:] == ["1", "two", None, '{"three": 3}']
    assert rows["nothing"][:] == [None] * 4
    said = capsys.readouterr().err
    assert versions.main(["rows", str(made.path), "-n", "1"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert {"source_id a", "points 3", "difficulty"} <= set(shown), "by which it is found again in the file"
    assert said.count("column 'messages', 'reject_reason' is left out; to carry it, give it another name") == 1


def test_rows_with_one_id_are_selected_as_the_rows_that_they_are(arguments: list[str], tmp_path: Path) -> None:
    attempts = [
        {"id": 7, "instruction": f"Add {number}.", "response": RESPONSE.format(number), "tests": TESTS.format(number)}
        | {"status": status}
        for number, status in enumerate(["failed", "passed"])
    ]
    _write(tmp_path / "rows.jsonl", attempts)
    start = [*arguments, "--store", str(tmp_path / "store"), "--from", "select", "--to", "select"]
    assert run.main([*start, "--input", str(tmp_path / "rows.jsonl")]) == 0
    (made,) = Store(tmp_path / "store").versions()
    assert made.load()["instruction"][:] == ["Add 1."]
    assert made.load()["source_id"][:] == ["7"]


def test_other_columns_of_parquet_are_carried_with_their_types(sft: Callable[[str], int], tmp_path: Path) -> None:
    features = Features({name: Value("large_string") for name in GOOD} | {"kind": ClassLabel(names=["a", "b"])})
    Dataset.from_list([GOOD | {"kind": 1}], features=features).save_to_disk(tmp_path / "saved")
    assert sft("saved") == 0
    (made,) = Store(tmp_path / "store").versions()
    assert made.load().features["kind"] == features["kind"]
    assert made.load()["kind"][:] == [1]


def test_a_limit_counts_the_rows_of_the_file(sft: Callable[[str], int], arguments: list[str], tmp_path: Path) -> None:
    _write(tmp_path / "rows.jsonl", [GOOD | {"response": None}, GOOD, GOOD | {"instruction": ""}])
    start = [*arguments, "--store", str(tmp_path / "store"), "--from", "sft", "--limit", "2"]
    assert run.main([*start, "--input", str(tmp_path / "rows.jsonl")]) == 0
    (made,) = Store(tmp_path / "store").versions()
    assert (made.counts.rows_in, made.counts.kept) == (2, 1)
    assert made.counts.rejected == {"response-null": 1}


def _saved(path: Path) -> None:
    Dataset.from_list([GOOD]).save_to_disk(path)


def _saved_splits(path: Path) -> None:
    DatasetDict({"train": Dataset.from_list([GOOD])}).save_to_disk(path)


def _csv(path: Path) -> None:
    rows: list[dict[str, Any]] = [
        GOOD | {"id": 1, "concepts": '["a", "b"]', "tests": ""},
        GOOD | {"id": None, "concepts": "a, b"},
    ]
    Dataset.from_list([{"id": None, "concepts": None, "tests": None} | row for row in rows]).to_csv(path)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("saved", _saved),
        ("splits", _saved_splits),
        ("rows.csv", _csv),
        ("rows.json", lambda path: path.write_text(json.dumps([GOOD]))),
        ("rows.jsonl", lambda path: path.write_text("\n" + json.dumps(GOOD) + "\n\n")),
        ("rows.jsonl", lambda path: path.write_bytes(b"\xef\xbb\xbf" + json.dumps(GOOD).encode() + b"\r\n")),
        ("rows.JSONL.gz", lambda path: path.write_bytes(gzip.compress(json.dumps(GOOD).encode()))),
        ("réihen [1]*.jsonl", lambda path: path.write_text(json.dumps(GOOD))),
    ],
)
def test_files_and_folders_of_rows(
    sft: Callable[[str], int], tmp_path: Path, name: str, write: Callable[[Path], object]
) -> None:
    write(tmp_path / name)
    assert sft(name) == 0
    (made,) = Store(tmp_path / "store").versions()
    assert made.load()["response"][0] == GOOD["response"]
    if name == "rows.csv":
        assert made.load()["concepts"][:] == [["a", "b"]] * 2
        assert made.load()["source_id"][:] == ["1", None]


def test_a_name_with_other_bytes_than_utf_8(sft: Callable[[str], int], tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.jsonl")
    _write(tmp_path / name, [GOOD])
    assert sft(name) == 0
    (made,) = Store(tmp_path / "store").versions()
    assert made.lineage.input == r"caf\udce9.jsonl"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.csv", b"instruction,response\n", "has no row; give one with at least one"),
        ("rows.csv", b"", "has no row"),
        ("rows.csv", b"\n\n", "has no row"),
        ("rows.csv", b"instruction,response\na,b\nc,d,e\n", "line 3"),
        ("rows.csv", b"instruction,response\na,\xe9\n", "in UTF-8"),
        ("rows.jsonl", b"", "has no row"),
        ("rows.json", b"[]", "has no row"),
        ("rows.jsonl", b'{"instruction": "a"}\n{"instruction": \n', "line 2 is not JSON"),
        ("rows.jsonl", b'{"instruction": "a"}\n7\n', "line 2 is not a JSON object"),
        ("rows.jsonl", b'{"instruction": "a", "instruction": "b"}', "line 1 has the key 'instruction' twice"),
        ("rows.jsonl", b'{"instruction": "\\ud800", "response": "a"}', "line 1 has half of a surrogate pair"),
        ("rows.jsonl", '{"instruction": "a"}'.encode("utf-16"), "line 1 is not UTF-8"),
        ("rows.jsonl.gz", gzip.compress(b'{"instruction": "a"}\n{', mtime=0), "line 2 is not JSON"),
        ("rows.jsonl.gz", b'{"instruction": "a"}', "Not a gzipped file"),
        (
            "rows.jsonl",
            b'{"instruction": "a", "response": "a"}\n{"instruction": "\xe9", "response": "a"}\n',
            "text that is not UTF-8",
        ),
        ("rows.json", b'[{"instruction": "a"},', "give rows in Parquet, or as JSON or CSV"),
        ("rows.parquet", b"", "has no row"),
        ("rows.parquet", b"PAR1", "give rows in Parquet"),
        ("rows.txt", b"Add.", "is a file of an unknown kind; give a folder, a file that ends in .jsonl"),
        ("missing/rows.jsonl", None, "does not exist; give a folder, a file that ends in .jsonl"),
        ("missing", None, "does not exist"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_in_one_line(
    sft: Callable[[str], int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    content: bytes | None,
    message: str,
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert sft(name) == 2
    said = _said(capsys)
    assert message in said
    assert name in said
    assert Store(tmp_path / "store").versions() == []


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "has no file of rows; give a folder, a file that ends in"),
        ({"a.jsonl": '{"instruction": "a"}', "b.csv": "x"}, "has files of several kinds, .csv, .jsonl; give one"),
        (
            {"a.jsonl": '{"instruction": "a"}', "b.jsonl": '{"x": 3}'},
            "its rows don't have the same columns; give each row",
        ),
        ({"a.jsonl": '{"instruction": "a"}', "b.jsonl": "{"}, "line 1 is not JSON"),
        ({"test.jsonl": '{"instruction": "a"}'}, "; give the folder or the file of one split"),
    ],
)
def test_a_folder_that_cannot_be_read_is_told_in_one_line(
    sft: Callable[[str], int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    files: dict[str, str],
    message: str,
) -> None:
    (tmp_path / "rows").mkdir()
    for name, text in files.items():
        (tmp_path / "rows" / name).write_text(text)
    assert sft("rows") == 2
    assert message in _said(capsys)


def test_saved_folders_without_rows_to_take(
    sft: Callable[[str], int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    DatasetDict({"test": Dataset.from_list([GOOD])}).save_to_disk(tmp_path / "splits")
    assert sft("splits") == 2
    assert "it has no split 'train', only test; give the folder or the file of one split" in _said(capsys)
    assert sft("splits/test") == 0
    Dataset.from_list([GOOD]).select([]).save_to_disk(tmp_path / "empty")
    assert sft("empty") == 2
    assert "empty has no row; give one with at least one" in _said(capsys)


@pytest.mark.parametrize("option", ["--input", "seeds.source"])
def test_nothing_else_is_said_of_a_bad_line(tmp_path: Path, option: str) -> None:
    (tmp_path / "rows.jsonl").write_text('{"content": "a"}\n{"content": \n')
    given = ["--input", "rows.jsonl"] if option == "--input" else ["--set", f"{option}=rows.jsonl"]
    done = subprocess.run(
        [sys.executable, "-m", "sca_hf.run", "--recipe", "demo", *given],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=tmp_path,
        env=os.environ | {"HF_DATASETS_CACHE": str(tmp_path / "cache"), "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert "line 2 is not JSON (Expecting value at character 12)" in line


def test_a_missing_file_with_a_folder_is_not_looked_for_on_the_hub(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.main([*arguments, "--dry-run", "--input", "data/rows.jsonl"]) == 2
    assert "--input data/rows.jsonl does not exist" in _said(capsys)


def test_a_folder_of_versions_is_no_input(
    finished: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.main([*arguments, "--dry-run", "--input", str(finished / "store" / "demo-sft")]) == 2
    assert re.search(r"is a folder of versions; give one of them, such as \S+demo-sft/latest", _said(capsys))
    assert run.main([*arguments, "--dry-run", "--input", str(finished / "store")]) == 2
    assert re.search(r"store is a folder of versions; give one of them, such as \S+/latest", _said(capsys))


def test_source_files_of_a_file_of_rows(arguments: list[str], tmp_path: Path) -> None:
    code = FUNCTION.format(1)
    rows = [{"content": code, "license": None, "stars": 3}, {"content": None}, {"content": 7}, {"content": code + "#"}]
    _write(tmp_path / "rows.jsonl", rows)
    start = [*arguments, "--store", str(tmp_path / "store"), "--to", "seeds", "--input", str(tmp_path / "rows.jsonl")]
    assert run.main(start) == 0
    (made,) = Store(tmp_path / "store").versions()
    assert made.load()["license"][:] == ["unknown"] * made.counts.kept
    assert made.counts.rejected["content-null"] == made.counts.rejected["content-not-text"] == 1
    assert made.counts.rows_in == 4


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"response": "Sure."}, "response-without-code"),
        ({"response": "```\n[1, 2]\n```"}, "response-without-code"),
        ({"tests": "It works"}, "tests-without-code"),
        ({"tests": None}, "tests-null"),
        ({"tests": ""}, "tests-empty"),
    ],
)
def test_what_is_to_be_executed_has_code(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], row: dict[str, Any], reason: str
) -> None:
    good = GOOD | {"response": CODE, "tests": "assert add(1, 2) == 3"}
    _write(tmp_path / "rows.jsonl", [good, good | row])
    start = [*arguments, "--store", str(tmp_path / "store"), "--dry-run", "--input", str(tmp_path / "rows.jsonl")]
    assert run.main([*start, "--from", "execute"]) == 0
    assert f"1 of 2 rows can't be read ({reason}: 1, first in row 2)" in _said(capsys)


@pytest.mark.jail
def test_a_row_that_cannot_be_read_is_no_call_and_no_attempt(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = GOOD | {"response": CODE, "tests": "assert add(1, 2) == 3"}
    rows = [good, good | {"tests": None}, good | {"tests": "assert add(1, 2) == 4"}, good | {"tests": None}, good]
    _write(tmp_path / "rows.jsonl", rows)
    start = [*arguments, "--store", str(tmp_path / "store"), "--input", str(tmp_path / "rows.jsonl")]
    start += ["--from", "execute", "--to", "execute", "--limit", "4"]
    assert run.main([*start, "--dry-run"]) == 0
    (planned,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("execute "))
    assert planned.split()[-3:] == ["4", "-", "2"]
    assert run.main(start) == 0
    funnel = capsys.readouterr().out.partition("Funnel")[2]
    came, programs, _ = (line.split() for line in funnel.splitlines() if line.split()[:1] == ["execute"])
    assert came[:5] == ["execute", "4", "4", "2", "50%"]
    assert programs == ["execute", "2", "-"], "as many programs as were planned"


def test_a_limit_that_leaves_no_row_that_can_be_read(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _write(tmp_path / "rows.jsonl", [GOOD | {"response": None}, GOOD])
    start = [*arguments, "--store", str(tmp_path / "store"), "--from", "sft", "--limit", "1"]
    assert run.main([*start, "--input", str(tmp_path / "rows.jsonl")]) == 2
    assert "no row left after stage 'sft' (response-null: 1)" in _said(capsys)


def _said(capsys: pytest.CaptureFixture[str]) -> str:
    """What an error says, on one line; without a traceback."""
    said = " ".join(capsys.readouterr().err.split())
    assert "Traceback" not in said
    return said
