"""Completions of S->C: the names in a list of concepts, whichever way the model lays the list out."""

import re
from collections.abc import Sequence

from sca_hf.prompts.code_blocks import normal_text

MAX_WORDS = 8  # a longer one is prose, not the name of a concept

_LABEL = re.compile(r"\s*[*_#\[ ]*(?:\w+ )?concepts?[\]*_]*(?:[ \t]*:[*_]*|[ \t]*(?=\n))", re.IGNORECASE)
_MARK = re.compile(r"\s*(?:[-*+•–]|\(?\d{1,2}[.):])(?:\s+|$)")
_LEAD = re.compile(rf"\A(?:{_MARK.pattern}|\s*(?:and|&)\s+)")
_SEPARATOR = re.compile(r"[,;、，；]")
_EXPLANATION = re.compile(r":\s|\s[-–—]\s")
_QUOTES = " \t`*\"'“”‘’„«»「」"
_STOPS = ".。"


def parse_concepts(text: str, finish_reason: str) -> list[str]:
    """Return the distinct concepts of a list, in order: of one line, or of lines that are numbered or have bullets.

    What is too long to be a concept is left out, and so is the last where the completion didn't come to its end in it.
    """
    text = normal_text(text).lstrip()
    if label := _LABEL.match(text):
        text = text[label.end() :].lstrip()
    lines = text.splitlines()
    count, entries = _listed(lines)
    if not entries:
        count, entries = _separated(lines)
    names = [_name(part) for entry in entries for part in _SEPARATOR.split(entry)]
    if finish_reason != "stop" and count == len(lines) and not text.endswith("\n"):
        names = names[:-1]
    return list(dict.fromkeys(name for name in names if name and len(name.split()) <= MAX_WORDS))


def _listed(lines: Sequence[str]) -> tuple[int, list[str]]:
    """The lines that a marked list takes, blank ones between included, and what its entries name."""
    entries: list[str] = []
    count = 0
    for number, line in enumerate(lines, start=1):
        if mark := _MARK.match(line):
            entries.append(_EXPLANATION.split(line[mark.end() :])[0])
            count = number
        elif line.strip():
            break
    return count, entries


def _separated(lines: Sequence[str]) -> tuple[int, list[str]]:
    """The first line, with those after it while one ends in a separator."""
    for number, line in enumerate(lines, start=1):
        if not _SEPARATOR.fullmatch(line.rstrip()[-1:]):
            return number, list(lines[:number])
    return len(lines), list(lines)


def _name(part: str) -> str:
    name = _LEAD.sub("", part)
    return name.strip(_QUOTES).rstrip(_QUOTES + _STOPS)
