"""I->R: the model answers each instruction several times and writes tests for each answer."""

import asyncio
from dataclasses import replace
from functools import partial
from typing import Annotated, Literal

from datasets import Dataset, List, Value
from pydantic import Field

from sca_hf.engines import RowFailure
from sca_hf.errors import SandboxUnavailable
from sca_hf.identity import row_id
from sca_hf.prompts.answers import Answer, parse_answer, parse_response, parse_tests
from sca_hf.prompts.build import RESPONSE_STOP, STOP, TESTS_STOP, response_prompt, tests_prompt
from sca_hf.prompts.forgotten_imports import with_forgotten_imports
from sca_hf.stage import REJECT_REASON, Column, Stage, written_by
from sca_hf.stages.context import Context, Row
from sca_hf.stages.few_shot import FewShotStep, Part, WritingSettings
from sca_hf.stages.first_samples import FirstSamples
from sca_hf.stages.pass_rules import program_of


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
    instruction that no response could pass with gets one sample, and one that is given up (`execute.give_up_after`) no
    more.
    """
    step = FewShotStep(context, settings, "responses", response_prompt)
    ask = _separate if settings.parts == "separate" else _together
    rule = context.pass_rule if settings.until != "all" else None
    if settings.until != "all" and (rule is None or context.jails is None):
        missing = "jails" if context.jails is None else "pass_rule"
        raise SandboxUnavailable(
            f"responses.until needs {missing}, and the context has none; give Context({missing}=…)"
        )

    async def draw(instruction: Row, index: int) -> Row:
        """Sample `index`."""
        answer = await ask(step, settings, instruction, index)
        tests, imports = answer.tests, tuple[str, ...]()
        if settings.infer_imports and answer.reject_reason is None:
            tests, imports = with_forgotten_imports(answer.response, answer.tests)
        return {
            "sample": index,
            "response": answer.response,
            "tests": tests,
            "tests_inferred": answer.tests_inferred,
            "tests_imports": list(imports),
            "response_by": context.writer,
            "tests_by": context.writer,
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


def response_part(settings: ResponsesSettings) -> Part:
    """Return what a response's call asks for: where parts are together, its tests too."""
    return Part("responses", STOP if settings.parts == "together" else RESPONSE_STOP, settings.max_tokens)


def tests_part(settings: ResponsesSettings) -> Part:
    """Return what the call for the tests of a response asks for; its parent is the response."""
    return Part("responses tests", TESTS_STOP, settings.tests_max_tokens)


async def _together(step: FewShotStep[str], settings: ResponsesSettings, instruction: Row, index: int) -> Answer:
    """Ask for response and tests in one completion."""
    prompt = step.prompt(instruction["id"], instruction["instruction"])
    try:
        text, finish_reason = await step.sample(response_part(settings), prompt, instruction["id"], index)
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
    prompt = step.prompt(instruction["id"], instruction["instruction"])
    response = tests = ""
    try:
        text, finish_reason = await step.sample(response_part(settings), prompt, instruction["id"], index)
        response, reason = parse_response(text, finish_reason, infer_tests=settings.infer_tests)
        reason = reason or step.copied("response", response, instruction["id"])
        if reason is None:
            response_id = row_id(instruction["id"], STAGE.name, index)
            then = tests_prompt(prompt, response)
            text, finish_reason = await step.sample(tests_part(settings), then, response_id)
            tests, reason = parse_tests(text, finish_reason)
            reason = reason or step.copied("tests", tests, instruction["id"])
    except RowFailure as failure:
        reason = failure.reason
    return Answer(response, tests, False, reason)


def _calls(settings: ResponsesSettings) -> int:
    return settings.samples * (2 if settings.parts == "separate" else 1)


STAGE = Stage(
    name="responses",
    version=4,
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
        written_by("response"),
        written_by("tests"),
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
