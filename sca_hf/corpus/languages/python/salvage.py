"""What can be had of a Python file that does not parse as a whole: Python 2 leftovers, cut-off ends, merge marks."""

import ast
import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sca_hf.corpus.languages.python.functions import PARSER_ERRORS, Function, Kind, documented_functions, parse

# Lines at the left margin that go on with the statement before them.
_GOES_ON = re.compile(r"[)\]}]|(?:else|elif|except|finally|case)\b")
_DEFINITION = re.compile(r"((?:async[ \t]+)?def|class)[ \t]+(\w+)")
# `def first[T: (int, list[int])](…)`, which Python knows from 3.12 on.
_TYPE_PARAMETERS = re.compile(r"(\b(?:def|class)[ \t]+\w+)[ \t]*\[(?:[^\[\]]|\[[^\[\]]*\])*\]")
# A block is taken together with this many of the next ones while a string or bracket in it is open.
_MOST_JOINED = 12
_OPEN = ("was never closed", "unterminated triple-quoted", "unexpected EOF")


@dataclass(frozen=True)
class BrokenFunction:
    """What has a docstring and does not parse, or is in a class that does not. `line`: its first, from 1."""

    name: str
    source: str
    line: int


def salvaged_functions(text: str, kinds: Sequence[Kind] = ("function",)) -> list[Function | BrokenFunction]:
    """Return what of these kinds has a docstring at the top level of a broken file, in order.

    A method of a class that does not parse is broken, whatever it is itself. Each statement at the left margin that
    does not parse alone is left out. The names that it bound count as undefined.
    """
    lines = text.split("\n")
    repaired = list(lines)
    broken: list[BrokenFunction] = []
    for begin, end in _blocks(lines):
        block = "\n".join(lines[begin:end])
        if _parses(block):
            continue
        # Python 2 took a tab for the way to the next column that divides by 8.
        untabbed = block.expandtabs(8) if "\t" in block else block
        if untabbed != block and _parses(untabbed):
            repaired[begin:end] = untabbed.split("\n")
            continue
        # A first line that is right may be followed by a stray indented one.
        right = 1 if _parses(lines[begin]) else 0
        repaired[begin + right : end] = [""] * (end - begin - right)
        broken += _broken(lines[begin:end], begin + 1, kinds)
    try:
        whole = documented_functions("\n".join(repaired), kinds)
    except PARSER_ERRORS:
        whole = []
    return sorted([*whole, *broken], key=lambda function: function.line)


def _blocks(lines: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Where each statement at the left margin begins and ends (lines, from 0), decorators included."""
    starts = [
        number
        for number, line in enumerate(lines)
        if line and not line[0].isspace() and line[0] != "#" and not _GOES_ON.match(line)
    ]
    starts = [
        start for place, start in enumerate(starts) if not place or not lines[starts[place - 1]].startswith("@")
    ] + [len(lines)]
    if starts[0]:
        starts.insert(0, 0)  # comments, among which a stray line may be
    place = 0
    while place < len(starts) - 1:
        until = place + 1
        while until < min(place + _MOST_JOINED, len(starts) - 1) and _error(
            "\n".join(lines[starts[place] : starts[until]])
        ).startswith(_OPEN):
            until += 1
        if _error("\n".join(lines[starts[place] : starts[until]])):
            until = place + 1  # nothing closed it: the next statements may be right
        yield starts[place], starts[until]
        place = until


def _parses(block: str) -> bool:
    return not _error(block)


def _error(block: str) -> str:
    """Return what the parser says; empty: nothing."""
    try:
        parse(block)
    except SyntaxError as error:
        message = str(error.msg)
        return "was never closed" if message.endswith("was never closed") else message
    except PARSER_ERRORS as error:
        return type(error).__name__
    return ""


def _broken(lines: Sequence[str], line: int, kinds: Sequence[Kind]) -> Iterator[BrokenFunction]:
    """Yield what of these kinds has a docstring in a block that does not parse. `line`: its first, from 1."""
    first = next((number for number, text in enumerate(lines) if not text.startswith("@")), 0)
    definition = _DEFINITION.match(lines[first])
    if not definition:
        return
    kind: Kind = "class" if definition[1] == "class" else "function"
    if kind in kinds and _is_documented(lines[first:]):
        yield BrokenFunction(definition[2], "\n".join(lines).rstrip(), line)
    if kind == "class" and "method" in kinds:
        body = textwrap.dedent("\n".join(["", *lines[first + 1 :]]))
        for method in salvaged_functions(body):
            yield BrokenFunction(f"{definition[2]}.{method.name}", method.source, line + first + method.line - 1)


def _is_documented(lines: Sequence[str]) -> bool:
    """Return whether the beginning of a definition, up to the end of a docstring, parses."""
    text = _TYPE_PARAMETERS.sub(r"\1", "\n".join(lines[:60]), count=1)
    plain = text.split("\n")
    for end in range(1, len(plain) + 1):
        try:
            (node,) = parse("\n".join(plain[:end])).body
        except (*PARSER_ERRORS, TypeError):
            continue
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            return bool((ast.get_docstring(node, clean=False) or "").strip())
    return False
