"""Mutants of each passing response run against its own tests: what no test notices, no test has tested.

A mutant is killed if a check of the tests fails. One that crashes or has no end is not counted: any call shows it, so
it says nothing about what the tests check. Nor is one that can't be told from the response: on a line that no test
reaches, or with a result that isn't another one.
"""

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from datasets import Dataset, Value
from pydantic import Field

from sca_hf.mutation.programs import (
    ending_at_a_change,
    functions_used,
    lines_reached,
    noting_lines,
    with_changed_result,
)
from sca_hf.mutation.small import coarse_mutants, small_mutants, statement_lines
from sca_hf.prompts.syntax import parsed
from sca_hf.sandbox import Jails, Limits, Program, Verdict
from sca_hf.settings import Settings
from sca_hf.stage import REJECT_REASON, Column, Stage
from sca_hf.stages.context import Context, Row
from sca_hf.stages.pass_rules import PASSED, program_of

_CLEAR = 3  # a response has so many equivalent small mutants at most, to all appearances
# What a failed check ends with: `assert`, unittest and numpy raise the one, `pytest.raises` the other.
_FAILED_CHECKS = {"AssertionError", "Failed"}
_UNMEASURED: Row = {"mutants": None, "mutants_killed": None, "mutation_score": None, "coverage": None}


class MutantsSettings(Settings):
    """How hard the tests of a response are tried.

    `runs`: programs a response at most, the one that measures its coverage included. `kills`: stop when this many
    mutants are killed. `cpu_seconds`, `wall_seconds`, `memory_mb`: limits of one program, as of `execute`; a mutant
    without an end shall not take long.
    """

    runs: int = Field(default=12, ge=2)
    kills: int = Field(default=4, ge=1)
    cpu_seconds: float = Field(default=2.0, ge=0.05)
    wall_seconds: float = Field(default=6.0, ge=0.05)
    memory_mb: int = Field(default=2048, ge=64)


def mutants(attempts: Dataset, settings: MutantsSettings, context: Context) -> Dataset:
    """Return the attempts with `mutants`, `mutants_killed`, `mutation_score` and `coverage`. None is rejected.

    All are null for an attempt that didn't pass, or whose program can't be changed without failing.
    """

    async def measured(attempt: Row) -> Row:
        row = _UNMEASURED
        if attempt["status"] == PASSED:
            trial = _Trial(program_of(attempt["response"], attempt["tests"]), settings, context)
            row = await trial.measure()
        return row | {REJECT_REASON: None}

    return context.map_rows(STAGE, attempts, measured)


def jails(settings: MutantsSettings, workers: int) -> Jails:
    """Return the pool in which mutants run, `workers` at a time."""
    limits = Limits(cpu_seconds=settings.cpu_seconds, wall_seconds=settings.wall_seconds, memory_mb=settings.memory_mb)
    return Jails(workers, limits)


@dataclass
class _Trial:
    """The mutants of one response. `survived`, `killed`: those counted so far."""

    program: Program
    settings: MutantsSettings
    context: Context
    runs: int = 0
    survived: int = 0
    killed: int = 0

    async def measure(self) -> Row:
        """Return the columns of the stage."""
        try:
            return await self._measured()
        except (RecursionError, ValueError):  # `ast` can't copy or write it: too deep, or an integer of 4,301 digits
            return _UNMEASURED

    async def _measured(self) -> Row:
        tree, tests = parsed(self.program.code), parsed(self.program.tests)
        if tree is None or tests is None:
            return _UNMEASURED
        first = await self._run(noting_lines(tree))
        if first.status != PASSED:
            return _UNMEASURED
        statements, reached = statement_lines(tree), lines_reached(first.stderr)
        await self._try_all(tree, tests, reached)
        counted = self.survived + self.killed
        return {
            "mutants": counted,
            "mutants_killed": self.killed,
            "mutation_score": self.killed / counted if counted else None,
            "coverage": len(statements & reached) / len(statements) if statements else None,
        }

    async def _try_all(self, tree: ast.Module, tests: ast.Module, reached: set[int]) -> None:
        """Try other results first: a check of the type alone, or of the truth, kills many mutants, but none of these.

        It is clear then that the tests are vacuous. Coarse mutants come last, as such checks do kill them.
        """
        await self._change_results(tree, functions_used(tree, tests))
        if self.survived:
            return
        await self._try(small_mutants(tree, reached))
        if self.killed or self.survived < _CLEAR:
            await self._try(coarse_mutants(tree, reached))

    async def _change_results(self, tree: ast.Module, functions: Sequence[str]) -> None:
        """Until one is killed. Where none is, the survivors count whose result really was another one."""
        survivors = []
        for function in functions:
            if self.killed or self._is_spent():
                break
            outcome = await self._outcome(with_changed_result(tree, function))
            self.killed += outcome == "killed"
            survivors += [function] if outcome == "survived" else []
        for function in survivors:
            if self.killed or self.survived or self._is_spent():
                break
            ended = await self._run(ending_at_a_change(tree, function))
            self.survived += ended.status != PASSED

    async def _try(self, sources: Iterable[str]) -> None:
        for source in sources:
            if self.killed >= self.settings.kills or self._is_spent():
                break
            outcome = await self._outcome(source)
            self.survived += outcome == "survived"
            self.killed += outcome == "killed"

    def _is_spent(self) -> bool:
        return self.runs >= self.settings.runs

    async def _outcome(self, mutant: str) -> Literal["survived", "killed", "no-answer"]:
        verdict = await self._run(mutant)
        if verdict.status == PASSED:
            return "survived"
        return "killed" if verdict.status == "failed" and verdict.exception in _FAILED_CHECKS else "no-answer"

    async def _run(self, code: str) -> Verdict:
        self.runs += 1
        return await self.context.execute(Program(code, self.program.tests), is_attempt=False)


STAGE = Stage(
    name="mutants",
    version=1,
    title="Mutants of each passing response run against its own tests, to see what these notice.",
    uses=("id", "response", "tests", "status"),
    adds=(
        Column(
            "mutants", Value("int32"), "mutants of the response that ran to an answer; null: it couldn't be measured"
        ),
        Column("mutants_killed", Value("int32"), "those on which a check of its tests failed"),
        Column("mutation_score", Value("float64"), "mutants_killed / mutants; null without mutants"),
        Column("coverage", Value("float64"), "share of the statements in its functions that its tests reach"),
    ),
    settings=MutantsSettings,
    run=mutants,
    needs="sandbox",
    calls=lambda settings: int(settings.runs),
    jails=jails,
)
