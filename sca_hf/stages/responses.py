"""I->R: the model answers each instruction several times and writes tests for each answer."""

import asyncio
from dataclasses import replace
from functools import partial
from typing import Annotated, Literal, Self

from datasets import Dataset, Value
from pydantic import Field, model_validator

from sca_hf.engines import RowFailure
from sca_hf.errors import SandboxUnavailable
from sca_hf.identity import row_id
from sca_hf.prompts.answers import Answer, parse_answer, parse_response, parse_tests
from sca_hf.prompts.build import RESPONSE_STOP, STOP, TESTS_STOP, response_prompt, tests_prompt
from sca_hf.stage import REJECT_REASON, Column, Stage
from sca_hf.stages.attempts import TESTS, written
from sca_hf.stages.context import Context, Row
from sca_hf.stages.few_shot import FewShotStep, Part, WritingSettings
from sca_hf.stages.first_samples import FirstSamples
from sca_hf.stages.pass_rules import program_of


class ResponsesSettings(WritingSettings):
    """How responses are asked for. `samples`: responses an instruction.

    `until`: stop at this many passes; "all" draws all samples, as the paper does. The chosen responses have the same
    distribution either way: the first passes of independent samples are a random choice among all passes. `parts`:
    "separate" asks for the response and then, on the same prefix, for its tests; "together" asks for both in one
    completion, as the paper does. `infer_tests`: the last code blocks of a completion without `[Tests]` are its tests
    if they only test; with separate parts, the response ends above them. `tests_max_tokens`: longest tests, where they
    are asked for separately. `infer_imports`: tests that forget to import a module of the standard library, or pytest,
    get the import.
    `cut_tests`: tests that were cut off end with their last whole statement, if they check something. `suites`: with
    separate parts, how often the tests of a response are asked for; each suite makes an attempt of its own.
    """

    shots: int = Field(default=1, ge=0, le=100)
    samples: int = Field(default=10, ge=1, le=10_000)
    until: Annotated[int, Field(ge=1, le=10_000)] | Literal["all"] = "all"
    infer_tests: bool = True
    infer_imports: bool = True
    cut_tests: bool = True
    parts: Literal["separate", "together"] = "separate"
    tests_max_tokens: int = Field(default=512, ge=1)
    suites: int = Field(default=1, ge=1, le=100)

    @model_validator(mode="after")
    def _suites_are_separate(self) -> Self:
        if self.suites > 1 and self.parts == "together":
            raise ValueError(f"suites is {self.suites}, but parts together have one; set parts to separate")
        return self


def responses(instructions: Dataset, settings: ResponsesSettings, context: Context) -> Dataset:
    """Return up to `samples` x `suites` rows an instruction, with `sample`, `suite`, `response`, `tests` and what was
    done to these. A response that is rejected has one row.

    `samples_drawn` counts all of an instruction's, those that are rejected here too.

    Reasons: `cut-off` (max_tokens reached), `repetition` (it repeats itself), `no-response`, `no-code` (no Python block
    in one of the parts), `copied-exemplar-<number>` (of its own prompt), `prompt-too-long`, `engine-error`. With parts
    together also `no-tests` and `several-tests` (not exactly one tests part); with separate parts `cut-off-response`
    and `cut-off-tests` in place of `cut-off`.

    With jails in the context each response runs as soon as it is there, while others are drawn; the verdicts are left
    in the journal, where stage `execute` finds them. With `until`, a response passes by the context's pass rule, and an
    instruction that no response could pass with gets one sample, and one that is given up (`execute.give_up_after`) no
    more.
    """
    step = FewShotStep(context, settings, "responses", response_prompt)
    answers_of = _separate if settings.parts == "separate" else _together
    rule = context.pass_rule if settings.until != "all" else None
    if settings.until != "all" and (rule is None or context.jails is None):
        missing = "jails" if context.jails is None else "pass_rule"
        raise SandboxUnavailable(
            f"responses.until needs {missing}, and the context has none; give Context({missing}=…)"
        )

    def attempt(instruction_id: str, sample: int, suite: int, answer: Answer) -> Row:
        place: Row = {"id": attempt_id(instruction_id, sample, suite), "sample": sample, "suite": suite}
        return place | written(answer, context.writer, infer_imports=settings.infer_imports)

    async def draw(instruction: Row, sample: int) -> list[Row]:
        """The attempts of a sample, by id: so are those that stage `execute` runs first."""
        answers = await answers_of(step, settings, instruction, sample)
        rows = [attempt(instruction["id"], sample, suite, answer) for suite, answer in enumerate(answers)]
        return sorted(rows, key=lambda row: row["id"])

    async def samples_of(instruction: Row) -> list[Row]:
        most = settings.samples
        wanted = most if settings.until == "all" else settings.until
        if rule and not rule.can_pass(instruction["instruction"]):
            most = 1
        firsts = FirstSamples(context.give_up_after)
        rows: list[Row] = []
        samples = executed = passes = 0
        # A round draws as many as must be drawn yet, so none in vain, and all of it is awaited: else short answers,
        # which are there first, would be favoured.
        while samples < most and passes < wanted:
            indices = range(samples, min(most, samples + wanted - passes))
            drawn = [
                row for some in await asyncio.gather(*(draw(instruction, index) for index in indices)) for row in some
            ]
            rows += drawn
            samples += len(indices)
            if context.jails is None:
                continue
            attempts = [row for row in drawn if row[REJECT_REASON] is None]
            programs = [program_of(row["response"], row["tests"]) for row in attempts]
            verdicts = await firsts.run_all([partial(context.execute, program) for program in programs], executed)
            executed += len(attempts)
            passes += len(
                {
                    row["sample"]
                    for row, verdict in zip(attempts, verdicts, strict=True)
                    if rule and verdict and rule.passes(instruction | row | {"status": context.status_of(verdict)})
                }
            )
            if rule and firsts.gave_up:
                break
        return [row | {"samples_drawn": samples} for row in rows]

    return context.map_rows(STAGE, instructions, samples_of, step.order(instructions))


def attempt_id(instruction_id: str, sample: int, suite: int = 0) -> str:
    """Return the id of an attempt; that of its first suite is the response's own."""
    return row_id(instruction_id, STAGE.name, sample, *([suite] if suite else []))


def response_part(settings: ResponsesSettings) -> Part:
    """Return what a response's call asks for: where parts are together, its tests too."""
    return Part("responses", STOP if settings.parts == "together" else RESPONSE_STOP, settings.max_tokens)


def tests_part(settings: ResponsesSettings) -> Part:
    """Return what the call for a suite of tests asks for; its parent is the response, its index the suite's."""
    return Part("responses tests", TESTS_STOP, settings.tests_max_tokens)


async def _together(
    step: FewShotStep[str, str], settings: ResponsesSettings, instruction: Row, sample: int
) -> list[Answer]:
    """Ask for response and tests in one completion."""
    prompt = step.prompt(instruction["id"], instruction["instruction"])
    try:
        text, finish_reason = await step.sample(response_part(settings), prompt, instruction["id"], sample)
    except RowFailure as failure:
        return [Answer("", "", False, failure.reason)]
    answer = parse_answer(text, finish_reason, infer_tests=settings.infer_tests, cut_tests=settings.cut_tests)
    if answer.reject_reason is None:
        reason = step.copied("response", answer.response, instruction["id"])
        answer = replace(answer, reject_reason=reason or step.copied("tests", answer.tests, instruction["id"]))
    return [answer]


async def _separate(
    step: FewShotStep[str, str], settings: ResponsesSettings, instruction: Row, sample: int
) -> list[Answer]:
    """Ask for the response and, if that is one, for its suites, all at once.

    The prompt of the suites goes on with the response as it is published, so it can be made from the row again.
    """
    prompt = step.prompt(instruction["id"], instruction["instruction"])
    try:
        text, finish_reason = await step.sample(response_part(settings), prompt, instruction["id"], sample)
    except RowFailure as failure:
        return [Answer("", "", False, failure.reason)]
    response, reason = parse_response(text, finish_reason, infer_tests=settings.infer_tests)
    reason = reason or step.copied("response", response, instruction["id"])
    if reason is not None:
        return [Answer(response, "", False, reason)]
    response_id = attempt_id(instruction["id"], sample)

    async def answer(suite: int) -> Answer:
        then = tests_prompt(prompt, response)
        try:
            text, finish_reason = await step.sample(tests_part(settings), then, response_id, suite)
        except RowFailure as failure:
            return Answer(response, "", False, failure.reason)
        tests, is_cut, reason = parse_tests(text, finish_reason, cut_tests=settings.cut_tests)
        return Answer(response, tests, False, reason or step.copied("tests", tests, instruction["id"]), is_cut)

    return list(await asyncio.gather(*map(answer, range(settings.suites))))


def _calls(settings: ResponsesSettings) -> int:
    return settings.samples * (1 + settings.suites if settings.parts == "separate" else 1)


STAGE = Stage(
    name="responses",
    version=4,
    title="The base model answers each instruction several times, each answer with tests of its own (I->R).",
    uses=("id", "instruction"),
    adds=(
        Column(
            "id",
            Value("string"),
            "hash of the instruction's id, the stage, the sample's index, and the suite's but for the first",
        ),
        Column("instruction_id", Value("string"), "id of the instruction"),
        Column("sample", Value("int32"), "index of the sample among those of its instruction, from 0"),
        Column("samples_drawn", Value("int32"), "samples drawn of its instruction, rejected ones included"),
        Column("suite", Value("int32"), "index of the suite of tests among those of its sample, from 0"),
        Column(
            "response",
            Value("string"),
            "the answer: natural language with fenced code",
            aliases=("output", "completion"),
        ),
        *TESTS,
    ),
    parent_id="instruction_id",
    settings=ResponsesSettings,
    run=responses,
    needs="engine",
    calls=_calls,
    most_rows=lambda settings: int(settings.samples * settings.suites),
    draws=True,
    step="I->R",
    until_pass=lambda settings: settings.until != "all",
)
