"""What `python -m sca_hf.evaluate` does with its arguments."""

import argparse
import asyncio
import json
import sys
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

from pydantic import ValidationError

from sca_hf.benchmarks import Answer, Benchmark, load_benchmark
from sca_hf.engines.registry import make_engine
from sca_hf.engines.settings import EngineSettings
from sca_hf.errors import InputError, StoreError
from sca_hf.evaluation.evaluator import Evaluator
from sca_hf.evaluation.generation import Drawing, draw, load_tokenizer
from sca_hf.evaluation.kept import keep
from sca_hf.evaluation.prompts import chosen_format
from sca_hf.evaluation.results import Made, Result, comparison, summary, write_eval_results, write_results
from sca_hf.evaluation.samples import read_samples
from sca_hf.pipeline.journal import JournaledEngine
from sca_hf.wording import counted

_STEP = 20
_SERVERS_STOPS = 4
"""Stop texts that OpenAI's servers and TGI's take; completions are cut at the others here."""


def evaluate(given: argparse.Namespace) -> list[Result]:
    """All benchmarks for all models or files. Raises ScaError.

    A benchmark whose data can't be had is left out with a line; if none is left, that is the error.
    """
    results: list[Result] = []
    with Evaluator(given.store, given.jails, _note) as evaluator, evaluator.journal.calls_used() as calls:
        benchmarks = _benchmarks(given.benchmark, given.data_dir)
        if given.samples:
            for file in given.samples:
                results += [_of_samples(evaluator, benchmark, file) for benchmark in benchmarks]
        else:
            for model in given.model:
                results += _of_model(evaluator, benchmarks, model, given)
    for result in results:
        print("\n".join(summary(result, given.k)))
    for one, other in combinations(results, 2):
        if one.benchmark == other.benchmark:
            print("\n".join(_compared(one, other)))
    if given.results is not None:
        write_results(given.results, results)
    for result in results:
        version = keep(given.store, result, bytes(calls))
        _note(f"kept as {version.path}")
    if given.card is not None:
        write_eval_results(given.card, results, given.k)
    return results


def _benchmarks(names: list[str], folder: Path | None) -> list[Benchmark]:
    loaded, refused = [], []
    for name in dict.fromkeys(names):
        try:
            loaded.append(load_benchmark(name, folder))
        except InputError as error:
            refused.append(error)
    for reason in refused if loaded else refused[1:]:
        _note(f"left out: {reason}")
    if not loaded:
        raise refused[0]
    return loaded


def _of_samples(evaluator: Evaluator, benchmark: Benchmark, file: Path) -> Result:
    samples = read_samples(file, benchmark)
    if samples.foreign:
        _note(
            f"{file}: left out {counted(len(samples.foreign), 'answer')} to tasks that {benchmark.name} doesn't have "
            f"({samples.foreign[0]!r} first)"
        )
    missing = len(benchmark.task_ids) - len({answer.task for answer in samples.answers})
    if missing:
        _note(f"{file}: no answer to {counted(missing, 'task')} of {benchmark.name}: the score is that of the others")
    return evaluator.grade(benchmark, samples.answers, Made(file.name))


def _of_model(evaluator: Evaluator, benchmarks: list[Benchmark], model: str, given: argparse.Namespace) -> list[Result]:
    tokenizer = load_tokenizer(given.tokenizer or model)
    formats = [chosen_format(benchmark, tokenizer, given.prompt) for benchmark in benchmarks]
    settings = _engine_settings(given)
    engine = JournaledEngine(make_engine(model, settings), evaluator.journal)
    identity = engine.identity
    sampled = f"{given.n} at T {given.temperature:g}, top-p {given.top_p:g}" if given.temperature else "greedy"
    build = f"{identity.build}, {identity.dtype}, revision {identity.revision}"
    stops = _SERVERS_STOPS if settings.urls else None
    drawn: list[tuple[Benchmark, list[Answer], Made]] = []
    try:
        for benchmark, how in zip(benchmarks, formats, strict=True):
            drawing = Drawing(how, given.n, given.temperature, given.top_p, given.limit, stops)
            tell = _counted(f"{benchmark.name}: answers drawn", len(benchmark.task_ids[: given.limit]) * given.n)
            answers = asyncio.run(draw(benchmark, drawing, engine, tokenizer, tell))
            drawn.append((benchmark, answers, Made(model, build, f"{how}, {sampled}")))
    finally:
        engine.close()
    if given.answers is not None:
        _write_answers(given.answers, [answer for _, answers, _ in drawn for answer in answers])
    return [evaluator.grade(benchmark, answers, made) for benchmark, answers, made in drawn]


def _engine_settings(given: argparse.Namespace) -> EngineSettings:
    try:
        return EngineSettings(
            kind=given.server if given.url else "vllm", urls=tuple(given.url), max_model_len=given.max_model_len
        )
    except ValidationError as error:
        raise InputError(f"--url {' '.join(given.url)}: {error.errors()[0]['msg']}") from error


def _compared(one: Result, other: Result) -> list[str]:
    try:
        return [f"compared on {one.benchmark}:", *comparison(one, other)]
    except InputError as error:
        return [f"not compared on {one.benchmark}: {error}"]


def _write_answers(file: Path, answers: list[Answer]) -> None:
    try:
        with file.open("w", encoding="utf-8") as out:
            for answer in answers:
                out.write(json.dumps({"task_id": answer.task, "solution": answer.solution}) + "\n")
    except OSError as error:
        raise StoreError(f"--answers {file} can't be written ({error.strerror}); give another path") from error


def _counted(what: str, total: int) -> Callable[[int], None]:
    def told(done: int) -> None:
        if done % _STEP == 0 or done == total:
            _note(f"{what}: {done} of {total}")

    return told


def _note(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
