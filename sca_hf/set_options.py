"""`--set key=value`: changes of settings, and what is wrong with them in words."""

import re
from collections.abc import Iterator, MutableMapping, Sequence
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from sca_hf.errors import RecipeError

_EXPONENT = re.compile(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+")


def change(values: MutableMapping[str, Any], option: str, kind: type[BaseModel]) -> None:
    """Change one of the nested `values` of a `kind` by an option `key=value`: a dotted key, a YAML value.

    Raises RecipeError for an option of another form.
    """
    key, equals, text = option.partition("=")
    if not (key and equals):
        raise RecipeError(f"--set {option!r}: write key=value, such as {next(iter(kind.model_fields))}=…")
    *sections, last = key.split(".")
    place: Any = values
    for section in sections:
        inner = place.setdefault(section, {})
        if not isinstance(inner, dict):
            raise RecipeError(f"--set {option!r}: {section!r} is not a section; {_allowed(kind, ())}")
        place = inner
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RecipeError(f"--set {option!r}: {text!r} is not a YAML value; quote it") from error
    # 1e-5 is a number for YAML 1.2 and for people, a text for PyYAML.
    place[last] = float(value) if isinstance(value, str) and _EXPONENT.fullmatch(value) else value


def explain(error: ValidationError, kind: type[BaseModel]) -> Iterator[str]:
    """Say of each wrong value of a `kind` its key, what it is and what is allowed."""
    for wrong in error.errors():
        key = ".".join(str(part) for part in wrong["loc"])
        if wrong["type"] == "extra_forbidden":
            yield f"unknown key {key!r} (value {wrong['input']!r}); {_allowed(kind, wrong['loc'][:-1])}"
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
