"""`python -m sca_hf.evaluate`: answers read or drawn, grades written, compared, kept, and found again after a kill."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from sca_hf.benchmarks import Answer, load_benchmark
from sca_hf.evaluate import main
from sca_hf.evaluation.clean_up import clean_up
from sca_hf.evaluation.grading import Graded
from sca_hf.evaluation.results import Made, Result, summary
from sca_hf.store import Store
from tests.engines.loopback_server import MODEL, Loopback

_TASKS = """\
{"task_id": "HumanEval/0", "prompt": "def double(x):\\n    \\"\\"\\"Twice x.\\"\\"\\"\\n", "entry_point": "double",\
 "canonical_solution": "    return x * 2\\n",\
 "test": "def check(candidate):\\n    assert candidate(2) == 4\\n    assert candidate('a') == 'aa'\\n"}
{"task_id": "HumanEval/1", "prompt": "import math\\n\\ndef root(x):\\n    \\"\\"\\"Its square root.\\"\\"\\"\\n",\
 "entry_point": "root", "canonical_solution": "    return math.sqrt(x)\\n",\
 "test": "def check(candidate):\\n    for x in range(9):\\n        assert abs(candidate(x * x) - x) < 1e-6\\n"}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A benchmark of two tasks in HumanEval's layout."""
    (tmp_path / "humaneval.jsonl").write_text(_TASKS)
    return tmp_path


def _samples(folder: Path, name: str, rows: list[dict[str, Any]]) -> str:
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(folder / name)


def _run(folder: Path, *arguments: str) -> int:
    store = str(folder / "store")
    return main(["--benchmark", "humaneval", "--data-dir", str(folder), "--store", store, "--jails", "2", *arguments])


def test_both_layouts_are_graded_and_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    samples = _samples(
        folder,
        "answers.jsonl",
        [
            {"task_id": "HumanEval/0", "completion": "    return x + x\n"},
            {"task_id": "HumanEval/0", "solution": "def double(x):\n    return 4\n"},
            {"task_id": "HumanEval/1", "completion": "    return x ** 0.5\n"},
            {"task_id": "HumanEval/1", "solution": "import os\nos._exit(0)\n"},
            {"task_id": "HumanEval/7", "solution": ""},
        ],
    )
    out, card = folder / "graded.jsonl", folder / "scores.json"
    assert _run(folder, "--samples", samples, "--results", str(out), "--card", str(card), "--k", "1", "2") == 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(row["task_id"], row["sample"], row["passed"], row["status"]) for row in rows] == [
        ("HumanEval/0", 0, True, "passed"),
        ("HumanEval/0", 1, False, "failed"),
        ("HumanEval/1", 0, True, "passed"),
        ("HumanEval/1", 1, False, "early-exit"),
    ]
    said = capsys.readouterr()
    assert "2 of 2 tasks, 4 answers" in said.out
    assert "pass@1 50.0 [" in said.out
    assert "pass@2 100.0 [" in said.out
    assert "left out 1 answer to tasks that humaneval doesn't have" in said.err
    scores = json.loads(card.read_text())
    assert [(one["metric_name"], one["metric_value"]) for one in scores] == [("pass@1", 0.5), ("pass@2", 1.0)]
    version = Store(folder / "store").latest("humaneval-grades")
    assert version is not None
    version.verify()
    assert version.load()["passed"] == [True, False, True, False]


def test_models_are_compared_by_pairs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = _samples(folder, "good.jsonl", [{"task_id": f"HumanEval/{n}", "completion": c} for n, c in _GOOD])
    poor = _samples(folder, "poor.jsonl", [{"task_id": f"HumanEval/{n}", "completion": "    pass\n"} for n, _ in _GOOD])
    assert _run(folder, "--samples", good, poor) == 0
    assert "pass@1: good.jsonl - poor.jsonl = 100.0 [100.0, 100.0] on the same 2 tasks" in capsys.readouterr().out


_GOOD = [(0, "    return 2 * x if not isinstance(x, str) else x + x\n"), (1, "    return math.sqrt(x)\n")]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{broken", "line 1 is not JSON"),
        ('{"solution": "x"}\n', "line 1 has no 'task_id'"),
        ('{"task_id": "HumanEval/0"}\n', "line 1 has neither a text 'solution' nor 'completion'"),
        ('{"task_id": "Other/0", "solution": ""}\n', "no answer, of 1, is to a task of humaneval"),
    ],
)
def test_what_is_wrong_with_samples_is_said_in_a_line(
    folder: Path, content: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "answers.jsonl").write_text(content)
    assert _run(folder, "--samples", str(folder / "answers.jsonl")) == 2
    assert said in capsys.readouterr().err


def test_too_few_answers_for_k_are_an_error(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    samples = _samples(folder, "one.jsonl", [{"task_id": "HumanEval/0", "completion": "    return x\n"}])
    assert _run(folder, "--samples", samples, "--k", "10") == 2
    assert "pass@10 needs at least 10 answers a task, got 1" in capsys.readouterr().err


def test_a_benchmark_without_data_is_left_out(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    samples = _samples(folder, "one.jsonl", [{"task_id": "HumanEval/0", "completion": "    return x + x\n"}])
    assert _run(folder, "--benchmark", "mbpp+", "humaneval", "--samples", samples) == 0
    said = capsys.readouterr()
    assert "left out: benchmark 'mbpp+'" in said.err
    assert "pass@1 100.0" in said.out


def test_a_killed_evaluation_goes_on(folder: Path) -> None:
    slow = "    import time\n    end = time.process_time() + 0.3\n    while time.process_time() < end: pass\n"
    rows = [{"task_id": "HumanEval/0", "completion": f"{slow}    return x + x  # {n}\n"} for n in range(12)]
    samples = _samples(folder, "slow.jsonl", rows)
    command = [
        *(sys.executable, "-m", "sca_hf.evaluate", "--benchmark", "humaneval", "--data-dir", str(folder)),
        *("--store", str(folder / "store"), "--samples", samples, "--results", str(folder / "out"), "--jails", "1"),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    journal = folder / "store" / "journal.sqlite"
    deadline = time.monotonic() + 120
    while _verdicts(journal) < 6 and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    kept = _verdicts(journal)
    assert kept >= 6
    again = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert again.returncode == 0, again.stderr
    assert sum(json.loads(line)["passed"] for line in (folder / "out").read_text().splitlines()) == 12
    # Recording takes two programs; each answer ran once.
    assert _verdicts(journal) == 12 + 3


def _verdicts(journal: Path) -> int:
    import sqlite3

    try:
        with sqlite3.connect(f"file:{journal}?mode=ro", uri=True, timeout=5) as connection:
            count: int = connection.execute("SELECT count(*) FROM calls").fetchone()[0]
            return count
    except sqlite3.Error:
        return 0


def test_the_bundled_model_is_evaluated(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answers = folder / "answers.jsonl"
    assert _run(folder, "--model", "demo", "--answers", str(answers), "--max-model-len", "1024") == 0
    said = capsys.readouterr().out
    assert "demo on humaneval (data " in said
    assert "prompt base, greedy" in said
    assert "2 of 2 tasks, 2 answers" in said
    # The same answers, made elsewhere, are graded alike.
    assert _run(folder, "--samples", str(answers)) == 0


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (
            "Sure!\nimport re\ndef f(x):\n    return g(x)\ndef g(x):\n    return x\nprint(f(1))\nThat is it.\n",
            "import re\ndef f(x):\n    return g(x)\ndef g(x):\n    return x",
        ),
        ("def other(x):\n    return 1\ndef f(x):\n    return 2\n", "def f(x):\n    return 2"),
        ("A = 1\nB = 2\ndef f(x):\n    return A\n", "A = 1\ndef f(x):\n    return A"),
        ("no code at all, only words\nand more words\n", "no code at all, only words"),
    ],
)
def test_answers_are_cleaned_up_as_by_evalplus(text: str, left: str) -> None:
    assert clean_up(text, "f") == left


@pytest.mark.parametrize("kind", ["openai", "tgi"])
def test_answers_are_drawn_from_servers(folder: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    server = Loopback()
    server.says = lambda prompt, seed: "    return x + x\ndef other():\n    pass\n"
    arguments = ("--model", MODEL, "--tokenizer", "demo", "--url", server.url, "--server", kind)
    try:
        assert _run(folder, *arguments) == 0
        said = capsys.readouterr().out
        assert "2 of 2 tasks, 2 answers" in said
        assert "pass@1 50.0 [" in said
        # Servers take four stop texts; at the others the answer is cut here.
        sent = [(body["parameters"] if kind == "tgi" else body)["stop"] for body in server.bodies]
        assert [len(stop) for stop in sent] == [4, 4]
        assert not any("\ndef " in stop for stop in sent)
        asked = len(server.bodies)
        assert _run(folder, *arguments) == 0
        assert len(server.bodies) == asked
    finally:
        server.close()


def test_a_url_that_is_none_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(folder, "--model", MODEL, "--tokenizer", "demo", "--url", "localhost:8000") == 2
    assert "--url localhost:8000: " in capsys.readouterr().err


def test_a_corrected_score_stands_beside_the_published_one(data: Path, grade_answers: Any) -> None:
    benchmark = load_benchmark("mbpp+", data)
    answers = [Answer("Mbpp/2", 0, solution=benchmark.tasks["Mbpp/2"].reference), Answer("Mbpp/102", 0, solution="")]
    graded = [Graded(answer, grade) for answer, grade in zip(answers, grade_answers(benchmark, answers), strict=True)]
    result = Result("mbpp+", "", Made("m"), graded, 378, {}, benchmark.defective)
    lines = summary(result, [1])
    assert lines[0].endswith("2 of 378 tasks, 2 answers")
    assert lines[2].startswith("  plus pass@1 50.0 [")
    assert "; 100.0 [" in lines[2]
    assert lines[2].endswith("without tasks whose data are wrong")
    assert lines[3:] == ["  Mbpp/102: its reference is wrong"]
