"""Reads the programs of `cases/`: one file a kind, `## name [statuses]`, then code and tests, or tests alone."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from sca_hf.sandbox import Program

_RIGHT = "def add(a, b):\n    return a + b"
_WRONG = "def add(a, b):\n    return a - b"
_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_STATUSES = re.compile(r"`([a-z-]+)`")


class Case(NamedTuple):
    """A program and the statuses that it may get."""

    name: str
    program: Program
    statuses: list[str]


def read_cases(folder: str) -> list[Case]:
    """Return the cases of "honest" or "meaningless"."""
    paths = sorted((Path(__file__).parent / "cases" / folder).glob("*.md"))
    return [case for path in paths for case in _cases_of(path)]


def _cases_of(path: Path) -> Iterator[Case]:
    introduction, *sections = path.read_text().split("\n## ")
    usual = _STATUSES.findall(introduction.partition("must be")[2])[:1]
    answer = _RIGHT if "right `add`" in introduction else _WRONG
    for section in sections:
        title, _, text = section.partition("\n")
        name, _, own = title.partition(" [")
        *code, tests = _BLOCK.findall(text)
        program = Program(code[0] if code else answer, tests)
        yield Case(f"{path.stem}: {name}", program, own.rstrip("]").split() or usual)
