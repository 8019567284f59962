"""I->R: the model answers each instruction several times and writes tests for each answer."""

import asyncio
from functools import partial
from typing import Annotated, Literal

from datasets import Dataset, Value
from pydantic import Field

from sca_hf.engines import RowFailure
from sca_hf.errors import SandboxUnavailable
from sca_hf.prompts.answers import parse_answer
from sca_hf.prompts.build import response_prompt
from sca_hf.stage import REJECT_REASON, Column, Stage
from sca_hf.stages.context import Context, Row
from sca_hf.stages.few_shot import FewShotStep, ShotSettings
from sca_hf.stages.first_samples import FirstSamples
from sca_hf.stages.pass_rules import program_of


class ResponsesSettings(ShotSettings):
    """How responses are asked for. `samples`: responses an instruction.

    `until`: stop at this many passes; "all" draws all samples, as the paper does. The chosen
    responses have the same distribution either way: the first passes of independent samples are a random choice among
    all passes. `infer_tests`: the last code blocks of a completion without `[Tests]` are its tests if they only test.
    """

    shots: int = Field(default=1, ge=0, le=100)
    samples: int = Field(default=10, ge=1, le=10_000)
    until: Annotated[int, Field(ge=1, le=10_000)] | Literal["all"] = "all"
    infer_tests: bool = True


def responses(instructions: Dataset, settings: ResponsesSettings, context: Context) -> Dataset:
    """Return up to `samples` rows an instruction, with `sample`, `response`, `tests` and `tests_inferred`.

    Reasons: `cut-off` (max_tokens reached), `repetition` (it repeats itself), `no-response`, `no-tests`,
    `several-tests` (not exactly one tests part), `no-code` (no Python block in one of the parts), `prompt-too-long`,
    `engine-error`.

    With jails in the context each response runs as soon as it is there, while others are drawn; the verdicts are left
    in the journal, where stage `execute` finds them. With `until`, a response passes by the context's pass rule, and an
    instruction that no response could pass with gets one sample, and one that is given up (`execute.give_up_after`) no
    more.
    """
    step = FewShotStep(context, settings, "responses", response_prompt)
    rule = context.pass_rule if settings.until != "all" else None
    if settings.until != "all" and (rule is None or context.jails is None):
        missing = "jails" if context.jails is None else "pass_rule"
        raise SandboxUnavailable(
            f"responses.until needs {missing}, and the context has none; give Context({missing}=…)"
        )

    async def draw(instruction: Row, index: int) -> Row:
        """Sample `index`."""
        row = {"sample": index, "response": "", "tests": "", "tests_inferred": False}
        try:
            text, finish_reason = await step.sample(instruction["id"], instruction["instruction"], index)
        except RowFailure as failure:
            return row | {REJECT_REASON: failure.reason}
        answer = parse_answer(text, finish_reason, infer_tests=settings.infer_tests)
        return row | {
            "response": answer.response,
            "tests": answer.tests,
            "tests_inferred": answer.tests_inferred,
            REJECT_REASON: answer.reject_reason,
        }

    async def samples_of(instruction: Row) -> list[Row]:
        most = settings.samples
        wanted = most if settings.until == "all" else settings.until
        if rule and not rule.can_pass(instruction["instruction"]):
            most = 1
        firsts = FirstSamples(context.give_up_after)
        rows: list[Row] = []
        executed = passes = 0
        # A round draws as many as must be drawn yet, so none in vain, and all of it is awaited: else short answers,
        # which are there first, would be favoured.
        while len(rows) < most and passes < wanted:
            indices = range(len(rows), min(most, len(rows) + wanted - passes))
            drawn = await asyncio.gather(*(draw(instruction, index) for index in indices))
            rows += drawn
            if context.jails is None:
                continue
            answers = [row for row in drawn if row[REJECT_REASON] is None]
            programs = [program_of(row["response"], row["tests"]) for row in answers]
            verdicts = await asyncio.gather(
                *(
                    firsts.run(number < (context.give_up_after or 0), partial(context.execute, program))
                    for number, program in enumerate(programs, executed)
                )
            )
            executed += len(answers)
            for row, verdict in zip(answers, verdicts, strict=True):
                passes += bool(
                    rule and verdict and rule.passes(instruction | row | {"status": context.status_of(verdict)})
                )
            if rule and firsts.gave_up:
                break
        return rows

    return context.map_rows(STAGE, instructions, samples_of, step.order(instructions))


STAGE = Stage(
    name="responses",
    version=2,
    title="The base model answers each instruction several times, each answer with tests of its own (I->R).",
    uses=("id", "instruction"),
    adds=(
        Column("id", Value("string"), "hash of the instruction's id, the stage and the sample's index"),
        Column("instruction_id", Value("string"), "id of the instruction"),
        Column("sample", Value("int32"), "index of the sample among those of its instruction, from 0"),
        Column(
            "response",
            Value("string"),
            "the answer: natural language with fenced code",
            aliases=("output", "completion"),
        ),
        Column("tests", Value("string"), "the model's own tests of the answer: fenced code"),
        Column("tests_inferred", Value("bool"), "whether the tests had no label, but are the last code of the answer"),
    ),
    parent_id="instruction_id",
    settings=ResponsesSettings,
    run=responses,
    needs="engine",
    calls=lambda settings: int(settings.samples),
    most_rows=lambda settings: int(settings.samples),
    draws=True,
    step="I->R",
    until_pass=lambda settings: settings.until != "all",
)
