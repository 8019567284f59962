"""Recipes: the validated settings of a run, one YAML file each.

    recipe = load_recipe("demo", ["responses.samples=8", "run.jails=4"])
    recipe["responses"].samples

A recipe lists its `stages`. It may have a section a stage, named after it, and `engine` and `run` next to them. With
`extends` it builds on another recipe and gives what differs: keys of its sections replace those of the other. A section
that is null takes its stage out. Settings under `run:` never affect results.
Paths in a recipe's file are relative to it, those of changes to the current folder.
"""

import json
import os
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field, ValidationError, create_model

from sca_hf.engines.settings import EngineSettings
from sca_hf.errors import InputError, RecipeError
from sca_hf.identity import RUN_SEED, published_name
from sca_hf.settings import PATH, Settings
from sca_hf.settings.options import explain, parse, put, section_of
from sca_hf.settings.yaml_file import read_mapping
from sca_hf.stage import Stage, fit
from sca_hf.stages import BUNDLED, stage
from sca_hf.stages.own_model import ModelSettings

_NAMES = frozenset({"demo", "default", "stdlib"})
"""What `model`, `prompts` and `source` may be beside a path."""

_NOT_LISTED = dict.fromkeys(BUNDLED, "put this stage into stages")


def usable_cores() -> int:
    """Return the cores that this process may use, which can be fewer than the machine has."""
    return len(os.sched_getaffinity(0))


class RunSettings(Settings):
    """How a run uses the machine. `concurrency`: rows in the works at once (null: twice the calls that the engine works
    on at once, 512 at least); `batch_size`: rows a write.

    `workers`: processes for CPU work; `jails`: programs that run at once. Both default to the cores that this process
    may use. `jails_on`: where programs run, on this machine or on the CPUs of a Ray cluster. `journal`: the file that
    keeps each finished call, on a local disk (null: in the store).
    """

    concurrency: int | None = Field(default=None, ge=1)
    batch_size: int = Field(default=1000, ge=1)
    workers: int = Field(default_factory=usable_cores, ge=1)
    jails: int = Field(default_factory=usable_cores, ge=1)
    jails_on: Literal["machine", "ray"] = "machine"
    journal: str | None = Field(default=None, min_length=1)


class Recipe(Settings):
    """All settings of a run; a subclass made by `load_recipe` has a field for the section of each stage.

    `name`: what its datasets begin with. `about`: a sentence for people. `model`: the base model, a Hub id
    (id@revision), a folder or "demo". `prompts`: few-shot file, or "default" or "demo". `seed`: the run seed, from
    which every random choice comes. `stages`: names of bundled stages, or `module:NAME` of others, in order. `engine`:
    what completes prompts. `run`: how a run uses the machine.
    """

    chain: ClassVar[tuple[Stage, ...]] = ()
    """The declarations of `stages`."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,60}$")
    about: str = ""
    model: str = Field(min_length=1, json_schema_extra=PATH)
    prompts: str = Field(default="default", json_schema_extra=PATH)
    seed: int = Field(default=RUN_SEED, ge=0)
    stages: tuple[str, ...] = Field(min_length=1)
    engine: EngineSettings = EngineSettings()
    run: RunSettings = Field(default_factory=RunSettings)

    def __getitem__(self, stage: str) -> Any:
        """Return the settings of a stage, by its name."""
        return getattr(self, self._declared(stage).name)

    def asked(self, stage: Stage) -> tuple[str, EngineSettings]:
        """Return the model that a stage asks, and the settings of the engine: its own, else the recipe's."""
        own = self[stage.name]
        if not isinstance(own, ModelSettings):
            return self.model, self.engine
        return own.model or self.model, own.engine or self.engine

    def place(self, stage: str) -> int:
        """Return the place of a stage, by its name, in `chain`. Raises InputError if the recipe lacks it."""
        return self.chain.index(self._declared(stage))

    def with_settings(self, stage: str, settings: Settings) -> "Recipe":
        """Return this recipe with other settings of a stage."""
        return self.model_copy(update={stage: settings})

    def published(self) -> dict[str, Any]:
        """Return the settings that make the rows, JSON-able, with names in place of this machine's paths."""
        values = self.model_dump(mode="json", include={"name", "about", "seed", "stages"})
        values |= {"model": published_name(self.model), "prompts": published_name(self.prompts)}
        values |= {stage.name: self[stage.name].published() for stage in self.chain}
        return values | {"engine": self.engine.intent() | {"dtype": self.engine.dtype}}

    def _declared(self, stage: str) -> Stage:
        for each in self.chain:
            if each.name == stage:
                return each
        order = ", ".join(each.name for each in self.chain)
        raise InputError(f"recipe {self.name!r} has no stage {stage!r}; its stages are {order}")


def recipe_names() -> list[str]:
    """Return the names of the bundled recipes."""
    return sorted(entry.name.removesuffix(".yaml") for entry in _bundled().iterdir() if entry.name.endswith(".yaml"))


def load_recipe(name_or_file: str, changes: Iterable[str] = ()) -> Recipe:
    """Load a bundled recipe by name, or a YAML file, with `key=value` changes (dotted keys, YAML values).

    Raises RecipeError that names the key, the value and what is allowed, or the column that a stage lacks.
    """
    values = _read(name_or_file)
    for change in sorted(changes, key=lambda change: not change.startswith("stages=")):  # they decide on sections
        values = _changed(values, change)
    model = _model_of(values, f"recipe {name_or_file!r}")
    values = _located(values, model)
    try:
        # By JSON, where a list may be given for a tuple and all else stays strict.
        return model.model_validate_json(json.dumps(values))
    except ValidationError as error:
        raise RecipeError(f"recipe {name_or_file!r}: {'; '.join(explain(error, model, _NOT_LISTED))}") from error
    except TypeError as error:
        raise RecipeError(f"recipe {name_or_file!r}: {error}; use plain YAML values (quote dates)") from error


def complete_recipe() -> type[Recipe]:
    """Return the type of a recipe with the sections of all bundled stages, which no recipe lists at once."""
    return _with_sections([stage(name) for name in BUNDLED])


def _model_of(values: dict[str, Any], what: str) -> type[Recipe]:
    """The type of the recipe, with a field for each of its stages. Takes out of `values` stages that are null."""
    listed = values.get("stages", [])
    if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
        raise RecipeError(f"{what}: stages = {listed!r}; give a list of names, such as [{', '.join(BUNDLED)}]")
    stages = {name: stage(name) for name in listed}
    known = {*BUNDLED, *(each.name for each in stages.values())}
    null = {name for name in known if name in values and values[name] is None}
    for name in null:
        del values[name]
    remaining = [name for name, each in stages.items() if each.name not in null]
    values |= {"stages": remaining} if listed else {}
    chain = tuple(stages[name] for name in remaining)
    names = [each.name for each in chain]
    taken = {name for name in names if names.count(name) > 1 or name in Recipe.model_fields}
    if taken or len(stages) < len(listed):
        raise RecipeError(f"{what}: stages {listed} need names of their own, none of them twice; take one out")
    try:
        fit(chain, (), [*chain, *map(stage, BUNDLED)], what)
    except InputError as error:
        raise RecipeError(str(error)) from None
    model = _with_sections(chain)
    model.chain = chain
    return model


def _with_sections(stages: Iterable[Stage]) -> type[Recipe]:
    sections: dict[str, Any] = {each.name: (each.settings, Field(default_factory=each.settings)) for each in stages}
    model: type[Recipe] = create_model("Recipe", __base__=Recipe, __module__=__name__, **sections)
    return model


def _bundled() -> Any:
    return files("sca_hf") / "recipes"


def _read(name_or_file: str, extended: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the values of a recipe over those of the one that it extends."""
    if name_or_file in extended:
        raise RecipeError(f"recipe {name_or_file!r} extends itself ({' -> '.join([*extended, name_or_file])})")
    if name_or_file in recipe_names():
        source = _bundled() / f"{name_or_file}.yaml"
    else:
        source = Path(name_or_file)
        if source.suffix not in {".yaml", ".yml"}:
            known, by = ", ".join(recipe_names()), f", which {extended[-1]!r} extends" if extended else ""
            raise RecipeError(f"no recipe {name_or_file!r}{by}; give one of {known}, or the path of a .yaml file")
    values = read_mapping(source, f"recipe file {name_or_file!r}")
    values = {key: _told_in(value, Path(name_or_file).parent) for key, value in values.items()}
    base = values.pop("extends", None)
    if base is None:
        return values
    if not isinstance(base, str):
        raise RecipeError(f"recipe {name_or_file!r}: extends = {base!r}; give the name or the path of one recipe")
    beside = Path(name_or_file).parent / base
    return _over(_read(base if base in recipe_names() else str(beside), (*extended, name_or_file)), values)


class _Told(str):
    """A text of a recipe's file. `folder`: that of the file."""

    folder: Path


def _told_in(value: Any, folder: Path) -> Any:
    """Return a value of YAML whose texts know the folder of their file."""
    if isinstance(value, dict):
        return {key: _told_in(inner, folder) for key, inner in value.items()}
    if isinstance(value, list):
        return [_told_in(inner, folder) for inner in value]
    if isinstance(value, str):
        value = _Told(value)
        value.folder = folder
    return value


def _located(values: dict[str, Any], kind: type[BaseModel]) -> dict[str, Any]:
    """Return the values of a `kind`, with the paths that a file told made relative to that file.

    Such a setting may also be a name ("stdlib", a Hub id): it is a path if it begins with a dot or leads to something.
    """
    located = dict(values)
    for name, field in kind.model_fields.items():
        value, section = values.get(name), section_of(field.annotation)
        if section is not None and isinstance(value, dict):
            located[name] = _located(value, section)
        elif field.json_schema_extra == PATH and isinstance(value, dict):
            located[name] = {key: _path(each) for key, each in value.items()}
        elif field.json_schema_extra == PATH and isinstance(value, list):
            located[name] = [_path(each) for each in value]
        elif field.json_schema_extra == PATH and value is not None:
            located[name] = _path(value)
    return located


def _path(value: Any) -> Any:
    if not isinstance(value, _Told) or value in _NAMES:
        return value
    path = value.folder / Path(value).expanduser()
    return str(path) if value.startswith(("./", "../")) or path.exists() else value


def _over(base: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` over `base`, key by key in sections, without the sections of stages that `values` doesn't list."""
    merged = dict(base)
    listed = values.get("stages")
    if isinstance(listed, list):
        for name in set(base.get("stages", ())) - set(listed):
            merged.pop(stage(name).name, None)
    for key, value in values.items():
        inner = merged.get(key)
        merged[key] = {**inner, **value} if isinstance(inner, dict) and isinstance(value, dict) else value
    return merged


def _changed(values: dict[str, Any], change: str) -> dict[str, Any]:
    key, value = parse(change, "responses.samples=8")
    if key == "stages":
        return _over(values, {key: value})
    put(values, key, value, Recipe)
    return values
