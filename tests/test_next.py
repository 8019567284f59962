"""What a finished run prints: a table that fits 80 columns, and commands that a shell takes as they are."""

import os
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console as Terminal

from sca_hf.console.funnel import answers, funnel, rejected
from sca_hf.console.terminal import WIDTH
from sca_hf.recipe import load_recipe
from sca_hf.stage import Counts

FUNCTION = '''def double(x):
    """Twice x."""
    return 2 * x
'''


@pytest.mark.slow
def test_next_is_pasted_into_a_shell(tmp_path: Path) -> None:
    folder = tmp_path / "my [bold] code"
    folder.mkdir()
    (folder / "good.py").write_text(FUNCTION)
    (folder / "bad.py").write_text("x = 1\n")
    changes = (f"seeds.source={folder}", "seeds.kinds=[function, method]", "seeds.decontaminate=null")
    arguments = [part for change in changes for part in ("--set", change)]
    environment = os.environ | {"COLUMNS": "60", "HF_DATASETS_CACHE": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1"}

    def shell(line: str) -> str:
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            env=environment | {"PYTHONPATH": str(Path(__file__).parents[1])},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    command = [
        sys.executable,
        "-m",
        "sca_hf.run",
        "--recipe",
        "demo",
        *arguments,
        "--to",
        "seeds",
        "--store",
        "my store",
    ]
    said = shell(shlex.join(command))
    lines = said[said.index("\nNext") :].strip().splitlines()[1:]
    load, rows, report, rest = (line.strip() for line in lines)
    assert "num_rows: 1" in shell(load)
    assert "no-function" in shell(rows)
    assert "--prompt" not in rows, "this stage calls no model"
    assert "open it in a browser" in shell(report)
    assert rest.endswith("--to sft"), "what the run left out"
    assert rest.count("--to") == 1
    assert rest.endswith("--store 'my store' --to sft"), "the rest is as it was"
    assert "cached" in shell(f"{rest} --dry-run")


def test_the_table_of_a_large_run_fits() -> None:
    def outcome(name: str, counts: Counts, timings: dict[str, Any], *, cached: bool = False) -> Any:
        version = SimpleNamespace(counts=counts, timings=timings)
        stage = load_recipe("selfcodealign")
        return SimpleNamespace(stage=stage.chain[stage.place(name)], version=version, cached=cached)

    calls, programs = ({"made": 369_900, "reused": 100, "earlier": 0}, {"made": 12_000_000, "reused": 0, "earlier": 0})
    spent = {"seconds": 25_300.0, "starting": 100.0, "written": 25_200_000, "calls": calls, "programs": programs}
    reasons = {f"contaminated-benchmark-{number}": 12_345 - number for number in range(9)}
    sources = 12_000_000
    outcomes = [
        outcome("seeds", Counts(sources, sources, sources - sum(reasons.values()), reasons), {}, cached=True),
        outcome("responses", Counts(37_000, 370_000, 270_000, {"cut-off": 100_000}), spent),
        outcome("sft", Counts(9_000, 9_000, 9_000, {}), {"seconds": 3.25, "starting": 0.0}),
    ]
    terminal = Terminal(width=WIDTH, record=True, file=open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123
    terminal.print(funnel(cast(Any, outcomes)))
    terminal.print(answers(cast(Any, outcomes)))
    table = terminal.export_text().splitlines()
    rows = [line.split() for line in table]
    assert ["responses", "37,000", "370,000", "270,000", "-", "25,200.0", "1,000"] in rows
    assert ["responses", "369,900", "100", "12,000,000", "-"] in rows
    assert any(row[-3:] == ["-", "cached", "-"] for row in rows)
    assert any(row[-3:] == ["-", "3.2", "-"] for row in rows)
    assert sum(row[:1] == ["sft"] for row in rows) == 1, "it asked nothing"
    lines = list(rejected(cast(Any, outcomes)))
    assert max(map(len, [*table, *lines])) <= WIDTH
    assert lines[0].startswith("  seeds        contaminated-benchmark-0 12,345, contaminated-benchmark-1")
    assert all(line.rstrip(",")[-1].isdigit() for line in lines), "a count stays by its reason"
