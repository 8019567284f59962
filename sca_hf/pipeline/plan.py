"""What a run would do: the stages in order, what each is made from, and what determines its rows.

A stage's fingerprint is known once its parent's manifest is; see `Intents` for what enters it.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from datasets import Dataset

from sca_hf.corpus.hub import FileStream
from sca_hf.engines import EngineIdentity
from sca_hf.engines.registry import check_engine, check_weights, identity_of
from sca_hf.errors import InputError
from sca_hf.identity import fingerprint
from sca_hf.prompts.build import step_sha
from sca_hf.prompts.few_shot import FewShot, load_few_shot
from sca_hf.recipe import Recipe
from sca_hf.sandbox import JAIL_VERSION
from sca_hf.stage import Stage
from sca_hf.stages.few_shot import ShotSettings
from sca_hf.store import Version
from sca_hf.store.hub.hub import Remote


@dataclass(frozen=True)
class Planned:
    """One stage of a plan. `fingerprint` is None while its parent has not run; `most_rows`: rows in, at most;
    `most_calls`: calls of the model, or programs, by what the stage needs.

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

    `rows`: how many; None: not known before they are read. `limit`: at most this many of the rows that `sha`
    identifies; `name`: of rows that were given with --input, or of a source on the Hub.
    """

    load: Callable[[], Dataset | FileStream]
    sha: str
    rows: int | None
    parents: tuple[Version, ...]
    limit: int | None = None
    name: str | None = None


class Intents:
    """What determines the rows of each stage of a recipe, and nothing else.

    Raises InputError for a file of exemplars that can't be read, or that has fewer of them than a prompt is to show,
    EngineUnavailable for engine options that don't exist.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.few_shot = _few_shot(recipe)
        for stage in recipe.chain:
            check_engine(recipe.asked(stage)[1])
            if stage.check is not None:
                stage.check(recipe[stage.name])
        self._recipe = recipe
        self._identities: dict[tuple[str, str], EngineIdentity] = {}

    def of(self, stage: Stage, source: StageInput) -> dict[str, Any]:
        """Return the intent of a stage, JSON-able. Raises EngineUnavailable if there is no such model."""
        settings = self._recipe[stage.name]
        intent: dict[str, Any] = {
            "stage": stage.name,
            "version": stage.version,
            "settings": settings.intent(),
            "input": source.sha,
            "limit": source.limit,
        }
        if stage.draws:
            intent["seed"] = self._recipe.seed
        if stage.needs == "sandbox":
            intent["sandbox"] = _sandbox_intent()
        if stage.needs == "engine":
            intent["engine"] = self.engine(stage).intent() | self._recipe.asked(stage)[1].intent()
        if stage.step:
            intent["prompts"] = step_sha(self.few_shot, stage.step)
        if stage.until_pass is not None and stage.until_pass(settings):
            executor = executing(self._recipe, stage)
            intent["pass"] = {
                "sandbox": _sandbox_intent(),
                executor.name: self._recipe[executor.name].intent(),
                choosing(self._recipe, stage).name: self.pass_rule(stage).intent(),
            }
        return intent

    def fingerprint(self, stage: Stage, source: StageInput) -> str:
        """Return the fingerprint of a stage's version."""
        return fingerprint(self.of(stage, source))

    def pass_rule(self, stage: Stage) -> Any:
        """Return the rule by which the attempts of a stage pass. Raises InputError if no stage after it has one."""
        chooser = choosing(self._recipe, stage)
        assert chooser.pass_rule is not None
        return chooser.pass_rule(self._recipe[chooser.name])

    def engine(self, stage: Stage) -> EngineIdentity:
        """Return the identity of a stage's engine, looked up when it is first needed. Raises EngineUnavailable."""
        model, settings = self._recipe.asked(stage)
        key = model, settings.model_dump_json()
        if key not in self._identities:
            self._identities[key] = identity_of(model, settings)
        return self._identities[key]

    def check_weights(self, stage: Stage) -> None:
        """Raise EngineUnavailable if there can't be a stage's model. Costs no time, as its identity may."""
        check_weights(*self._recipe.asked(stage))


def executing(recipe: Recipe, stage: Stage) -> Stage:
    """Return the stage after `stage` that runs programs. Raises InputError if there is none."""
    return _later(recipe, stage, lambda later: later.jails is not None, "executes its attempts")


def choosing(recipe: Recipe, stage: Stage) -> Stage:
    """Return the stage after `stage` that has a rule on what passes. Raises InputError if there is none."""
    return _later(recipe, stage, lambda later: later.pass_rule is not None, "says which of them pass")


def from_version(version: Version | Remote, limit: int | None = None) -> StageInput:
    """Return the kept rows of a version as the input of the next stage, the first `limit` of them.

    A version that is on the Hub alone can be planned with; its rows can't be loaded.
    """
    rows = version.counts.kept if limit is None else min(limit, version.counts.kept)
    if isinstance(version, Remote):
        return StageInput(lambda: _not_fetched(version), version.manifest_sha, rows, (), limit)
    return StageInput(lambda: version.load().select(range(rows)), version.manifest_sha, rows, (version,), limit)


def most_calls(recipe: Recipe, stage: Stage, rows: int | None) -> int | None:
    """Return the completions or programs that this many rows ask for, at most."""
    if rows is None or stage.needs is None:
        return None if rows is None else 0
    return rows * stage.calls(recipe[stage.name])


def most_kept(recipe: Recipe, stage: Stage, rows: int | None) -> int | None:
    """Return the rows that a stage can keep of this many, at most; None: not known before it has run."""
    settings = recipe[stage.name]
    if stage.origin is not None:
        return stage.origin.most_rows(settings)
    return None if rows is None else rows * stage.most_rows(settings)


def _later(recipe: Recipe, stage: Stage, fits: Callable[[Stage], bool], what: str) -> Stage:
    after: Sequence[Stage] = recipe.chain[recipe.place(stage.name) + 1 :]
    later = next(filter(fits, after), None)
    if later is None:
        raise InputError(
            f"stage {stage.name!r} is to go on until an attempt passes, and no stage after it {what}; "
            "add one to the recipe's stages, or let it make all attempts"
        )
    return later


def _sandbox_intent() -> dict[str, str]:
    """Return what of the sandbox determines verdicts."""
    return {"jail": str(JAIL_VERSION), "python": ".".join(map(str, sys.version_info[:2]))}


def _not_fetched(version: Remote) -> Dataset:
    raise AssertionError(f"{version.repo}@{version.revision} was planned with, not fetched")


def _few_shot(recipe: Recipe) -> FewShot:
    few_shot = load_few_shot(recipe.prompts)
    for stage in recipe.chain:
        settings = recipe[stage.name]
        if stage.step and stage.step not in few_shot.systems:
            raise InputError(
                f"few-shot file {recipe.prompts!r} has no text under '### System: {stage.step}', which stage "
                f"{stage.name!r} needs; add it, or take prompts=default"
            )
        if stage.step and isinstance(settings, ShotSettings) and settings.shots > len(few_shot.exemplars):
            raise InputError(
                f"{stage.name}.shots = {settings.shots}, but few-shot file {recipe.prompts!r} has "
                f"{len(few_shot.exemplars)} exemplars; lower the one or add to the other"
            )
    return few_shot
