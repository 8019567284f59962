"""Self-repair: an attempt that failed goes back to the model, with its tests and its error, for another try.

It comes before `execute`, as programs run here only to see what is wrong with them: their verdicts are in the journal,
where `execute` finds them. Every try is an attempt of its own, in a row of its own, that says how it came about.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from datasets import Dataset, Value
from pydantic import Field

from sca_hf.engines import RowFailure
from sca_hf.errors import SandboxUnavailable
from sca_hf.prompts.answers import Answer, parse_answer
from sca_hf.prompts.build import STOP
from sca_hf.prompts.errors import REPAIRABLE, error_text
from sca_hf.prompts.parts import PartPrompts, load_part_prompts
from sca_hf.sandbox import Verdict
from sca_hf.stage import REJECT_REASON, Column, Stage
from sca_hf.stages.attempts import TESTS, written
from sca_hf.stages.context import Context, Row
from sca_hf.stages.few_shot import Part, ended
from sca_hf.stages.first_samples import FirstSamples
from sca_hf.stages.part_prompts import PartCopies, PartSettings
from sca_hf.stages.pass_rules import program_of
from sca_hf.stages.reading import rows_of

PARTS = ("Instruction", "Failed Response", "Failed Tests", "Error", "Response", "Tests")

_CARRIED: Row = {
    "tests_inferred": False,
    "tests_imports": [],
    "tests_cut": False,
    "response_by": None,
    "tests_by": None,
}


class RepairSettings(PartSettings):
    """How failed attempts are repaired. `tries`: at most this many one after the other, each from the one before it.

    `when`: "no-pass" repairs the attempts at instructions that no attempt passed, so that rows without repairs are the
    same with this stage as without it; "all" repairs every failed attempt. `max_output`: characters of a program's
    output that are shown, its last ones.
    """

    tries: int = Field(default=1, ge=1, le=10)
    when: Literal["no-pass", "all"] = "no-pass"
    max_output: int = Field(default=400, ge=0)

    def load(self) -> PartPrompts:
        """Return the prompts. Raises InputError if there are none."""
        return load_part_prompts("repair.prompts", self.prompts, "repair.txt", PARTS, self.shots)


def repair(responses: Dataset, settings: RepairSettings, context: Context) -> Dataset:
    """Return all responses (`repair` 0), each followed by its repairs (`repair` 1, 2, …).

    A repair is another attempt of the same sample. A response passes by the context's pass rule. Only one whose program
    failed in a way that can be told is repaired; one that passed, and that another rule rejects, is not. Reasons, of
    repairs: `cut-off`, `repetition`, `no-response`, `no-tests`, `several-tests`, `no-code`, `unchanged` (the same
    program), `copied-exemplar-<number>`, `prompt-too-long`, `engine-error`.
    """
    if context.jails is None or context.pass_rule is None:
        missing = "jails" if context.jails is None else "pass_rule"
        raise SandboxUnavailable(f"repair needs {missing}, and the context has none; give Context({missing}=…)")
    trial = _Trial(settings, context, responses)

    async def with_repairs(row: Row) -> list[Row]:
        own = {name: row.get(name, value) for name, value in _CARRIED.items()}
        rows = [own | {"response": row["response"], "tests": row["tests"], "repair": 0, REJECT_REASON: None}]
        verdict = await trial.worth_repairing(row)
        while verdict is not None and len(rows) <= settings.tries:
            repaired = await trial.repaired(row, rows[-1], verdict)
            rows.append(repaired)
            verdict = await trial.failure(repaired) if repaired[REJECT_REASON] is None else None
        return rows

    return context.map_rows(STAGE, responses, with_repairs)


@dataclass
class _Instruction:
    """The attempts at one instruction: their numbers among the rows, in the order of samples, and their verdicts.

    `waiting`: attempts that have not asked for them yet.
    """

    numbers: list[int]
    waiting: int
    verdicts: "asyncio.Task[dict[str, Verdict | None]] | None" = None


class _Trial:
    """Runs attempts and asks for repairs."""

    def __init__(self, settings: RepairSettings, context: Context, responses: Dataset) -> None:
        self._settings, self._context = settings, context
        self._rows = responses.select_columns(list(STAGE.uses))
        self._prompts = settings.load()
        self._copies = PartCopies(self._prompts, settings.max_copied)
        self._part = Part(STAGE.name, STOP, settings.max_tokens)
        self._instructions = _instructions(responses)

    async def worth_repairing(self, row: Row) -> Verdict | None:
        """Return the verdict on a response that is to be repaired; None if it is not."""
        name = row["instruction_id"]
        instruction = self._instructions[name]
        if instruction.verdicts is None:  # the first of an instruction's rows to get here runs all of its attempts
            instruction.verdicts = asyncio.create_task(self._verdicts_of(instruction.numbers))
        verdicts = await instruction.verdicts
        instruction.waiting -= 1
        if not instruction.waiting:
            del self._instructions[name]
        return verdicts.get(row["id"])

    async def failure(self, repaired: Row) -> Verdict | None:
        """Return the verdict on a repair that failed; None if there is nothing to repair in it."""
        return _repairable(await self._context.execute(program_of(repaired["response"], repaired["tests"])))

    async def repaired(self, row: Row, failed: Row, verdict: Verdict) -> Row:
        """Return the next attempt: that of a `failed` one, `row` or a repair of it."""
        number = failed["repair"] + 1
        answer = await self._answer(row, failed, verdict, number)
        repaired = written(answer, self._context.writer, infer_imports=True) | {"repair": number}
        if repaired[REJECT_REASON] is None:
            repaired[REJECT_REASON] = self._fault(failed, repaired["response"], repaired["tests"])
        return repaired

    def _fault(self, failed: Row, response: str, tests: str) -> str | None:
        if program_of(response, tests) == program_of(failed["response"], failed["tests"]):
            return "unchanged"
        return self._copies.reason("Response", response) or self._copies.reason("Tests", tests)

    async def _answer(self, row: Row, failed: Row, verdict: Verdict, number: int) -> Answer:
        error = error_text(program_of(failed["response"], failed["tests"]), verdict, self._settings.max_output)
        values = (row["instruction"], failed["response"], failed["tests"], error)
        prompt = self._prompts.of(dict(zip(PARTS, values, strict=False)), "Response")
        sampling = self._settings.sampling(self._part, self._context.seed, row["id"], number)
        try:
            text, finish_reason = await self._context.complete(prompt, sampling)
        except RowFailure as failure:
            return Answer("", "", False, failure.reason)
        return parse_answer(text, ended(text, finish_reason, sampling), infer_tests=True, cut_tests=False)

    async def _verdicts_of(self, numbers: Sequence[int]) -> dict[str, Verdict | None]:
        """The verdicts on those of an instruction's attempts that are to be repaired, by their ids."""
        attempts = [self._rows[number] for number in numbers]
        programs = [program_of(attempt["response"], attempt["tests"]) for attempt in attempts]
        firsts = FirstSamples(self._context.give_up_after)
        verdicts = await firsts.run_all([partial(self._context.execute, program) for program in programs])
        ran = [(attempt, verdict) for attempt, verdict in zip(attempts, verdicts, strict=True) if verdict is not None]
        is_solved = self._settings.when == "no-pass" and any(self._passes(*each) for each in ran)
        if is_solved or len(ran) < len(attempts):  # or it is given up
            return {}
        return {attempt["id"]: _repairable(verdict) for attempt, verdict in ran}

    def _passes(self, attempt: Row, verdict: Verdict) -> bool:
        rule = self._context.pass_rule
        assert rule is not None
        return rule.passes(attempt | {"status": self._context.status_of(verdict)})


def _repairable(verdict: Verdict) -> Verdict | None:
    return verdict if verdict.status in REPAIRABLE else None


def _instructions(responses: Dataset) -> dict[str, _Instruction]:
    places: dict[str, list[tuple[int, str, int]]] = {}
    for number, row in enumerate(rows_of(responses, ["instruction_id", "sample", "id"])):
        places.setdefault(row["instruction_id"], []).append((row["sample"], row["id"], number))
    return {name: _Instruction([place[-1] for place in sorted(own)], len(own)) for name, own in places.items()}


STAGE = Stage(
    name="repair",
    version=1,
    title="Attempts that failed went back to the model, with their errors, for another try.",
    uses=("id", "instruction_id", "instruction", "sample", "response", "tests"),
    optional=tuple(_CARRIED),
    adds=(
        Column("id", Value("string"), "hash of the id of the response that it is or was made from, the stage and try"),
        Column("first_response_id", Value("string"), "id of the response that it is, or was repaired from"),
        Column("repair", Value("int32"), "0: as it was written first; else the number of the try that repaired it"),
        Column("response", Value("string"), "the answer: natural language with fenced code"),
        *TESTS,
    ),
    parent_id="first_response_id",
    settings=RepairSettings,
    run=repair,
    needs="engine",
    calls=lambda settings: int(settings.tries),
    most_rows=lambda settings: 1 + int(settings.tries),
    draws=True,
    until_pass=lambda settings: True,
    check=RepairSettings.load,
)
