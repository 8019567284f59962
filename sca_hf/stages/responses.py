"""I->R: the model answers each instruction several times and writes tests for each answer."""

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal

from datasets import Dataset, Value
from pydantic import Field

from sca_hf.context import Context, Row
from sca_hf.engines import RowFailure
from sca_hf.errors import SandboxUnavailable
from sca_hf.identity import row_id
from sca_hf.markdown import code_blocks
from sca_hf.prompts.build import TESTS_LABEL, response_prompt
from sca_hf.stage import REJECT_REASON, Column, Stage, carried
from sca_hf.stages.first_samples import FirstSamples
from sca_hf.stages.instructions import STAGE as INSTRUCTIONS
from sca_hf.stages.passing import Rules, program_of
from sca_hf.stages.sampling import FewShotStep, ShotSettings


class ResponsesSettings(ShotSettings):
    """How responses are asked for. `samples`: responses an instruction.

    `until`: so many passes, after which no more is drawn; "all" draws all samples, as the paper does. The chosen
    responses have the same distribution either way: the first passes of independent samples are a random choice among
    all passes.
    """

    shots: int = Field(default=1, ge=0, le=100)
    samples: int = Field(default=10, ge=1, le=10_000)
    until: Annotated[int, Field(ge=1, le=10_000)] | Literal["all"] = "all"


@dataclass(frozen=True)
class Answer:
    """A completion of I->R, taken apart. `reject_reason` is null when both parts are there and hold Python code."""

    response: str
    tests: str
    reject_reason: str | None


def responses(instructions: Dataset, context: Context) -> Dataset:
    """Up to `samples` rows an instruction: its columns with `sample`, `response` and `tests`.

    Reasons: `cut-off` (max_tokens reached), `no-response`, `no-tests`, `several-tests` (not exactly one tests part),
    `no-code` (no Python block in one of the parts), `prompt-too-long`, `engine-error`.

    With jails in the context each response runs as soon as it is there, while others are drawn; the verdicts are left
    in the journal, where stage `execute` finds them. With `until`, an instruction that no response could pass with gets
    one sample, and one that is given up (`execute.give_up_after`) no more.
    """
    settings = context.recipe.responses
    step = FewShotStep(context, settings, "responses", response_prompt)
    jails = context.jails
    if settings.until != "all" and jails is None:
        raise SandboxUnavailable("responses.until needs jails, and the context has none; give Context(jails=…)")
    rules = Rules(context.recipe.select) if settings.until != "all" else None
    execution = context.recipe.execute

    async def draw(instruction: Row, index: int) -> Row:
        """Sample `index`."""
        row = {
            **instruction,
            "id": row_id(instruction["id"], "responses", index),
            "instruction_id": instruction["id"],
            "sample": index,
            "response": "",
            "tests": "",
        }
        try:
            text, finish_reason = await step.sample(instruction["id"], instruction["instruction"], index)
        except RowFailure as failure:
            return row | {REJECT_REASON: failure.reason}
        answer = parse_answer(text, finish_reason)
        return row | {"response": answer.response, "tests": answer.tests, REJECT_REASON: answer.reject_reason}

    async def samples_of(instruction: Row) -> list[Row]:
        most = settings.samples
        wanted = most if settings.until == "all" else settings.until
        if rules and not rules.can_pass(instruction["instruction"]):
            most = 1
        firsts = FirstSamples(execution.give_up_after)
        rows: list[Row] = []
        executed = passes = 0
        # A round draws as many as must be drawn yet, so none in vain, and all of it is awaited: else short answers,
        # which are there first, would be favoured.
        while len(rows) < most and passes < wanted:
            indices = range(len(rows), min(most, len(rows) + wanted - passes))
            drawn = await asyncio.gather(*(draw(instruction, index) for index in indices))
            rows += drawn
            if jails is None:
                continue
            answers = [row for row in drawn if row[REJECT_REASON] is None]
            programs = [program_of(row["response"], row["tests"]) for row in answers]
            verdicts = await asyncio.gather(
                *(
                    firsts.run(number < (execution.give_up_after or 0), partial(jails.run, program))
                    for number, program in enumerate(programs, executed)
                )
            )
            executed += len(answers)
            for row, verdict in zip(answers, verdicts, strict=True):
                passes += bool(
                    rules and verdict and rules.reject_reason(row | {"status": execution.status_of(verdict)})[0] is None
                )
            if rules and firsts.gave_up:
                break
        return rows

    return step.map_rows(instructions, samples_of, STAGE.features)


def parse_answer(completion: str, finish_reason: str) -> Answer:
    """Take a completion of I->R apart. What was cut off keeps its text, for people to look at."""
    response, *tests = (part.strip() for part in f"\n{completion}".split(f"\n{TESTS_LABEL}\n"))
    if finish_reason == "length":
        reason: str | None = "cut-off"
    elif not response:
        reason = "no-response"
    elif len(tests) != 1:
        reason = "several-tests" if tests else "no-tests"
    else:
        reason = None if code_blocks(response) and code_blocks(tests[0]) else "no-code"
    return Answer(response, "\n\n".join(tests), reason)


STAGE = Stage(
    name="responses",
    version=1,
    title="The base model answers each instruction several times, each answer with tests of its own (I->R).",
    reads=INSTRUCTIONS.names,
    columns=(
        Column("id", Value("string"), "hash of the instruction's id, the stage and the sample's index"),
        Column("instruction_id", Value("string"), "id of the instruction"),
        *carried(INSTRUCTIONS),
        Column("sample", Value("int32"), "index of the sample among those of its instruction, from 0"),
        Column("response", Value("string"), "the answer: natural language with fenced code"),
        Column("tests", Value("string"), "the model's own tests of the answer: fenced code"),
    ),
    needs="engine",
    step="I->R",
    settings="responses",
    run=responses,
)
