"""Recipes: the validated settings of a run, one YAML file each.

    recipe = load_recipe("demo", ["responses.samples=8", "run.jails=4"])

A section a stage, named after it; `engine` and `run` beside them. What stands in `run` never changes a result. A run
has stage `judge` if its recipe has that section; all other stages are in every run.
"""

import json
import os
from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, Self, get_args

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from sca_hf.errors import RecipeError, one_line
from sca_hf.identity import published_name
from sca_hf.settings import Settings
from sca_hf.stages.concepts import ConceptsSettings
from sca_hf.stages.execute import ExecuteSettings
from sca_hf.stages.instructions import InstructionsSettings
from sca_hf.stages.judge import JudgeSettings
from sca_hf.stages.responses import ResponsesSettings
from sca_hf.stages.seeds import SeedSettings
from sca_hf.stages.select import SelectSettings
from sca_hf.stages.sft import SftSettings

_CORES = os.cpu_count() or 1
_RUNS_FOREIGN_CODE = {"trust_remote_code", "load_format"}  # Python files of a repository; pickled weights


class EngineSettings(Settings):
    """`kind`: vLLM in this process, or servers at `urls`: OpenAI-compatible ones, or TGI.

    `max_prompt_tokens`: rows with a longer prompt are rejected. `max_num_seqs`, `gpu_memory_utilization` and `options`
    (any other argument of vLLM's engine, parallelism above all) are about the speed of vLLM. Of servers, a request is
    given up after `request_seconds`, and the run after `patience` seconds without a success. None of these, nor where
    the servers are, is part of a fingerprint; what they say that they run is.
    """

    kind: Literal["vllm", "openai", "tgi"] = "vllm"
    urls: tuple[str, ...] = ()
    dtype: Literal["bfloat16", "float16", "float32"] = "bfloat16"
    max_model_len: int | None = Field(default=None, ge=64)
    max_prompt_tokens: int | None = Field(default=None, ge=1)
    max_num_seqs: int = Field(default=256, ge=1)
    gpu_memory_utilization: float = Field(default=0.9, gt=0.0, le=1.0)
    options: dict[str, bool | int | float | str] = Field(default={})
    request_seconds: float = Field(default=600.0, gt=0.0)
    patience: float = Field(default=300.0, gt=0.0)

    @field_validator("options")
    @classmethod
    def _no_foreign_code(cls, options: dict[str, bool | int | float | str]) -> dict[str, bool | int | float | str]:
        refused = sorted(_RUNS_FOREIGN_CODE & options.keys())
        if refused:
            raise ValueError(f"{refused} would run code that comes with a model; take them out")
        return options

    @model_validator(mode="after")
    def _urls_fit(self) -> Self:
        if (self.kind == "vllm") == bool(self.urls):
            raise ValueError(
                f"engine.kind {self.kind} and engine.urls {list(self.urls)} don't fit; urls are for servers"
            )
        if not all(url.startswith(("http://", "https://")) for url in self.urls):
            raise ValueError("engine.urls must begin with http:// or https://")
        return self

    def intent(self) -> dict[str, Any]:
        """What decides which prompts are too long; the dtype is the engine's to tell."""
        return self.model_dump(mode="json", include={"max_model_len", "max_prompt_tokens"})


class RunSettings(Settings):
    """How a run uses the machine. `concurrency`: rows in the works at once; `batch_size`: rows a write."""

    concurrency: int = Field(default=512, ge=1)
    batch_size: int = Field(default=1000, ge=1)
    workers: int = Field(default=_CORES, ge=1)
    jails: int = Field(default=_CORES, ge=1)


class Recipe(Settings):
    """All settings of a run. `seed`: the run seed, from which every random choice comes. `prompts`: few-shot file."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,60}$")
    about: str = ""
    model: str = Field(min_length=1)
    prompts: str = "default"
    seed: int = Field(default=3407, ge=0)
    engine: EngineSettings = EngineSettings()
    seeds: SeedSettings = SeedSettings()
    judge: JudgeSettings | None = None
    concepts: ConceptsSettings = ConceptsSettings()
    instructions: InstructionsSettings = InstructionsSettings()
    responses: ResponsesSettings = ResponsesSettings()
    execute: ExecuteSettings = ExecuteSettings()
    select: SelectSettings = SelectSettings()
    sft: SftSettings = SftSettings()
    run: RunSettings = RunSettings()

    def published(self) -> dict[str, Any]:
        """For lineage and cards: the settings that make the rows, with names in place of this machine's paths."""
        values = self.model_dump(mode="json", exclude={"run", "engine"})
        values["engine"] = self.engine.intent() | {"dtype": self.engine.dtype}
        values["model"], values["prompts"] = published_name(self.model), published_name(self.prompts)
        values["seeds"]["source"] = published_name(self.seeds.source)
        if self.judge is None:
            del values["judge"]
        else:
            values["judge"]["prompts"] = published_name(self.judge.prompts)
        for section in (values["seeds"], values["select"]):
            if section["decontaminate"]:
                files = section["decontaminate"]["files"]
                section["decontaminate"]["files"] = {name: published_name(file) for name, file in files.items()}
        return values


def recipe_names() -> list[str]:
    """Names of the bundled recipes."""
    return sorted(entry.name.removesuffix(".yaml") for entry in _bundled().iterdir() if entry.name.endswith(".yaml"))


def load_recipe(name_or_file: str, changes: Iterable[str] = ()) -> Recipe:
    """A bundled recipe by name, or a YAML file, with `key=value` changes (dotted keys, YAML values).

    Raises RecipeError that names the key, the value and what is allowed.
    """
    values = _read(name_or_file)
    for change in changes:
        _change(values, change)
    try:
        # By JSON, where a list may stand for a tuple and all else stays strict.
        return Recipe.model_validate_json(json.dumps(values))
    except ValidationError as error:
        raise RecipeError(f"recipe {name_or_file!r}: {'; '.join(_explain(error))}") from error
    except TypeError as error:
        raise RecipeError(f"recipe {name_or_file!r}: {error}; use plain YAML values (quote dates)") from error


def _bundled() -> Any:
    return files("sca_hf") / "recipes"


def _read(name_or_file: str) -> dict[str, Any]:
    if name_or_file in recipe_names():
        source = _bundled() / f"{name_or_file}.yaml"
    else:
        source = Path(name_or_file)
        if source.suffix not in {".yaml", ".yml"}:
            known = ", ".join(recipe_names())
            raise RecipeError(f"no recipe {name_or_file!r}; give one of {known}, or the path of a .yaml file")
    try:
        values = yaml.safe_load(source.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RecipeError(f"recipe file {name_or_file!r} can't be read: {one_line(error)}; give a YAML file") from error
    if not isinstance(values, dict):
        raise RecipeError(f"recipe file {name_or_file!r} holds {type(values).__name__}; give 'key: value' lines")
    return values


def _change(values: dict[str, Any], change: str) -> None:
    key, equals, text = change.partition("=")
    if not (key and equals):
        raise RecipeError(f"--set {change!r}: write key=value, such as responses.samples=8")
    *sections, last = key.split(".")
    place = values
    for section in sections:
        inner = place.setdefault(section, {})
        if not isinstance(inner, dict):
            raise RecipeError(f"--set {change!r}: {section!r} is no section; {_allowed(())}")
        place = inner
    try:
        place[last] = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RecipeError(f"--set {change!r}: {text!r} is no YAML value; quote it") from error


def _explain(error: ValidationError) -> list[str]:
    explained = []
    for wrong in error.errors():
        key = ".".join(str(part) for part in wrong["loc"])
        if wrong["type"] == "extra_forbidden":
            explained.append(f"unknown key {key!r} (value {wrong['input']!r}); {_allowed(wrong['loc'][:-1])}")
        elif wrong["type"] == "missing":
            explained.append(f"{key!r} is missing; give it")
        else:
            explained.append(f"{key} = {wrong['input']!r}: {wrong['msg'][0].lower()}{wrong['msg'][1:]}")
    return explained


def _allowed(location: Sequence[int | str]) -> str:
    """The keys that may stand in the section at `location`."""
    model: Any = Recipe
    for part in location:
        annotation = model.model_fields[part].annotation
        model = next((kind for kind in get_args(annotation) if hasattr(kind, "model_fields")), annotation)
    return f"allowed here: {', '.join(model.model_fields)}"
