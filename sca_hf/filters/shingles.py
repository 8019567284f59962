"""Texts as sets of hashed word n-grams, for near-duplicates and decontamination.

Hashes are the same in every process and on every machine: 64 bits, of which chance makes two of a billion meet at most
about once in 37 runs, so a set of hashes can replace the set of n-grams.
"""

import re
from collections.abc import Sequence
from hashlib import blake2b
from itertools import chain, pairwise

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

_WORD = re.compile(r"\w+")
_ASCII = "".join(chr(code).lower() if _WORD.match(chr(code)) else " " for code in range(128))
_MAX_WORDS = 500_000  # words whose hashes are remembered: about 60 MB


def shingles(texts: Sequence[str], size: int) -> tuple[Hashes, NDArray[np.int64]]:
    """Return the n-grams of `size` words of each text, in any case, hashed; of a shorter text, all its words as one.

    Gives the hashes of all texts in one array, sorted and without repetitions per text, and the offsets where each
    text's begin (one more offset than texts). A text without any word has none.
    """
    words = [_words(text) for text in texts]
    for text_words in words:
        if 0 < len(text_words) < size:
            text_words.extend([""] * (size - len(text_words)))
    ends = np.cumsum(np.fromiter(map(len, words), np.int64, len(words)))
    length = int(ends[-1]) if words else 0
    flat = np.fromiter(map(_WORD_HASHES.__getitem__, chain.from_iterable(words)), np.uint64, length)
    # The n-gram at a word is a polynomial in the words' hashes.
    rolled = np.zeros(max(length - size + 1, 0), np.uint64)
    factor = 1
    for place in range(size):
        rolled += flat[place : place + len(rolled)] * np.uint64(factor)
        factor = factor * 0x9E3779B97F4A7C15 % 2**64
    filled = np.flatnonzero(np.diff(ends, prepend=0))
    inside = np.ones(length, bool)
    for place in range(1, size):  # an n-gram that begins at one of a text's last words ends in the next text
        inside[ends[filled] - place] = False
    hashes = _mixed(rolled[inside[: len(rolled)]])
    grams = np.zeros(len(words) + 1, np.int64)
    np.cumsum(np.maximum(np.diff(ends, prepend=0) - size + 1, 0), out=grams[1:])
    for begin, end in pairwise(grams.tolist()):
        hashes[begin:end].sort()
    fresh = np.ones(len(hashes), bool)
    fresh[1:] = hashes[1:] != hashes[:-1]
    fresh[grams[:-1][filled]] = True
    return hashes[fresh], np.concatenate([[0], np.cumsum(fresh)])[grams]


def _words(text: str) -> list[str]:
    """Return the words in lower case; of plain ASCII, three times as fast as by the expression."""
    return text.translate(_ASCII).split() if text.isascii() else _WORD.findall(text.lower())


class _WordHashes(dict[str, int]):
    """Hashes by word, made when they are first asked for; that of no word, which follows a short text, is 0."""

    def __missing__(self, word: str) -> int:
        if not word:
            return 0
        if len(self) >= _MAX_WORDS:
            self.clear()
        self[word] = value = int.from_bytes(blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest())
        return value


_WORD_HASHES = _WordHashes()


def _mixed(hashes: Hashes) -> Hashes:
    """Each bit made to depend on all others (the finalizer of SplitMix64)."""
    hashes = (hashes ^ (hashes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    hashes = (hashes ^ (hashes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return hashes ^ (hashes >> np.uint64(31))
