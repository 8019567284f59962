"""What a run says while it runs: counts that add up, on a terminal and in a log."""

import asyncio
import io
import os
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from datasets import Dataset, Value

from sca_hf.console import progress as progress_of
from sca_hf.console.progress import Line, _packed, shown
from sca_hf.console.remaining import calls_to_come
from sca_hf.console.settings import settings
from sca_hf.engines import Completion, EngineIdentity, Fleet, Prompt, Sampling, Usage, Work
from sca_hf.parallel.ordered_map import Row
from sca_hf.recipe import complete_recipe
from sca_hf.reporting.reasons import loosened_by
from sca_hf.sandbox import Program, Verdict
from sca_hf.settings import Settings
from sca_hf.stage import Column, Stage
from sca_hf.stages.context import Context
from sca_hf.stages.progress import Progress


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


def said(line: Line, now: float) -> str:
    line.look(now)
    return " · ".join(line.parts())


def test_a_line_says_how_replicas_are() -> None:
    fleets = iter([Fleet(7, 1, 0), Fleet(8, 0, 2)])
    progress = Progress(usage=Usage(), fleet=lambda: next(fleets), rows=4)
    line = Line("responses", progress, now=0.0)
    assert "replicas 7 up, 1 waiting, 0 lost" in said(line, 1.0)
    assert "replicas 8 up, 0 waiting, 2 lost" in said(line, 2.0)
    assert "replicas" not in said(Line("responses", Progress(usage=Usage(), fleet=lambda: None), now=0.0), 1.0)


def test_a_line_says_how_far_and_how_fast() -> None:
    live = Work()
    usage = Usage(calls=5, prompt_tokens=1_000, cached_prompt_tokens=900, completion_tokens=50, live=lambda: live)
    progress = Progress(usage=usage, slots=64, jails=2, rows=400, calls_per_row=2)
    line = Line("responses", progress, now=0.0)
    assert said(line, 1.0) == "responses     ░░░░░░░░░░░░ 0/400 rows · 0/~800 calls · -:-- left · jails 0/2"
    progress.rows_begun, progress.calls, progress.max_tokens = 80, 80, 100
    live = Work(64, 6_400, 5_760, 640)
    assert "0/400 rows · 0/~800 calls · -:-- left · 640 tokens/s read, 64 written" in said(line, 10.0)
    usage.calls, usage.prompt_tokens, usage.cached_prompt_tokens, usage.completion_tokens = 165, 15_000, 13_500, 5_050
    progress.rows_begun, progress.rows_done, progress.calls_of_rows_done = 180, 100, 100
    progress.calls_done, progress.tokens_done = 160, 5_000
    progress.programs, progress.programs_done, progress.attempts_done, progress.passes = 3, 50, 50, 12
    for part in (
        "███░░░░░░░░░ 100/400 rows",
        "160/~578 calls",
        "1,020 tokens/s read, 282 written",
        "prefix cache 90%",
        "64 running, 16 waiting",
        "jails 2/2",
        "24% of 50 passed",
    ):
        assert part in said(line, 20.0)
    progress.rows_begun = progress.rows_done = 400
    progress.calls, progress.calls_done, live = 0, 500, Work()
    line.look(50.0)
    assert line.whole() == [
        "responses     ████████████ 400/400 rows",
        "0:50",
        "500 calls, 340 of them replayed",
        "280 tokens/s read, 100 written",
        "prefix cache 90%",
        "24% of 50 passed",
    ]


def test_loading_is_a_phase_of_its_own() -> None:
    usage = Usage()
    progress = Progress(usage=usage, slots=64, rows=400, rows_begun=300, rows_done=200, calls=100, calls_per_row=1)
    progress.calls_done = progress.calls_of_rows_done = 200
    line = Line("concepts", progress, now=0.0)
    usage.starting_since = 1.0
    assert said(line, 32.0).endswith("200/400 rows · 200/400 calls · loading the model for 0:31")
    usage.starting_since, usage.starting_seconds = None, 40.0
    assert said(line, 41.0).endswith("-:-- left · 0 tokens/s read, 0 written · 64 running, 36 waiting")
    usage.calls, usage.completion_tokens = 50, 500
    progress.calls_done, progress.tokens_done, progress.calls = 250, 2_500, 50
    assert "0:30 left · 0 tokens/s read, 50 written" in said(line, 42.0), "150 calls of 10 tokens, 50 a second"
    usage.trouble = "http://server does not answer (refused)"
    assert said(line, 43.0).endswith("left · http://server does not answer (refused)")


def test_the_journal_says_how_long_calls_are_but_not_how_fast() -> None:
    usage = Usage()
    progress = Progress(usage=usage, rows=400, rows_begun=200, rows_done=200, calls_of_rows_done=200, calls_per_row=1)
    progress.calls_done, progress.tokens_done = 200, 2_000
    line = Line("concepts", progress, now=0.0)
    assert said(line, 30.0).endswith("200/400 calls · -:-- left")


@pytest.mark.parametrize("kind", ["peaked", "long-tailed", "all the same"])
def test_the_time_left_is_about_right_and_gets_better(kind: str) -> None:
    """Calls of some hundred tokens, 64 at a time; the error of what is told, from an eighth of the run on."""
    chance = random.Random(kind)
    draw: Callable[[], float] = {
        "peaked": lambda: max(20.0, chance.gauss(200, 60)),
        "long-tailed": lambda: min(1500.0, chance.expovariate(1 / 200)),
        "all the same": lambda: 200.0,
    }[kind]
    lengths = [round(draw()) for _ in range(640)]
    running: list[list[int]] = []
    usage = Usage(live=lambda: Work(len(running), 0, 0, sum(done for done, _ in running)))
    progress = Progress(usage=usage, slots=64, rows=640, calls_per_row=1, max_tokens=1536)
    line = Line("responses", progress, now=0.0)
    told: list[tuple[float, float]] = []
    waiting, second = list(lengths), 0.0
    while waiting or running:
        while waiting and len(running) < 64:
            running.append([0, waiting.pop()])
            progress.rows_begun += 1
        progress.calls = len(running)
        for call in running:
            call[0] += 1
        for done, _ in [call for call in running if call[0] >= call[1]]:
            usage.calls, usage.completion_tokens = usage.calls + 1, usage.completion_tokens + done
            progress.calls_done, progress.tokens_done = progress.calls_done + 1, progress.tokens_done + done
            progress.rows_done = progress.calls_of_rows_done = progress.calls_done
        running[:] = [call for call in running if call[0] < call[1]]
        progress.calls = len(running)
        second += 0.1
        line.look(second)
        left = line.seconds_left()
        if left is not None:
            told.append((second, left))
    whole = second
    assert told[0][0] < whole / 8
    ratios = [(at + left) / whole for at, left in told]
    assert min(ratios) > 0.4
    assert max(ratios) < 2.5
    half = [ratio for (at, _), ratio in zip(told, ratios, strict=True) if at > whole / 2]
    assert min(half) > 0.7, "in the end the longest calls run alone"
    assert max(half) < 1.25


def test_calls_that_rows_make_are_counted(tmp_path: Path) -> None:
    class Words:
        """Completes with as many tokens as are wanted, after a while; counts at how many calls it was looked at."""

        identity = EngineIdentity("toy", "1", "1", "float32")

        async def complete(self, prompt: Prompt, sampling: Sampling) -> Completion:
            await asyncio.sleep(0.001)
            return Completion("word", "stop", 10, 7)

        def close(self) -> None:
            return

    progress = Progress(calls_per_row=4)
    context = Context(scratch=tmp_path, concurrency=3, engine=Words(), progress=progress)
    sampling = Sampling(temperature=0.0, max_tokens=9, stop=(), seed=0)
    totals = []

    async def asked(row: Row) -> Row:
        async def twice() -> None:
            await context.complete("first", sampling)
            if row["number"] % 2:
                await context.complete("second", sampling)

        await asyncio.gather(twice(), twice())
        totals.append(progress.calls_done + progress.calls + calls_to_come(progress))
        return {"reject_reason": None}

    stage = Stage("asked", 1, "Numbers.", ("number",), (), Settings, lambda rows, settings, context: rows)
    context.map_rows(stage, Dataset.from_dict({"number": list(range(30))}), asked)
    assert (progress.calls, progress.calls_done, progress.calls_of_rows_done) == (0, 90, 90)
    assert (progress.tokens_done, progress.max_tokens) == (630, 9)
    assert totals[0] > 90, "at first all calls that rows may make are expected"
    assert totals[-1] == pytest.approx(90, abs=4)


def test_processes_can_be_forked_while_lines_are_written() -> None:
    """Their streams would else be locked by a thread that they don't have."""

    class Slow(io.StringIO):
        def isatty(self) -> bool:
            return True

        def write(self, text: str) -> int:
            with lock:
                time.sleep(0.02)
                return super().write(text)

    lock = threading.Lock()
    with shown("seeds", Progress(rows=10), str, Slow()):
        for _ in range(20):
            time.sleep(0.05)
            child = os.fork()
            if not child:
                os._exit(0 if lock.acquire(timeout=1) else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_lines_fit_a_terminal() -> None:
    packed = _packed(
        ["responses     ███░░░░░░░░░ 100/400 rows", *(f"part {number} of some length" for number in range(9))], 80
    )
    assert max(map(len, packed.splitlines())) <= 80
    assert packed.splitlines()[1].startswith(" " * 14 + "part")


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
