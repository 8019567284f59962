"""What a run says into a file: a line for each thing that is of use, and nothing of libraries."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.code_files import FUNCTION, write_code
from tests.engines.loopback_server import MODEL, Loopback, doubles

STAGES = ("seeds", "concepts", "instructions", "responses")


@pytest.fixture
def arguments(tmp_path: Path) -> Iterator[list[str]]:
    code = write_code(tmp_path / "code", 24)
    server = Loopback()
    server.says = doubles
    changes = (f"seeds.source={code}", f"model={MODEL}", "engine.kind=openai", f"engine.urls=[{server.url}]")
    yield [
        *("--recipe", "demo", "--store", str(tmp_path / "store"), "--to", "responses"),
        *(part for change in changes for part in ("--set", change)),
    ]
    server.close()


def run(tmp_path: Path, *arguments: str) -> tuple[list[str], list[str]]:
    """The lines on the standard output, and those on the standard error."""
    done = subprocess.run(
        [sys.executable, "-m", "sca_hf.run", *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=os.environ | {"HF_DATASETS_CACHE": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1"},
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout + done.stderr
    for mark in ("\r", "\x1b", "%|", "/s]", "Map", "Generating", "Warning"):
        assert mark not in said
    return done.stdout.splitlines(), done.stderr.splitlines()


def line_of(stage: str, lines: list[str]) -> str:
    """The last line on a stage: the one on the whole of it."""
    return [line for line in lines if line.startswith(stage)][-1]


@pytest.mark.slow
def test_a_run_and_one_that_goes_on(tmp_path: Path, arguments: list[str]) -> None:
    _, said = run(tmp_path, *arguments, "--limit", "8")
    assert [line.split()[0] for line in said] == list(STAGES)
    assert re.fullmatch(r"seeds +█+ 24/24 files · \d:\d\d", line_of("seeds", said))
    concepts = r"concepts +█+ 8/8 rows · \d:\d\d · 8 calls · [\d,]+ tokens/s read, [\d,]+ written · prefix cache 0%"
    assert re.fullmatch(concepts, line_of("concepts", said))
    assert " 64 calls · " in line_of("responses", said)
    printed, said = run(tmp_path, *arguments)
    for stage, earlier in zip(STAGES[1:], (8, 8, 64), strict=True):
        (goes_on,) = [line for line in said if line.startswith(f"{stage} goes on: ")]
        so_far = re.fullmatch(rf"{stage} goes on: (\d+) calls? of an earlier run so far", goes_on)
        assert so_far is not None
        assert 0 < int(so_far[1]) <= earlier
        assert f"{3 * earlier} calls, {earlier} of them replayed" in line_of(stage, said)
    assert ["responses", "128", "64"] in [line.split() for line in printed], "calls, and no program"
    printed, said = run(tmp_path, *arguments, "--set", "responses.samples=5")
    assert next(line for line in printed if "the run goes on here" in line).startswith("responses ")
    assert len([line for line in printed if "in the store as" in line]) == 3
    assert "192 of them replayed" in line_of("responses", said)


@pytest.mark.slow
def test_rows_of_json_are_loaded_without_a_word(tmp_path: Path, arguments: list[str]) -> None:
    rows = tmp_path / "seeds.jsonl"
    rows.write_text("".join(json.dumps({"seed": FUNCTION.format(number)}) + "\n" for number in range(4)))
    _, said = run(tmp_path, *arguments, "--from", "concepts", "--input", str(rows), "--dry-run")
    assert said == []
