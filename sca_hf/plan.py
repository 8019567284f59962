"""What a run would do: the stages in order, what each is made from, and what determines its rows.

A stage's fingerprint is known once its parent's manifest is; see `Intents` for what goes into it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from datasets import Dataset

from sca_hf.engines import EngineIdentity
from sca_hf.engines.chosen import chosen_identity
from sca_hf.errors import InputError
from sca_hf.file_stream import FileStream
from sca_hf.identity import fingerprint
from sca_hf.prompts.build import step_sha
from sca_hf.prompts.few_shot import FewShot, load_few_shot
from sca_hf.prompts.judge import load_judge_prompts
from sca_hf.recipe import Recipe
from sca_hf.stage import Stage
from sca_hf.stages import concepts, execute, instructions, judge, responses, seeds, select, sft
from sca_hf.stages.passing import Rules
from sca_hf.store import Version
from sca_hf.store.hub import Remote

STAGES: tuple[Stage, ...] = tuple(
    module.STAGE for module in (seeds, judge, concepts, instructions, responses, execute, select, sft)
)
NAMES = tuple(stage.name for stage in STAGES)
MAKERS = {column.name: stage.name for stage in reversed(STAGES) for column in stage.columns}
COLUMNS = {column.name: column for stage in reversed(STAGES) for column in stage.columns}


def stages_of(recipe: Recipe) -> tuple[Stage, ...]:
    """The stages of a recipe: all but those whose section it does not have."""
    return tuple(stage for stage in STAGES if getattr(recipe, stage.settings) is not None)


@dataclass(frozen=True)
class Planned:
    """One stage of a plan. `fingerprint` is None while its parent has not run; `most_rows`: rows in, at most.

    `cached`: its version in the store, or on the Hub, from which a run would pull it.
    """

    stage: Stage
    dataset: str
    fingerprint: str | None
    cached: Version | Remote | None
    most_rows: int | None
    most_calls: int | None


@dataclass(frozen=True)
class StageInput:
    """What a stage is made from: its rows, what identifies them, and the versions that hold them (none: a source).

    `rows`: how many; None: not known before they are read. `limit`: at most so many rows of what `sha` identifies;
    `name`: of rows that were given with --input, or of a source on the Hub.
    """

    load: Callable[[], Dataset | FileStream]
    sha: str
    rows: int | None
    parents: tuple[Version, ...]
    limit: int | None = None
    name: str | None = None


class Intents:
    """What determines the rows of each stage of a recipe, and nothing else.

    Raises InputError for a file of exemplars that can't be read, or that has fewer of them than a prompt is to show.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.few_shot = _few_shot(recipe)
        if recipe.judge is not None:
            load_judge_prompts(recipe.judge.prompts, recipe.judge.shots)
        self._recipe = recipe
        self._identity: EngineIdentity | None = None

    def of(self, stage: Stage, given: StageInput) -> dict[str, Any]:
        """The intent of a stage, JSON-able. Raises EngineUnavailable if there is no such model."""
        intent: dict[str, Any] = {
            "stage": stage.name,
            "version": stage.version,
            "settings": getattr(self._recipe, stage.settings).intent(),
            "input": given.sha,
            "limit": given.limit,
        }
        if stage.needs == "sandbox":
            return intent | {"sandbox": execute.sandbox_intent()}
        if stage is not judge.STAGE:  # it draws nothing
            intent["seed"] = self._recipe.seed
        if stage.needs == "engine":
            intent["engine"] = self.engine().intent() | self._recipe.engine.intent()
        if stage.step:
            intent["prompts"] = step_sha(self.few_shot, stage.step)
        if stage is responses.STAGE and self._recipe.responses.until != "all":
            intent["pass"] = {
                "sandbox": execute.sandbox_intent(),
                "execute": self._recipe.execute.intent(),
                "select": Rules(self._recipe.select).intent(),
            }
        return intent

    def fingerprint(self, stage: Stage, given: StageInput) -> str:
        """The fingerprint of a stage's version."""
        return fingerprint(self.of(stage, given))

    def engine(self) -> EngineIdentity:
        """Identity of the recipe's engine. It is looked up when it is first needed. Raises EngineUnavailable."""
        if self._identity is None:
            self._identity = chosen_identity(self._recipe.model, self._recipe.engine)
        return self._identity


def from_version(made: Version | Remote, limit: int | None = None) -> StageInput:
    """The kept rows of a version as the input of the next stage, the first `limit` of them.

    What is on the Hub alone can be planned with; its rows can't be loaded.
    """
    rows = made.counts.kept if limit is None else min(limit, made.counts.kept)
    if isinstance(made, Remote):
        return StageInput(lambda: _not_fetched(made), made.manifest_sha, rows, (), limit)
    return StageInput(lambda: made.load().select(range(rows)), made.manifest_sha, rows, (made,), limit)


def calls_a_row(recipe: Recipe, stage: Stage) -> int:
    """Completions or programs that one row asks for, at most."""
    if stage.needs is None:
        return 0
    return recipe.responses.samples if stage is responses.STAGE else 1


def most_kept(recipe: Recipe, stage: Stage, rows: int | None) -> int | None:
    """Rows that a stage can keep of so many, at most; None: not known before it has run."""
    if stage is seeds.STAGE:
        return recipe.seeds.count
    return None if rows is None else rows * (recipe.responses.samples if stage is responses.STAGE else 1)


def _not_fetched(made: Remote) -> Dataset:
    raise AssertionError(f"{made.repo}@{made.revision} was planned with, not fetched")


def _few_shot(recipe: Recipe) -> FewShot:
    few_shot = load_few_shot(recipe.prompts)
    for section in ("concepts", "instructions", "responses"):
        shots = getattr(recipe, section).shots
        if shots > len(few_shot.exemplars):
            raise InputError(
                f"{section}.shots = {shots}, but few-shot file {recipe.prompts!r} has "
                f"{len(few_shot.exemplars)} exemplars; lower the one or add to the other"
            )
    return few_shot
