"""Grades answers of several benchmarks and models, each call behind the journal of a store."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from sca_hf.benchmarks import Answer, Benchmark
from sca_hf.benchmarks.benchmark import Measured
from sca_hf.evaluation.grading import Graded, grade_all
from sca_hf.evaluation.results import Made, Result
from sca_hf.pipeline.journal import Journal, JournaledJails
from sca_hf.sandbox import Jails, Limits
from sca_hf.wording import counted

Tell = Callable[[str], None]
_STEP = 50


class Evaluator:
    """`store`: the folder whose journal keeps each verdict, so that a killed evaluation goes on where it was."""

    def __init__(self, store: Path, workers: int, tell: Tell = lambda line: None) -> None:
        self._journal = Journal(store / "journal.sqlite")
        self._workers = workers
        self._tell = tell
        self._jails: dict[Limits, JournaledJails] = {}

    @property
    def journal(self) -> Journal:
        """For engines too."""
        return self._journal

    def grade(self, benchmark: Benchmark, answers: Sequence[Answer], made: Made) -> Result:
        """Grade all. Raises ScaError where jails can't be had or the benchmark's data don't work."""
        jails = self._jails_of(benchmark.limits)

        def told(done: int) -> None:
            if done % _STEP == 0 or done == len(answers):
                self._tell(f"{benchmark.name}: {done} of {counted(len(answers), 'answer')} graded")

        graded = asyncio.run(grade_all(benchmark, answers, jails, told))
        if isinstance(benchmark, Measured):
            self._tell(f"{benchmark.name}: measuring")
            grades = asyncio.run(benchmark.measure([(one.answer, one.grade) for one in graded], jails))
            graded = [Graded(one.answer, grade) for one, grade in zip(graded, grades, strict=True)]
        summed = benchmark.summed([one.grade for one in graded])
        return Result(
            benchmark.name, benchmark.revision, made, graded, len(benchmark.task_ids), summed, benchmark.defective
        )

    def _jails_of(self, limits: Limits) -> JournaledJails:
        if limits not in self._jails:
            self._jails[limits] = JournaledJails(Jails(self._workers, limits), self._journal)
        return self._jails[limits]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for jails in self._jails.values():
            jails.close()
        self._journal.close()
