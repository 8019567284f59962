"""Whatever there is one of is told in the singular: all that commands print and write, over a run of one row."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sca_hf import journal, report, run, trace, versions
from sca_hf.store import Store
from sca_hf.wording import counted
from tests.engines.loopback_server import MODEL, Loopback, doubles
from tests.finished_run import own_cache

__all__ = ["own_cache"]

FUNCTION = '''def double(x):
    """Return twice x."""
    return 2 * x
'''
ONE_OF_MANY = re.compile(r"(?<![\w.,/-])1 (?:more |such )?(?!s\b|is\b|was\b|as\b)[a-z]+s\b(?!/)")
"""`1 rows`, but not `1 s`, `1 tokens/s`, nor `0.1 MB`."""

Say = Callable[..., str]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Say:
    """Call a command and return what it printed. All of it is searched for "1 rows" and its like."""
    monkeypatch.chdir(tmp_path)

    def call(command: Callable[[list[str]], int], *arguments: str, code: int = 0) -> str:
        assert command(list(arguments)) == code
        printed = capsys.readouterr()
        said = printed.out + printed.err
        assert ONE_OF_MANY.findall(said) == [], said
        return said

    return call


@pytest.fixture
def arguments(tmp_path: Path) -> Iterator[list[str]]:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "double.py").write_text(FUNCTION)
    server = Loopback()
    server.says = doubles
    engine = f"engine={{kind: openai, urls: [{server.url}], max_num_seqs: 1}}"
    changes = ("seeds.source=code", "seeds.type_check=null", f"model={MODEL}", "responses.samples=1", engine)
    yield ["--recipe", "demo", *(part for change in changes for part in ("--set", change))]
    server.close()


@pytest.mark.parametrize(("number", "said"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (1_280, "1,280 rows")])
def test_the_plural(number: int, said: str) -> None:
    assert counted(number, "row") == said


def test_what_is_searched_for_is_found() -> None:
    for wrong in ("1 rows", "of 1 such rows", "1 more lines", "(1 calls, 0 of them new)"):
        assert ONE_OF_MANY.search(wrong), wrong
    for right in ("1 row", "21 rows", "1 s", "0.1 seconds", "1,281 rows", "1 tokens/s", "v-1 rows", "1 of 2 rows"):
        assert not ONE_OF_MANY.search(right), right


@pytest.mark.slow
@pytest.mark.jail
def test_a_run_of_one_row(say: Say, arguments: list[str], tmp_path: Path) -> None:
    say(run.main, *arguments, "--dry-run")
    say(run.main, *arguments, "--dry-run", "--pilot", "1", "--store", "pilots")
    part = say(run.main, *arguments, "--part", "1/1")
    assert "part 1 of 1: 1 of 1 row" in part
    assert "2 programs" not in part
    merged = say(journal.main, "merge", "store/journal.part-1-of-1.sqlite")
    assert re.search(r"sqlite: \d+ answers, \d+ of them new", merged)
    said = say(run.main, *arguments)
    assert "seeds         ████████████ 1/1 file ·" in said
    assert "concepts      ████████████ 1/1 row · 0:00 · 1 call, 1 of them replayed" in said
    assert "1 of 1 row\n" in said
    again = say(run.main, *arguments, "--dry-run")
    assert again.count("cached") == 8
    say(run.main, *arguments, "--dry-run", "--set", "select.max_instruction_words=80")
    say(run.main, *arguments, "--set", "select.max_instruction_words=80")

    say(versions.main, "list")
    say(versions.main, "verify")
    old, new = (f"demo-select/{version.fingerprint}" for version in Store(tmp_path / "store").versions("demo-select"))
    say(versions.main, "diff", old, new)
    for name in ("seeds", "responses", "sft"):
        say(versions.main, "show", f"demo-{name}")
        assert f"1 of 1 such row of demo-{name}/" in say(versions.main, "rows", f"demo-{name}", "--prompt")
    say(versions.main, "gc", "--dry-run")
    say(report.main, "--output", "report.html")
    say(trace.main, Store(tmp_path / "store").versions("demo-sft")[0].load()["id"][0], "--full")
    page = re.sub(r"<[^>]+>", "", re.sub(r"(?s)<(script|style)>.*?</\1>", "", Path("report.html").read_text()))
    cards = [path.read_text() for path in Path("store").glob("*/*/README.md")]
    assert len(cards) > 8
    for text in (page, *cards):
        assert ONE_OF_MANY.findall(text) == []


@pytest.mark.slow
@pytest.mark.jail
def test_an_input_of_one_row(say: Say, arguments: list[str], tmp_path: Path) -> None:
    row = {"instruction": "Double.", "response": FUNCTION, "tests": "assert double(2) == 5"}
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps(row) + "\n")
    said = say(run.main, *arguments, "--input", "rows.jsonl", code=2)
    assert "select, 1 of 1 row as execution-failed" in said
    rows.write_text(json.dumps(row | {"tests": None}) + "\n")
    assert "1 of 1 row can't be read" in say(run.main, *arguments, "--input", "rows.jsonl", code=2)
