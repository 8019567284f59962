"""Copies of exemplars: what a small model writes where it should write something of its own.

Two texts are compared by their 5-grams of words: the share that they have in common of those of the shorter one. Looked
at on a 0.5B model: 14 instructions and 56 responses with their tests, each against all 21 exemplars. Four were copies
(shares 0.30, 0.35, 0.41 and 0.82: a whole task, or names and checks of another class), and no other was above 0.15.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Literal, get_args

import numpy as np

from sca_hf.filters.shingles import Hashes, shingles
from sca_hf.prompts.few_shot import Exemplar

WrittenPart = Literal["instruction", "response", "tests"]

WORDS = 5
"""Words of an n-gram."""

MIN_COMMON = 8
"""N-grams in common below which nothing is a copy: a phrase of 11 words may well be a common one."""


def written_parts(exemplars: Sequence[Exemplar]) -> dict[str, list[str]]:
    """Return the texts of few-shot exemplars, in their order, by the part that they are."""
    return {part: [getattr(exemplar, part) for exemplar in exemplars] for part in get_args(WrittenPart)}


class ExemplarCopies:
    """Finds copies of exemplars, whose `texts` are by part: texts with more than the share `max_copied` of their
    n-grams in common."""

    def __init__(self, texts: Mapping[str, Sequence[str]], max_copied: float) -> None:
        self._max_copied = max_copied
        self._hashes = {part: _hashes(of_part) for part, of_part in texts.items()}

    def find(self, part: str, text: str, deck: Sequence[int]) -> int | None:
        """Return which exemplar of a prompt, by index, `text` copies; None if it copies none."""
        (ours,) = _hashes([text])
        for index in deck:
            theirs = self._hashes[part][index]
            common = len(np.intersect1d(ours, theirs, assume_unique=True))
            if common >= MIN_COMMON and common > self._max_copied * min(len(ours), len(theirs)):
                return index
        return None

    def reason(self, part: str, text: str, deck: Sequence[int]) -> str | None:
        """Return the reject reason of a text that copies an exemplar of its prompt, by its number in the file."""
        index = self.find(part, text, deck)
        return None if index is None else f"copied-exemplar-{index + 1}"


def _hashes(texts: Sequence[str]) -> list[Hashes]:
    hashes, offsets = shingles(texts, WORDS)
    return [hashes[begin:end] for begin, end in pairwise(offsets)]
