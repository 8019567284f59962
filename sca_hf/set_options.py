"""`--set key=value`: changes of settings, and what is wrong with them in words."""

import re
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from sca_hf.errors import RecipeError

_EXPONENT = re.compile(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+")


def parse(option: str, example: str) -> tuple[str, Any]:
    """Return the dotted key and the YAML value of `key=value`. Raises RecipeError that shows the `example`."""
    key, equals, text = option.partition("=")
    if not (key and equals):
        raise RecipeError(f"--set {option!r}: write key=value, such as {example}")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RecipeError(f"--set {option!r}: {text!r} is not a YAML value; quote it") from error
    # 1e-5 is a number for YAML 1.2 and for people, a text for PyYAML.
    return key, float(value) if isinstance(value, str) and _EXPONENT.fullmatch(value) else value


def put(values: MutableMapping[str, Any], key: str, value: Any, kind: type[BaseModel]) -> None:
    """Put a value at a dotted key into nested `values` of a `kind`. Raises RecipeError where that is not a section."""
    *sections, last = key.split(".")
    place: Any = values
    for section in sections:
        place = place.setdefault(section, {})
        if not isinstance(place, dict):
            raise RecipeError(f"--set {key}={value}: {section!r} is not a section; {_allowed(kind, ())}")
    place[last] = value


def explain(error: ValidationError, kind: type[BaseModel], unknown: Mapping[str, str] | None = None) -> Iterator[str]:
    """Say of each wrong value of a `kind` its key, what it is and what is allowed.

    `unknown`: the fix for an unknown key, where it is another one than to take an allowed key.
    """
    for wrong in error.errors():
        key = ".".join(str(part) for part in wrong["loc"])
        if wrong["type"] == "extra_forbidden":
            fix = (unknown or {}).get(key) or _allowed(kind, wrong["loc"][:-1])
            yield f"unknown key {key!r} (value {wrong['input']!r}); {fix}"
        elif wrong["type"] == "missing":
            yield f"{key!r} is missing; give it"
        else:
            yield f"{key} = {wrong['input']!r}: {wrong['msg'][0].lower()}{wrong['msg'][1:]}"


def _allowed(kind: type[BaseModel], location: Sequence[int | str]) -> str:
    """The keys that the section at `location` may have."""
    model: Any = kind
    for part in location:
        annotation = model.model_fields[part].annotation
        model = next((inner for inner in get_args(annotation) if hasattr(inner, "model_fields")), annotation)
    return f"allowed here: {', '.join(model.model_fields)}"
