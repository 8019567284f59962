"""Answers made elsewhere, in every layout that they come in, for every benchmark."""

import gzip
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from sca_hf.benchmarks import load_benchmark
from sca_hf.evaluation.samples import read_samples

Write = Callable[[Sequence[dict[str, Any]]], Path]
BENCHMARKS: dict[str, tuple[str, list[str | int]]] = {
    "humaneval": ("HumanEval/3", [3, "3", "humaneval/3"]),
    "humaneval+": ("HumanEval/3", ["3"]),
    "mbpp": ("11", [11, "Mbpp/11", "mbpp/11", "MBPP/11"]),
    "mbpp+": ("Mbpp/3", [3, "3", "mbpp/3"]),
    "evoeval-subtle": ("EvoEval/3", [3, "evoeval/3"]),
    "evoeval-verbose": ("HumanEval/3", ["3"]),
    "classeval": ("ClassEval_3", []),
    "canitedit": ("1_cipher/lazy", []),
    "ds1000": ("ds1000/3", [3, "3", "DS1000/3"]),
}


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(rows: Sequence[dict[str, Any]]) -> Path:
        file = tmp_path / "answers.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return file

    return written


@pytest.mark.parametrize("name", BENCHMARKS)
def test_both_layouts_and_all_spellings_of_ids_are_read(name: str, data: Path, write: Write) -> None:
    task, others = BENCHMARKS[name]
    benchmark = load_benchmark(name, data)
    rows: list[dict[str, Any]] = [{"task_id": given, "solution": "x = 1\n"} for given in (task, *others)]
    rows += [{"task_id": task, "completion": "    y = 2\n", "solution": None}]
    samples = read_samples(write(rows), benchmark)
    assert [(answer.task, answer.sample) for answer in samples.answers] == [(task, n) for n in range(len(rows))]
    assert [answer.given_id for answer in samples.answers] == [row["task_id"] for row in rows]
    assert benchmark.program(samples.answers[0]).endswith("x = 1\n")
    completed = benchmark.program(samples.answers[-1])
    assert completed.endswith("    y = 2\n")
    if hasattr(benchmark.tasks[task], "entry"):
        assert completed == benchmark.tasks[task].prompt + "    y = 2\n"


def test_ids_of_another_benchmark_are_no_ids_of_this(data: Path, write: Write) -> None:
    file = write([{"task_id": given, "solution": ""} for given in ("HumanEval/11", "EvoEval/11", "x/11", "11")])
    samples = read_samples(file, load_benchmark("mbpp", data))
    assert [answer.given_id for answer in samples.answers] == ["11"]
    assert samples.foreign == ["HumanEval/11", "EvoEval/11", "x/11"]


def test_files_may_be_compressed_and_begin_with_a_byte_order_mark(data: Path, tmp_path: Path) -> None:
    line = '\ufeff{"task_id": "HumanEval/0", "solution": "a\u2028b"}\n\n'.encode()
    (tmp_path / "plain.jsonl").write_bytes(line)
    (tmp_path / "packed.jsonl.gz").write_bytes(gzip.compress(line))
    for file in ("plain.jsonl", "packed.jsonl.gz"):
        samples = read_samples(tmp_path / file, load_benchmark("humaneval", data))
        assert [answer.solution for answer in samples.answers] == ["a\u2028b"]


def test_equal_answers_count_each(data: Path, write: Write) -> None:
    row = {"task_id": "HumanEval/0", "solution": "same"}
    samples = read_samples(write([row, row, row]), load_benchmark("humaneval", data))
    assert [answer.sample for answer in samples.answers] == [0, 1, 2]
