"""I->R: the model answers each instruction several times and writes tests for each answer."""

import asyncio
from dataclasses import replace
from typing import Annotated, Literal

from datasets import Dataset, List, Value
from pydantic import Field

from sca_hf.context import Context, Row
from sca_hf.engines import RowFailure
from sca_hf.errors import SandboxUnavailable
from sca_hf.identity import row_id
from sca_hf.prompts.answers import Answer, parse_answer, parse_response, parse_tests
from sca_hf.prompts.build import RESPONSE_STOP, STOP, TESTS_STOP, response_prompt, tests_prompt
from sca_hf.prompts.forgotten_imports import with_forgotten_imports
from sca_hf.stage import REJECT_REASON, Column, Stage
from sca_hf.stages.passing import program_of
from sca_hf.stages.sampling import FewShotStep, Part, WritingSettings


class ResponsesSettings(WritingSettings):
    """How responses are asked for. `samples`: responses an instruction.

    `until`: stop at this many passes; "all" draws all samples, as the paper does. The chosen responses have the same
    distribution either way: the first passes of independent samples are a random choice among all passes.
    `parts`: "separate" asks for the response and then, on the same prefix, for its tests, of `tests_max_tokens` at
    most; "together" asks for both in one completion, as the paper does. `infer_tests`: the last code blocks of a
    completion without `[Tests]` are its tests if they only test; with separate parts, the response ends above them.
    `infer_imports`: tests that forget to import a module of the standard library, or pytest, get the import.
    """

    shots: int = Field(default=1, ge=0, le=100)
    samples: int = Field(default=10, ge=1, le=10_000)
    until: Annotated[int, Field(ge=1, le=10_000)] | Literal["all"] = "all"
    infer_tests: bool = True
    infer_imports: bool = True
    parts: Literal["separate", "together"] = "separate"
    tests_max_tokens: int = Field(default=512, ge=1)


def responses(instructions: Dataset, settings: ResponsesSettings, context: Context) -> Dataset:
    """Return up to `samples` rows an instruction, with `sample`, `response`, `tests` and what was inferred of these.

    Reasons: `cut-off` (max_tokens reached), `repetition` (it repeats itself), `no-response`, `no-code` (no Python block
    in one of the parts), `copied-exemplar-<number>` (of its own prompt), `prompt-too-long`, `engine-error`. With parts
    together also `no-tests` and `several-tests` (not exactly one tests part); with separate parts `cut-off-response`
    and `cut-off-tests` in place of `cut-off`.

    With jails in the context each response runs as soon as it is there, while others are drawn; the verdicts are left
    in the journal, where stage `execute` finds them. With `until`, a response passes by the context's pass rule, and an
    instruction that no response could pass with gets one sample.
    """
    step = FewShotStep(context, settings, "responses", response_prompt)
    ask = _separate if settings.parts == "separate" else _together
    rule = context.pass_rule if settings.until != "all" else None
    if settings.until != "all" and (rule is None or context.jails is None):
        missing = "jails" if context.jails is None else "pass_rule"
        raise SandboxUnavailable(
            f"responses.until needs {missing}, and the context has none; give Context({missing}=…)"
        )

    async def one(instruction: Row, index: int) -> tuple[Row, str | None]:
        """Sample `index`, and the status of its verdict if it ran."""
        answer = await ask(step, settings, instruction, index)
        tests, imports = answer.tests, tuple[str, ...]()
        if settings.infer_imports and answer.reject_reason is None:
            tests, imports = with_forgotten_imports(answer.response, answer.tests)
        row = {
            "sample": index,
            "response": answer.response,
            "tests": tests,
            "tests_inferred": answer.tests_inferred,
            "tests_imports": list(imports),
            REJECT_REASON: answer.reject_reason,
        }
        if answer.reject_reason is not None or context.jails is None:
            return row, None
        return row, (await context.execute(program_of(answer.response, tests))).status

    async def samples_of(instruction: Row) -> list[Row]:
        most = settings.samples
        wanted = most if settings.until == "all" else settings.until
        if rule and not rule.can_pass(instruction["instruction"]):
            most = 1
        rows: list[Row] = []
        passes = 0
        # A round draws as many as must be drawn yet, so none in vain, and all of it is awaited: else short answers,
        # which are there first, would be favoured.
        while len(rows) < most and passes < wanted:
            indices = range(len(rows), min(most, len(rows) + wanted - passes))
            for row, status in await asyncio.gather(*(one(instruction, index) for index in indices)):
                rows.append(row)
                passes += bool(rule and status and rule.passes(instruction | row | {"status": status}))
        return rows

    return context.map_rows(STAGE, instructions, samples_of, step.order(instructions))


async def _together(step: FewShotStep[str], settings: ResponsesSettings, instruction: Row, index: int) -> Answer:
    """Ask for response and tests in one completion."""
    part = Part("responses", STOP, settings.max_tokens)
    try:
        prompt = step.prompt(instruction["id"], instruction["instruction"])
        text, finish_reason = await step.sample(part, prompt, instruction["id"], index)
    except RowFailure as failure:
        return Answer("", "", False, failure.reason)
    answer = parse_answer(text, finish_reason, infer_tests=settings.infer_tests)
    if answer.reject_reason is not None:
        return answer
    reason = step.copied("response", answer.response, instruction["id"])
    return replace(answer, reject_reason=reason or step.copied("tests", answer.tests, instruction["id"]))


async def _separate(step: FewShotStep[str], settings: ResponsesSettings, instruction: Row, index: int) -> Answer:
    """Ask for the response and, if that is one, for its tests.

    The second prompt goes on with the response as it is published, so it can be made from the row again.
    """
    part = Part("responses", RESPONSE_STOP, settings.max_tokens)
    tests_part = Part("responses tests", TESTS_STOP, settings.tests_max_tokens)
    prompt = step.prompt(instruction["id"], instruction["instruction"])
    response = tests = ""
    try:
        text, finish_reason = await step.sample(part, prompt, instruction["id"], index)
        response, reason = parse_response(text, finish_reason, infer_tests=settings.infer_tests)
        reason = reason or step.copied("response", response, instruction["id"])
        if reason is None:
            response_id = row_id(instruction["id"], STAGE.name, index)
            text, finish_reason = await step.sample(tests_part, tests_prompt(prompt, response), response_id)
            tests, reason = parse_tests(text, finish_reason)
            reason = reason or step.copied("tests", tests, instruction["id"])
    except RowFailure as failure:
        reason = failure.reason
    return Answer(response, tests, False, reason)


def _calls(settings: ResponsesSettings) -> int:
    return settings.samples * (2 if settings.parts == "separate" else 1)


STAGE = Stage(
    name="responses",
    version=3,
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
        Column("tests_imports", List(Value("string")), "modules whose import the tests had forgotten, and were given"),
    ),
    parent_id="instruction_id",
    settings=ResponsesSettings,
    run=responses,
    needs="engine",
    calls=_calls,
    most_rows=lambda settings: int(settings.samples),
    draws=True,
    step="I->R",
    until_pass=lambda settings: settings.until != "all",
)
