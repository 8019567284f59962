"""`--set key=value`: changes of settings, and what is wrong with them in words."""

import re
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from sca_hf.errors import RecipeError

_KEY = "[key]"
"""The validator's name for a mapping's key."""

_WORDS = {bool: "true or false", int: "integer", float: "number", str: "text", NoneType: "null"}
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
    """Put a value at a dotted key into nested `values` of a `kind`. A section that is null is begun.

    Raises RecipeError where the key leads through what is not a section.
    """
    *sections, last = key.split(".")
    place: Any = values
    for section in sections:
        if place.get(section) is None:
            place[section] = {}
        place = place[section]
        if not isinstance(place, dict):
            raise RecipeError(f"--set {key}={value}: {section!r} is not a section; {_allowed(kind, ())}")
    place[last] = value


def explain(error: ValidationError, kind: type[BaseModel], unknown: Mapping[str, str] | None = None) -> Iterator[str]:
    """Say of each wrong value of a `kind` its key, what it is and what is allowed, once a key.

    `unknown`: the fix for an unknown key, where it is another one than to take an allowed key.
    """
    said: set[str] = set()
    for wrong in error.errors():
        if wrong["type"] == "extra_forbidden":
            key = ".".join(map(str, wrong["loc"]))
            fix = (unknown or {}).get(key) or _allowed(kind, wrong["loc"][:-1])
            yield f"unknown key {key!r} (value {wrong['input']!r}); {fix}"
            continue
        key, allowed = _setting(kind, wrong["loc"])
        if wrong["type"] == "missing":
            yield f"{key!r} is missing; give it"
        elif "error" in wrong.get("ctx", {}):  # a rule of ours, in its own words
            shown = key if isinstance(wrong["input"], dict | BaseModel) else f"{key} = {wrong['input']!r}"
            yield f"{shown}: {wrong['ctx']['error']}".removeprefix(": ")
        elif not any(f"{other}.".startswith(f"{key}.") for other in said):  # not for each type that it may have
            yield f"{key} = {wrong['input']!r}: give {allowed}"
        said.add(key)


def section_of(annotation: Any) -> type[BaseModel] | None:
    """Return the settings that a value of this type holds, or None if it is not a section."""
    return next((each for each in _members(annotation) if _is_section(each)), None)


def type_words(annotation: Any, rules: Sequence[Any] = ()) -> str:
    """Return in words what values a setting of this type and with these rules of pydantic may have."""
    if get_origin(annotation) is Annotated:
        inner, *more = get_args(annotation)
        return type_words(inner, [rule for each in more for rule in getattr(each, "metadata", [each])])
    arguments = get_args(annotation)
    match get_origin(annotation) or annotation:
        case origin if origin is Literal:
            return " or ".join(str(each).lower() if isinstance(each, bool) else str(each) for each in arguments)
        case origin if origin in {Union, UnionType}:
            return " or ".join(type_words(each, () if each is NoneType else rules) for each in arguments)
        case origin if origin is tuple:
            words = f"list of {type_words(arguments[0])}"
        case origin if origin is dict:
            words = f"mapping of {type_words(arguments[0])} to {type_words(arguments[1])}"
        case origin if _is_section(origin):
            return f"section with {', '.join(origin.model_fields)}"
        case origin:
            words = _WORDS.get(origin, getattr(origin, "__name__", str(origin)))
    return f"{words}{_bounds(rules)}"


def _bounds(rules: Sequence[Any]) -> str:
    limits = {
        name: getattr(rule, name)
        for rule in rules
        for name in ("ge", "gt", "le", "pattern", "min_length")
        if getattr(rule, name, None) is not None
    }
    if "ge" in limits and "le" in limits:
        return f" {limits['ge']} to {limits['le']}"
    signs = [f" {sign} {limits[name]}" for name, sign in (("ge", ">="), ("gt", ">"), ("le", "<=")) if name in limits]
    if "pattern" in limits:
        return f" that matches {limits['pattern']}"
    return ",".join(signs) + (", not empty" if "min_length" in limits else "")


def _setting(kind: type[BaseModel], location: Sequence[int | str]) -> tuple[str, str]:
    """Return the key of the setting at a validator's `location`, and what it may be.

    A location ends with names of the validator's own where a value may have several types.
    """
    parts: list[str] = []
    annotation, allowed = kind, "section"
    above: Any = kind
    for part in location:
        if part == _KEY:
            return ".".join(parts), type_words(get_args(_members(above)[0])[0])
        inner = _inner(annotation, part)
        if inner is None:
            break
        above, (annotation, allowed) = annotation, inner
        parts.append(str(part))
    return ".".join(parts), allowed


def _inner(annotation: Any, part: int | str) -> tuple[Any, str] | None:
    """Return the type of what a value of a type has at `part`, and the words for it; None if it has nothing there."""
    members = _members(annotation)
    for each in members:
        arguments = get_args(each)
        if _is_section(each) and part in each.model_fields:
            field = each.model_fields[part]
            return field.annotation, type_words(field.annotation, field.metadata)
        if len(members) == 1 and get_origin(each) is tuple and isinstance(part, int):
            return arguments[0], type_words(arguments[0])
        if len(members) == 1 and get_origin(each) is dict:
            return arguments[1], type_words(arguments[1])
    return None


def _members(annotation: Any) -> list[Any]:
    """The types that a value may have, other than null."""
    if get_origin(annotation) is Annotated:
        return _members(get_args(annotation)[0])
    if get_origin(annotation) in {Union, UnionType}:
        return [member for each in get_args(annotation) if each is not NoneType for member in _members(each)]
    return [annotation]


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _allowed(kind: type[BaseModel], location: Sequence[int | str]) -> str:
    """The keys that the section at `location` may have."""
    model = kind
    for part in location:
        model = section_of(model.model_fields[str(part)].annotation) or model
    return f"allowed here: {', '.join(model.model_fields)}"
