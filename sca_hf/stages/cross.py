"""Cross-examination: each passing response runs against the tests of the other samples of its instruction.

A model's tests can share the mistake of the response that they were written for. Those of other samples share it less
often, so of the responses that pass their own tests the one that most other suites agree with is the likeliest to be
right (CodeT, arXiv 2207.10397, scores responses by tests of the same model too).
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from functools import lru_cache

from datasets import Dataset, Value
from pydantic import Field

from sca_hf.prompts.code_blocks import code_blocks
from sca_hf.sandbox import FORGING_FLAGS, Jails, Limits, Program, Verdict
from sca_hf.settings import Settings
from sca_hf.stage import REJECT_REASON, Column, Stage
from sca_hf.stages.context import Context, Row
from sca_hf.stages.execute import FLAGGED
from sca_hf.stages.pass_rules import PASSED, is_vacuous, sample_of
from sca_hf.stages.reading import rows_of

_SAY_NOTHING = {"no-assertion", FLAGGED}
# What a suite ends with that asks for a name which another response doesn't have.
_OTHER_NAMES = {"NameError", "AttributeError", "ImportError", "ModuleNotFoundError"}
_INSTRUCTIONS = 256  # whose suites are remembered: those of the rows in the works


class CrossSettings(Settings):
    """How responses are cross-examined.

    `suites`: other samples' suites that a response meets at most, the first ones by id, so that responses to one
    instruction meet the same, but for their own. `cpu_seconds`, `wall_seconds`, `memory_mb`: limits of one program, as
    of `execute`.
    """

    suites: int = Field(default=9, ge=1)
    cpu_seconds: float = Field(default=2.0, ge=0.05)
    wall_seconds: float = Field(default=10.0, ge=0.05)
    memory_mb: int = Field(default=2048, ge=64)


def cross(attempts: Dataset, settings: CrossSettings, context: Context) -> Dataset:
    """Return the attempts with `suites` and `agreement`. None is rejected.

    Both are null for an attempt that didn't pass. The suites of all other samples are run, those of failing ones too:
    there the response may be what is wrong. Left out are suites that say nothing: without a check, with a flag, or
    vacuous by stage `mutants`. A suite doesn't count (`suites`) where its program came to no answer: it ran into a
    limit, isn't Python, or asks for names that the response doesn't have.
    """
    suites_of = _suites(attempts)

    async def examined(attempt: Row) -> Row:
        row: Row = {"suites": None, "agreement": None, REJECT_REASON: None}
        if attempt["status"] != PASSED:
            return row
        code = "\n".join(code_blocks(attempt["response"]))
        own = sample_of(attempt)
        others = [tests for _, sample, tests in suites_of(attempt["instruction_id"]) if sample != own]
        programs = [Program(code, tests) for tests in others[: settings.suites]]
        verdicts = await asyncio.gather(*map(context.execute, programs))
        answers = [verdict.status == PASSED for verdict in verdicts if _is_an_answer(verdict)]
        return row | {"suites": len(answers), "agreement": sum(answers) / len(answers) if answers else None}

    return context.map_rows(STAGE, attempts, examined)


def jails(settings: CrossSettings, workers: int) -> Jails:
    """Return the pool in which responses meet suites, `workers` at a time."""
    limits = Limits(cpu_seconds=settings.cpu_seconds, wall_seconds=settings.wall_seconds, memory_mb=settings.memory_mb)
    return Jails(workers, limits)


def _suites(attempts: Dataset) -> Callable[[str], list[tuple[str, int | str, str]]]:
    """Return a function from the id of an instruction to its attempts' ids, samples and suites, by id."""
    places: dict[str, list[int]] = defaultdict(list)
    names = ("instruction_id", "status", "mutants", "mutants_killed")
    columns = [name for name in names if name in attempts.column_names]
    for place, attempt in enumerate(rows_of(attempts, columns)):
        if attempt["status"] not in _SAY_NOTHING and not is_vacuous(attempt):
            places[attempt["instruction_id"]].append(place)
    written = attempts.select_columns([name for name in ("id", "sample", "tests") if name in attempts.column_names])

    @lru_cache(maxsize=_INSTRUCTIONS)
    def suites_of(instruction_id: str) -> list[tuple[str, int | str, str]]:
        rows = written.select(places[instruction_id]).to_list()
        return sorted((row["id"], sample_of(row), "\n".join(code_blocks(row["tests"]))) for row in rows)

    return suites_of


def _is_an_answer(verdict: Verdict) -> bool:
    if verdict.status == PASSED:
        return set(FORGING_FLAGS).isdisjoint(verdict.flags)
    return verdict.status == "failed" and verdict.exception not in _OTHER_NAMES


STAGE = Stage(
    name="cross",
    version=1,
    title="Each passing response runs against the tests of the other samples of its instruction.",
    uses=("id", "instruction_id", "response", "tests", "status"),
    optional=("sample", "mutants", "mutants_killed"),
    adds=(
        Column(
            "suites", Value("int32"), "other samples' suites that came to an answer on the response; null: it failed"
        ),
        Column("agreement", Value("float64"), "share of them that it passed; null without any"),
    ),
    settings=CrossSettings,
    run=cross,
    needs="sandbox",
    calls=lambda settings: int(settings.suites),
    jails=jails,
)
