"""The calls behind rows: prompts as they were sent, and completions as they came, from a journal that still has them.

A prompt is made again from the row and from the recipe in its version's lineage. The exemplars must be those of the
run: the lineage has a hash of all that a step's prompts can hold.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sca_hf.engines import Completion, Sampling
from sca_hf.errors import InputError
from sca_hf.identity import row_seed
from sca_hf.pipeline.journal import Journal, find_completion
from sca_hf.prompts.answers import parse_response
from sca_hf.prompts.build import concepts_prompt, instruction_prompt, response_prompt, step_sha, tests_prompt
from sca_hf.prompts.few_shot import FewShot, Property, load_few_shot
from sca_hf.prompts.judge import load_judge_prompts
from sca_hf.reporting.runs import Row, Run
from sca_hf.reporting.runs import Step as RunStep
from sca_hf.stage import Step
from sca_hf.stages import concepts, instructions
from sca_hf.stages.few_shot import FewShotCalls, Part, ShotSettings, ended
from sca_hf.stages.judge import JudgeSettings, sampling_of
from sca_hf.stages.responses import ResponsesSettings, attempt_id, response_part, tests_part

CallOf = Callable[[Row], tuple[str, Sampling]]


@dataclass(frozen=True)
class Call:
    """One call of a model. `completion`: None where no journal has it. `missing`: why there is no prompt.

    `then`: the call that went on from it, for the tests of a response.
    """

    stage: str
    prompt: str | None
    sampling: Sampling | None
    completion: Completion | None
    missing: str = ""
    then: "Call | None" = None


class Calls(AbstractContextManager["Calls"]):
    """Makes the calls of a run's rows again, and looks their completions up. `prompts`: a file of exemplars."""

    def __init__(self, run: Run, journal: Path | None, prompts: str | None = None) -> None:
        self._run, self._prompts = run, prompts
        self._journal = Journal(journal, read_only=True) if journal is not None else None
        self._made = cache(self._calls_of)

    def of(self, stage: str, row: Row) -> Call | None:
        """The call of a stage that led to a row; None for a stage that the run doesn't have or that calls no model."""
        step = self._run.step(stage)
        if step is None or stage not in _CALLS or not _CALLS[stage].columns <= row.keys():
            return None
        try:
            call = self._found(step, *self._made(stage)(row))
        except InputError as error:
            return Call(stage, None, None, None, str(error))
        if stage != "responses":
            return call
        tests = _tests_call(step, row, call)
        return call if tests is None else replace(call, then=self._found(step, *tests))

    def _found(self, step: RunStep, prompt: str, sampling: Sampling) -> Call:
        model = step.lineage.model
        engine = model.model_dump(exclude={"model"}) if model else {}
        completion = find_completion(self._journal, engine, prompt, sampling) if self._journal else None
        return Call(step.stage, prompt, sampling, completion)

    def _calls_of(self, stage: str) -> CallOf:
        step = self._run.step(stage)
        assert step is not None
        return _CALLS[stage].calls(step, self._prompts)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._journal is not None:
            self._journal.close()


@dataclass(frozen=True)
class _Kind:
    """How the calls of one stage are made again, and the columns that it takes."""

    calls: Callable[[RunStep, str | None], CallOf]
    columns: frozenset[str]


def _few_shot_calls(
    step: RunStep,
    prompts: str | None,
    *,
    kind: Step,
    parent: str,
    prompt_of: Callable[[FewShot, Any, Any], str],
    part_of: Callable[[Any], Part],
    opened: Callable[[Row], Any],
    sample: Callable[[Row], int] = lambda row: 0,
) -> CallOf:
    """The calls of a few-shot step. `parent`: column with the id of the row that it was made from."""
    recipe = step.lineage.recipe
    name = prompts or recipe.get("prompts", "default")
    few_shot = load_few_shot(name)
    sent = (step.lineage.intent or {}).get("prompts")
    if sent is not None and step_sha(few_shot, kind) != sent:
        raise InputError(f"the prompts of {step.name} were made with other exemplars than those of {name!r}")
    settings = settings_of(step)
    calls: FewShotCalls[Any, str] = FewShotCalls(few_shot, settings, recipe.get("seed", 3407), step.stage, prompt_of)
    part = part_of(settings)
    return lambda row: (calls.prompt(row[parent], opened(row)), calls.sampling(part, row[parent], sample(row)))


def settings_of(step: RunStep) -> ShotSettings:
    """Return the settings of a few-shot step that decide on its calls, from the recipe in its lineage."""
    section = step.lineage.recipe.get(step.stage, {})
    # Versions before these settings looked for no repetition, and asked for both parts together.
    before = {"repetition_detection": None, "parts": "together"}
    kind = ResponsesSettings if step.stage == "responses" else ShotSettings
    return kind(**{name: value for name, value in (before | section).items() if name in kind.model_fields})


def _tests_call(step: RunStep, row: Row, call: Call) -> tuple[str, Sampling] | None:
    """Prompt and sampling of the call for a response's tests; None if there was none, or it can't be told."""
    settings = settings_of(step)
    assert isinstance(settings, ResponsesSettings)
    assert call.prompt is not None
    assert call.sampling is not None
    if settings.parts == "together":
        return None
    response, reason = row.get("response", ""), None
    if not row.get("tests"):
        if call.completion is None:
            return None
        finish_reason = ended(call.completion.text, call.completion.finish_reason, call.sampling)
        response, reason = parse_response(call.completion.text, finish_reason, infer_tests=settings.infer_tests)
    if reason is not None:
        return None
    part = tests_part(settings)
    response_id = attempt_id(row["instruction_id"], row["sample"])
    seed = row_seed(step.lineage.recipe.get("seed", 3407), part.name, response_id, row.get("suite", 0))
    sampling = replace(call.sampling, stop=part.stop, max_tokens=part.max_tokens, seed=seed)
    return tests_prompt(call.prompt, response), sampling


def _judge_calls(step: RunStep, prompts: str | None) -> CallOf:
    section = step.lineage.recipe.get(step.stage, {})
    settings = JudgeSettings(**{name: value for name, value in section.items() if name in JudgeSettings.model_fields})
    judge, sampling = load_judge_prompts(settings.prompts, settings.shots), sampling_of(settings)
    return lambda row: (judge.of(row["seed"]), sampling)


def _wanted(row: Row) -> Property:
    return Property(row["category"], row["language"], row["difficulty"], tuple(row["concepts"]))


_CALLS: Mapping[str, _Kind] = {
    "judge": _Kind(_judge_calls, frozenset({"seed"})),
    "concepts": _Kind(
        partial(
            _few_shot_calls,
            kind="S->C",
            parent="seed_id",
            prompt_of=concepts_prompt,
            part_of=concepts.part_of,
            opened=lambda row: row["seed"],
        ),
        frozenset({"seed_id", "seed"}),
    ),
    "instructions": _Kind(
        partial(
            _few_shot_calls,
            kind="C->I",
            parent="concepts_id",
            prompt_of=instruction_prompt,
            part_of=instructions.part_of,
            opened=_wanted,
        ),
        frozenset({"concepts_id", "concepts", "category", "language", "difficulty"}),
    ),
    "responses": _Kind(
        partial(
            _few_shot_calls,
            kind="I->R",
            parent="instruction_id",
            prompt_of=response_prompt,
            part_of=response_part,
            opened=lambda row: row["instruction"],
            sample=lambda row: row["sample"],
        ),
        frozenset({"instruction_id", "instruction", "sample"}),
    ),
}
