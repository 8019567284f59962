"""Exact Jaccard similarity of word 5-grams, apart from `sca_hf.filters.shingles`, to hold near-duplicates to."""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_SIZE = 5


def ngrams(text: str) -> set[tuple[str, ...]]:
    """The n-grams of a text's words, in any case; of a shorter text, all its words."""
    words = re.findall(r"\w+", text.lower())
    return {tuple(words[begin : begin + _SIZE]) for begin in range(max(1, len(words) - _SIZE + 1))}


def jaccard(one: str, other: str) -> float:
    """The similarity of two texts."""
    first, second = ngrams(one), ngrams(other)
    return len(first & second) / len(first | second)


class Inverted:
    """Which of some texts have an n-gram, to compare each text with all others. Memory: the n-grams of all of them."""

    def __init__(self, texts: Sequence[str]) -> None:
        numbers: dict[tuple[str, ...], int] = {}
        owned = [[numbers.setdefault(gram, len(numbers)) for gram in ngrams(text)] for text in texts]
        self._sizes = np.array([len(grams) for grams in owned])
        self._ends = np.cumsum(self._sizes)
        self._grams = np.concatenate([np.array(grams, np.int64) for grams in owned])
        order = np.argsort(self._grams, kind="stable")
        self._owners = np.repeat(np.arange(len(texts)), self._sizes)[order]
        self._begins = np.searchsorted(self._grams[order], np.arange(len(numbers) + 1))

    def similarities(self, number: int) -> NDArray[np.float64]:
        """Of the text with that number with each, in their order."""
        end = self._ends[number]
        grams = self._grams[end - self._sizes[number] : end]
        owners = [self._owners[self._begins[gram] : self._begins[gram + 1]] for gram in grams.tolist()]
        common = np.bincount(np.concatenate(owners), minlength=len(self._sizes))
        shares: NDArray[np.float64] = common / (self._sizes + self._sizes[number] - common)
        return shares
