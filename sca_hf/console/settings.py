"""Every setting of a recipe: its type, its default, and what the docstrings of the settings say of it."""

import re
import textwrap
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from sca_hf.errors import RecipeError
from sca_hf.settings.options import section_of, type_words

WIDTH = 80

_NAMES = re.compile(r"((?:`\w+`, )*`\w+`): ")
"""What begins a definition in a docstring: "`shots`, `decks`: ..."."""

_SENTENCE = re.compile(r"(?<=[.)])\s+(?=[A-Z`])")


@dataclass(frozen=True)
class Setting:
    """One setting, by its dotted key. `default` as YAML has it, or what a machine makes of it; `kind`: its type."""

    key: str
    kind: str
    default: str
    meaning: str


def settings(kind: type[BaseModel], section: str = "") -> list[Setting]:
    """Return all settings of recipes of a `kind`, or those of one section, at any depth.

    Raises RecipeError that lists the sections where there is no such one.
    """
    whole = {section_of(field.annotation) for field in kind.model_fields.values()}
    every = list(_settings(kind, "", whole))
    chosen = [each for each in every if not section or f"{each.key}.".startswith(f"{section}.")]
    if not chosen:
        sections = [each.key for each in every if each.kind.startswith("section")]
        raise RecipeError(f"--settings {section}: there is no such section; give one of {', '.join(sections)}")
    return chosen


def page(listed: Sequence[Setting]) -> str:
    """Return the settings for a terminal of WIDTH columns."""
    lines = []
    for each in listed:
        head = f"{each.key}: {each.kind}; default {each.default}"
        lines += textwrap.wrap(head, WIDTH, subsequent_indent="        ", break_long_words=False)
        lines += textwrap.wrap(each.meaning, WIDTH, initial_indent="    ", subsequent_indent="    ")
    return "\n".join(lines)


def markdown(listed: Sequence[Setting]) -> str:
    """Return the settings as a table of Markdown, the README's."""
    rows = [f"| `{each.key}` | {each.kind} | `{each.default}` | {each.meaning} |" for each in listed]
    return "\n".join(["| setting | type | default | meaning |", "|---|---|---|---|", *rows])


def _settings(kind: type[BaseModel], prefix: str, whole: Set[type[BaseModel] | None]) -> Iterator[Setting]:
    """`whole`: sections of the recipe itself. Where a stage may have one of its own, its keys aren't listed again."""
    for name, field in kind.model_fields.items():
        section = section_of(field.annotation)
        words = type_words(field.annotation, field.metadata)
        if section is not None:  # its keys follow below
            words = "section or null" if words.endswith(" or null") else "section"
        yield Setting(f"{prefix}{name}", words, _default(field, section), meaning(kind, name))
        if section is not None and not (prefix and section in whole):
            yield from _settings(section, f"{prefix}{name}.", whole)


def meaning(kind: type[BaseModel], name: str) -> str:
    """Return what docstrings say of a setting: its definition, else the sentences that name it, else what they begin
    with. A class is asked before those that it extends."""
    documents = [_paragraphs(each) for each in kind.__mro__ if name in getattr(each, "model_fields", ())]
    for paragraphs in documents:
        for paragraph in paragraphs:
            if defined := _definition(paragraph, name, kind):
                return defined
    for paragraphs in documents:
        sentences = [each for paragraph in paragraphs for each in _SENTENCE.split(paragraph)]
        named = [each for each in sentences if f"`{name}`" in each and not _NAMES.match(each)]
        if named:
            return " ".join(named)
    section = section_of(kind.model_fields[name].annotation)
    own = _paragraphs(section) if section is not None else documents[-1]
    return own[0] if own else ""


def _definition(paragraph: str, name: str, kind: type[BaseModel]) -> str:
    """Return the text after "`name`:", up to the next definition, or to a sentence about other settings."""
    heads = list(_NAMES.finditer(paragraph))
    others = [f"`{other}`" for other in kind.model_fields if other != name]
    for head, following in zip(heads, [*heads[1:], None], strict=False):
        if f"`{name}`" in head[1]:
            text = paragraph[head.end() : following.start() if following else None]
            first, *more = _SENTENCE.split(text)
            rest = takewhile(lambda sentence: not any(other in sentence for other in others), more)
            return " ".join([first, *rest]).rstrip(" ,;.") + "."
    return ""


def _paragraphs(kind: type[Any]) -> list[str]:
    return [" ".join(each.split()) for each in (kind.__doc__ or "").split("\n\n")]


def _default(field: FieldInfo, section: type[BaseModel] | None) -> str:
    if field.is_required():
        return "none: give it"
    if section is not None:
        return "null" if field.default is None else "{}"
    if field.default_factory is not None:  # another one on another machine
        return str(getattr(field.default_factory, "__name__", "")).strip("_").replace("_", " ")
    value = list(field.default) if isinstance(field.default, tuple) else field.default
    text: str = yaml.safe_dump(value, default_flow_style=True, width=1_000_000, allow_unicode=True)
    return text.strip().removesuffix("...").strip()
