"""Prompts whose exemplars have parts of a stage's own: system texts, exemplars, and the open row.

The layout is that of few-shot files, with other parts:

    ### System
    <text>

    ### Example 1
    [Instruction]
    <text>

    [Response]
    <text>

A file may have more texts, under headings with names of their own, such as `### Change: more depth`. The exemplars
are the same in all prompts and in the file's order, so an engine's prefix cache can serve all of a prompt but the open
row.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

from sca_hf.errors import InputError
from sca_hf.identity import digest
from sca_hf.prompts.source import read_prompts

Parts = Mapping[str, str]

_HEADING = re.compile(
    r"^### (?:Example (?P<number>\d+)|(?P<kind>System|[A-Z]\w+)(?:: *(?P<name>.+?))?)[ \t]*$", re.MULTILINE
)
_PART = re.compile(r"^\[([A-Z][A-Za-z ]*)\][ \t]*$", re.MULTILINE)


@dataclass(frozen=True)
class PartPrompts:
    """Makes the prompts of one step. `exemplars`: those that each prompt shows; `texts`: by kind and name, the texts
    under other headings."""

    system: str
    exemplars: tuple[Parts, ...]
    texts: Mapping[str, Mapping[str, str]]

    def of(self, known: Parts, asked: str) -> str:
        """Return the prompt that shows the `known` parts of a row and ends where the part `asked` begins."""
        blocks = [self.system]
        for number, exemplar in enumerate(self.exemplars, start=1):
            blocks.append(f"### Example {number}\n{_shown(exemplar)}")
        return "\n\n".join([*blocks, f"### Example {len(blocks)}\n{_shown(known)}\n\n[{asked}]\n"])

    def check(self, setting: str, name: str, kind: str, wanted: Iterable[str]) -> None:
        """Raise InputError if the file of this `name` lacks a text of the `kind` for one of the names `wanted`."""
        for each in wanted:
            if not self.texts.get(kind, {}).get(each):
                known = ", ".join(self.texts.get(kind, {})) or "none"
                raise InputError(
                    f"{setting} {name!r} has no text under '### {kind}: {each}' (there is {known}); add it, or take "
                    f"{each!r} out of the settings"
                )

    @property
    def sha(self) -> str:
        """Identifies all that prompts can hold (hex digits)."""
        named = [text for kind, texts in sorted(self.texts.items()) for pair in texts.items() for text in (kind, *pair)]
        return digest(self.of({}, ""), *named)


def load_part_prompts(setting: str, name_or_path: str, default: str, parts: Sequence[str], shots: int) -> PartPrompts:
    """Return prompts that show the first `shots` exemplars of a file: at a path, or the bundled one, by "default".

    `setting`: the name of the setting that gave the path, for messages; `default`: the name of the bundled file;
    `parts`: those of each exemplar, in order. Raises InputError that names the file, the exemplar and what is wrong.
    """
    text = read_prompts(setting, name_or_path, {"default": files("sca_hf") / "prompts" / default})
    prompts = parse_part_prompts(text, parts, name_or_path)
    if shots > len(prompts.exemplars):
        raise InputError(
            f"{setting} {name_or_path!r} has {len(prompts.exemplars)} exemplars, and {shots} shots are asked for; "
            "lower shots or add exemplars"
        )
    return PartPrompts(prompts.system, prompts.exemplars[:shots], prompts.texts)


def parse_part_prompts(text: str, parts: Sequence[str], name: str) -> PartPrompts:
    """Parse the layout above. Raises InputError that names the file, the exemplar and what is wrong."""
    headings = list(_HEADING.finditer(text))
    system, exemplars = "", list[Parts]()
    texts: dict[str, dict[str, str]] = {}
    for heading, following in zip(headings, [*headings[1:], None], strict=False):  # an empty file has no headings
        body = text[heading.end() : following.start() if following else len(text)].strip()
        if heading["number"]:
            exemplars.append(_exemplar(body, parts, f"{name}, Example {heading['number']}"))
        elif heading["kind"] == "System":
            system = body
        else:
            texts.setdefault(heading["kind"], {})[heading["name"] or ""] = body
    if not system:
        raise InputError(f"{name}: no text under '### System'; add it")
    return PartPrompts(system, tuple(exemplars), texts)


def _exemplar(body: str, parts: Sequence[str], where: str) -> Parts:
    marks = [mark for mark in _PART.finditer(body) if mark[1] in parts]
    names = [mark[1] for mark in marks]
    if names != list(parts):
        expected = ", ".join(f"[{part}]" for part in parts)
        raise InputError(f"{where}: parts are {names}; expected each of {expected} once, in this order")
    ends = [*(mark.start() for mark in marks[1:]), len(body)]
    values = {mark[1]: body[mark.end() : end].strip() for mark, end in zip(marks, ends, strict=True)}
    for part, value in values.items():
        if not value:
            raise InputError(f"{where}: [{part}] is empty; write it")
    return values


def _shown(parts: Parts) -> str:
    return "\n\n".join(f"[{name}]\n{text}" for name, text in parts.items())
