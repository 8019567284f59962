"""Answers made elsewhere: JSON lines of evalplus' layout (`solution`) or Codex' (`completion`)."""

import gzip
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from sca_hf.benchmarks import Answer, Benchmark
from sca_hf.errors import InputError, one_line

_PREFIXES = ("Mbpp", "HumanEval", "EvoEval", "ds1000")


@dataclass(frozen=True)
class Samples:
    """`foreign`: ids of answers to tasks that the benchmark doesn't have, which are left out."""

    answers: list[Answer]
    foreign: list[str]


def read_samples(file: Path, benchmark: Benchmark) -> Samples:
    """The file's answers, in its order; `sample` counts those of a task. Raises InputError where it can't be read."""
    known = set(benchmark.task_ids)
    counted: Counter[str] = Counter()
    answers, foreign = [], []
    for number, line in enumerate(_lines(file), 1):
        if not line.strip():
            continue
        answer = _answer(f"{file.name}, line {number}", line, known)
        if answer.task not in known:
            foreign.append(answer.task)
            continue
        answers.append(Answer(answer.task, counted[answer.task], answer.solution, answer.completion, answer.given_id))
        counted[answer.task] += 1
    if not answers:
        raise InputError(
            f"--samples {file}: no answer, of {len(foreign)}, is to a task of {benchmark.name} "
            f"(the first of its tasks: {benchmark.task_ids[0]!r}); check --benchmark"
        )
    return Samples(answers, foreign)


def _lines(file: Path) -> list[str]:
    try:
        content = file.read_bytes()
        # Not `splitlines`: JSON may hold other line breaks of Unicode.
        return (gzip.decompress(content) if file.suffix == ".gz" else content).decode("utf-8-sig").split("\n")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError(f"--samples {file} can't be read ({one_line(error)}); give a file of JSON lines") from error


def _answer(where: str, line: str, known: set[str]) -> Answer:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise InputError(f"{where} is not JSON ({error}); give an object a line") from error
    if not isinstance(row, dict) or not isinstance(row.get("task_id"), str | int):
        raise InputError(f"{where} has no 'task_id'; give task_id with solution or completion")
    solution, completion = row.get("solution"), row.get("completion")
    if not isinstance(solution, str) and not isinstance(completion, str):
        raise InputError(f"{where} has neither a text 'solution' nor 'completion'; give one of them")
    if isinstance(solution, str):
        completion = None
    return Answer(_task(str(row["task_id"]), known), 0, solution, completion, row["task_id"])


def _task(given: str, known: set[str]) -> str:
    """A benchmark's ids are numbers in some files, and have a prefix in others."""
    if given in known:
        return given
    prefix, _, number = given.rpartition("/")
    for name in _PREFIXES:
        if prefix.lower() in ("", name.lower()):
            alike = number if name == "Mbpp" and number in known else f"{name}/{number}"
            if alike in known:
                return alike
    return given
