"""The calls behind rows: prompts as they were sent, and completions as they came, from a journal that still has them.

A prompt is made again from the row and from the recipe in its version's lineage. The exemplars must be those of the
run: the lineage has a hash of all that a step's prompts can hold.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sca_hf.engines import Completion, Sampling
from sca_hf.errors import InputError
from sca_hf.pipeline.journal import Journal, find_completion
from sca_hf.prompts.build import STOP, concepts_prompt, instruction_prompt, response_prompt, step_sha
from sca_hf.prompts.few_shot import FewShot, Property, load_few_shot
from sca_hf.prompts.judge import load_judge_prompts
from sca_hf.reporting.runs import Row, Run
from sca_hf.reporting.runs import Step as RunStep
from sca_hf.stage import Step
from sca_hf.stages.few_shot import FewShotCalls, ShotSettings

CallOf = Callable[[Row], tuple[str, Sampling]]


@dataclass(frozen=True)
class Call:
    """One call of a model. `completion`: None where no journal has it. `missing`: why there is no prompt."""

    stage: str
    prompt: str | None
    sampling: Sampling | None
    completion: Completion | None
    missing: str = ""


class Calls(AbstractContextManager["Calls"]):
    """Makes the calls of a run's rows again, and looks their completions up. `prompts`: a file of exemplars."""

    def __init__(self, run: Run, journal: Path | None, prompts: str | None = None) -> None:
        self._run, self._prompts = run, prompts
        self._journal = Journal(journal) if journal is not None else None
        self._made = cache(self._calls_of)

    def of(self, stage: str, row: Row) -> Call | None:
        """The call of a stage that led to a row; None for a stage that the run doesn't have or that calls no model."""
        step = self._run.step(stage)
        if step is None or stage not in _CALLS or not _CALLS[stage].columns <= row.keys():
            return None
        try:
            prompt, sampling = self._made(stage)(row)
        except InputError as error:
            return Call(stage, None, None, None, str(error))
        model = step.lineage.model
        engine = model.model_dump(exclude={"model"}) if model else {}
        found = find_completion(self._journal, engine, prompt, sampling) if self._journal else None
        return Call(stage, prompt, sampling, found)

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
    section = recipe.get(step.stage, {})
    known = {name: section[name] for name in ShotSettings.model_fields if name in section}
    known.setdefault("repetition_detection", None)  # versions before it didn't look for it
    calls: FewShotCalls[Any] = FewShotCalls(
        few_shot, ShotSettings(**known), recipe.get("seed", 3407), step.stage, prompt_of
    )
    return lambda row: calls.of(row[parent], opened(row), sample(row))


def _judge_calls(step: RunStep, prompts: str | None) -> CallOf:
    section = step.lineage.recipe.get(step.stage, {})
    judge = load_judge_prompts(section.get("prompts", "default"), section.get("shots", 8))
    sampling = Sampling(temperature=0.0, max_tokens=section.get("max_tokens", 5), stop=STOP, seed=0)
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
            opened=lambda row: row["seed"],
        ),
        frozenset({"seed_id", "seed"}),
    ),
    "instructions": _Kind(
        partial(_few_shot_calls, kind="C->I", parent="concepts_id", prompt_of=instruction_prompt, opened=_wanted),
        frozenset({"concepts_id", "concepts", "category", "language", "difficulty"}),
    ),
    "responses": _Kind(
        partial(
            _few_shot_calls,
            kind="I->R",
            parent="instruction_id",
            prompt_of=response_prompt,
            opened=lambda row: row["instruction"],
            sample=lambda row: row["sample"],
        ),
        frozenset({"instruction_id", "instruction", "sample"}),
    ),
}
