"""Few-shot files: the system text of each step and the exemplars that all steps share.

The layout is that of the reference implementation, so a file written for it can be used in ours' place. The step S->I
(stage `oss_instruct`) has a system text in files that are made for it:

    ### System: S->C
    <text>

    ### Example 1
    [Code]
    <code, fenced or not>

    [Property]
    category: function implementation
    language: Python
    difficulty: easy
    concepts: recursion, memoization

    [Instruction]
    <text>

    [Response]
    <text with fenced code>

    [Tests]
    <fenced code>
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files

from sca_hf.errors import InputError
from sca_hf.prompts.source import read_prompts
from sca_hf.stage import Step

NEEDED: tuple[Step, ...] = ("S->C", "C->I", "I->R")
"""Steps that every file has a system text for; the reference's have no other."""

PARTS = ("Code", "Property", "Instruction", "Response", "Tests")
PROPERTIES = ("category", "language", "difficulty", "concepts")

_HEADING = re.compile(r"^### (System: *(?P<step>.+?)|Example (?P<number>\d+))[ \t]*$", re.MULTILINE)
_PART = re.compile(r"^\[(" + "|".join(PARTS) + r")\][ \t]*$", re.MULTILINE)
_FENCE = re.compile(r"\A```[\w+-]*\n(?P<code>.*?)\n?```\Z", re.DOTALL)


@dataclass(frozen=True)
class Property:
    """What a task should be: the open part of C->I."""

    category: str
    language: str
    difficulty: str
    concepts: tuple[str, ...]

    def __str__(self) -> str:
        lines = (f"category: {self.category}", f"language: {self.language}", f"difficulty: {self.difficulty}")
        return "\n".join((*lines, f"concepts: {', '.join(self.concepts)}"))


@dataclass(frozen=True)
class Exemplar:
    """One hand-written row: `code` is bare source, `response` and `tests` are Markdown with fenced code."""

    code: str
    property: Property
    instruction: str
    response: str
    tests: str


@dataclass(frozen=True)
class FewShot:
    """The system texts by step and the exemplars in the file's order."""

    systems: Mapping[str, str]
    exemplars: tuple[Exemplar, ...]
    text: str

    @cached_property
    def sha(self) -> str:
        """SHA-256 of the file's text, hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def load_few_shot(name_or_path: str) -> FewShot:
    """Read the few-shot file at a path, or a bundled one by name: `default`, `demo`.

    Raises InputError when the file is missing or its layout is wrong, naming the place.
    """
    bundled = {"default": files("sca_hf") / "prompts/few_shot.txt", "demo": files("sca_hf") / "demo/few_shot.txt"}
    return parse_few_shot(read_prompts("few-shot file", name_or_path, bundled), name_or_path)


def parse_few_shot(text: str, name: str = "few-shot file") -> FewShot:
    """Parse the layout above. Raises InputError that names the file, the exemplar and what is missing."""
    headings = list(_HEADING.finditer(text))
    systems: dict[str, str] = {}
    exemplars: list[Exemplar] = []
    for heading, following in zip(headings, [*headings[1:], None], strict=False):  # an empty file has no headings
        body = text[heading.end() : following.start() if following else len(text)].strip()
        if step := heading["step"]:
            systems[step.replace(" ", "")] = body
        else:
            exemplars.append(_parse_exemplar(body, f"{name}, Example {heading['number']}"))
    for step in NEEDED:
        if not systems.get(step):
            raise InputError(f"{name}: no text under '### System: {step}'; add it")
    if not exemplars:
        raise InputError(f"{name}: no '### Example 1' heading; add at least one exemplar")
    return FewShot(systems, tuple(exemplars), text)


def _parse_exemplar(body: str, where: str) -> Exemplar:
    marks = list(_PART.finditer(body))
    names = [mark[1] for mark in marks]
    if names != list(PARTS):
        expected = ", ".join(f"[{part}]" for part in PARTS)
        raise InputError(f"{where}: parts are {names}; expected each of {expected} once, in this order")
    ends = [*(mark.start() for mark in marks[1:]), len(body)]
    parts = {mark[1]: body[mark.end() : end].strip() for mark, end in zip(marks, ends, strict=True)}
    for part, content in parts.items():
        if not content:
            raise InputError(f"{where}: [{part}] is empty; write it")
    fenced = _FENCE.match(parts["Code"])
    return Exemplar(
        code=fenced["code"] if fenced else parts["Code"],
        property=_parse_property(parts["Property"], where),
        instruction=parts["Instruction"],
        response=parts["Response"],
        tests=parts["Tests"],
    )


def _parse_property(text: str, where: str) -> Property:
    pairs = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    values = {key.strip(): value.strip() for key, value in pairs.items()}
    for key in PROPERTIES:
        if not values.get(key):
            raise InputError(f"{where}: [Property] has no '{key}: …' line; add it")
    concepts = tuple(concept.strip() for concept in values["concepts"].split(",") if concept.strip())
    if not concepts:
        raise InputError(f"{where}: 'concepts: {values['concepts']}' names no concept; name at least one")
    return Property(values["category"], values["language"], values["difficulty"], concepts)
