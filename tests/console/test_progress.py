"""What a run says while it runs: counts that add up, on a terminal and in a log."""

import asyncio
import io
import time
from pathlib import Path

import pytest
from datasets import Dataset, Value

from sca_hf.console import progress as progress_of
from sca_hf.console.progress import Line, shown
from sca_hf.console.settings import settings
from sca_hf.engines import Fleet, Usage
from sca_hf.parallel.ordered_map import Row
from sca_hf.recipe import complete_recipe
from sca_hf.reporting.reasons import loosened_by
from sca_hf.sandbox import Program, Verdict
from sca_hf.settings import Settings
from sca_hf.stage import Column, Stage
from sca_hf.stages.context import Context, Progress


class Half:
    """Jails in which every other program passes."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.most = 0

    async def run(self, program: Program) -> Verdict:
        self.most = max(self.most, self._progress.programs)
        await asyncio.sleep(0.001)
        passed = int(program.code) % 2 == 0
        return Verdict("passed" if passed else "failed", None, None, 1, (), 0.0, 0.0, 0.0, "", "")


def test_rows_and_programs_are_counted(tmp_path: Path) -> None:
    progress = Progress(jails=2)
    half = Half(progress)
    context = Context(scratch=tmp_path, concurrency=4, jails=half, progress=progress)

    async def judged(row: Row) -> Row:
        verdict = await context.execute(Program(code=str(row["number"]), tests=""))
        return {"reject_reason": None if verdict.status == "passed" else verdict.status}

    stage = Stage("judged", 1, "Numbers.", ("number",), (), Settings, lambda rows, settings, context: rows)
    context.map_rows(stage, Dataset.from_dict({"number": list(range(20))}), judged)
    assert (progress.rows, progress.rows_done) == (20, 20)
    assert (progress.judged, progress.rejected) == (20, {"failed": 10})
    assert progress.examples["failed"]["number"] % 2 == 1
    assert (progress.programs, progress.programs_done, progress.passes) == (0, 20, 10)
    assert half.most == 4


def test_a_line_says_how_replicas_are() -> None:
    fleets = iter([Fleet(7, 1, 0), Fleet(8, 0, 2)])
    progress = Progress(usage=Usage(), fleet=lambda: next(fleets), rows=4)
    line = Line("responses", progress)
    assert "replicas 7 up, 1 waiting, 0 lost" in line.text(1.0)
    assert "replicas 8 up, 0 waiting, 2 lost" in line.text(2.0)
    assert "replicas" not in Line("responses", Progress(usage=Usage(), fleet=lambda: None)).text(1.0)


def test_a_line_says_how_far_and_how_fast() -> None:
    usage = Usage(calls=5, prompt_tokens=1_000, cached_prompt_tokens=900, completion_tokens=50)
    progress = Progress(usage=usage, slots=64, jails=2, rows=400)
    line = Line("responses", progress, _began=0.0, _then=0.0)
    assert line.text(10.0).endswith("-:-- left")
    usage.calls, usage.prompt_tokens, usage.cached_prompt_tokens, usage.completion_tokens = 85, 21_000, 18_900, 4_050
    progress.rows_done, progress.calls = 100, 80
    progress.programs, progress.programs_done, progress.passes = 3, 50, 12
    said = line.text(20.0)
    for part in (
        "100/400 rows",
        "2,000 tokens/s in",
        "400 out",
        "prefix cache 90%",
        "64 running, 16 waiting",
        "jails 2/2",
        "24% of 50 passed",
        "0:30 left",
        "███░░░░░░░░░",
        "10.0 rows/s",
    ):
        assert part in said
    assert "1,000 tokens/s in · 200 out" in line.whole(30.0)


def test_rows_that_the_journal_held_say_nothing_of_the_time_left() -> None:
    usage = Usage()
    progress = Progress(usage=usage, slots=64, rows=400, rows_done=200)
    line = Line("responses", progress, _began=0.0, _then=0.0)
    assert line.text(1.0).endswith("-:-- left")
    assert line.text(30.0).endswith("starting the engine · -:-- left")
    usage.calls, progress.rows_done = 50, 250
    assert line.text(40.0).endswith(
        "5.0 rows/s · 0 tokens/s in · 0 out · prefix cache - · 0 running, 0 waiting · 0:30 left"
    )


def test_a_log_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_of, "_LINE_SECONDS", 0.01)
    output = io.StringIO()
    progress = Progress(rows=10, rows_done=5)
    with shown("concepts", progress, str, output):
        while output.getvalue().count("\n") < 2:
            pass
    assert all(line.startswith("concepts") for line in output.getvalue().splitlines())
    assert "\x1b" not in output.getvalue()


def rejecting(tmp_path: Path, share: int, rows: int = 400) -> Progress:
    """The progress of a stage that rejects `share` of 100 rows as no-tests, when all are done."""
    progress = Progress()
    context = Context(scratch=tmp_path, concurrency=4, progress=progress)

    async def answered(row: Row) -> Row:
        rejected = int(row["number"]) % 100 < share
        return {"response": f"Answer {row['number']} [Tests]", "reject_reason": "no-tests" if rejected else None}

    text = Column("response", Value("string"), "text")
    stage = Stage("responses", 1, "Texts.", ("number",), (text,), Settings, lambda rows, settings, context: rows)
    given = {"id": [f"row-{number}" for number in range(rows)], "number": list(range(rows))}
    context.map_rows(stage, Dataset.from_dict(given), answered)
    return progress


@pytest.mark.parametrize(("share", "rows", "warned"), [(96, 400, True), (60, 400, False), (96, 150, False)])
def test_a_stage_that_rejects_nearly_all_says_so_once(tmp_path: Path, share: int, rows: int, warned: bool) -> None:
    output = io.StringIO()
    with shown(
        "responses", rejecting(tmp_path, share, rows), "versions rows demo-responses --rejected {}".format, output
    ):
        time.sleep(1)
    said = output.getvalue()
    assert said.count("warning:") == warned
    if warned:
        for part in (
            "responses rejected 384 of its first 400 rows as no-tests",
            "so the answer came without tests",
            "for example row row-0: Answer 0 [Tests]",
            "to loosen: --set responses.infer_tests=… (--settings responses says what it takes)",
            "versions rows demo-responses --rejected no-tests",
        ):
            assert part in said


def test_the_settings_that_are_to_be_loosened_are_there() -> None:
    keys = {setting.key for setting in settings(complete_recipe())}
    for reason, stages in {
        "too-many-lines": ("seeds",),
        "contaminated-humaneval": ("seeds", "select"),
        "near-duplicate-code": ("select",),
        "cut-off": ("concepts", "instructions", "responses"),
        "cut-off-response": ("responses",),
        "cut-off-tests": ("responses",),
        "copied-exemplar-3": ("instructions", "responses"),
        "repetition": ("responses",),
        "prompt-too-long": ("concepts",),
        "no-tests": ("responses",),
        "execution-failed": ("select",),
        "execution-timeout": ("select",),
        "leftover": ("select",),
        "other-names": ("select",),
        "duplicate-names": ("select",),
    }.items():
        for stage in stages:
            assert loosened_by(stage, reason) in keys
    assert loosened_by("instructions", "no-instruction") == ""
