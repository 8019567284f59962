"""Texts as sets of hashed word n-grams, for near-duplicates and decontamination.

Hashes are the same in every process and on every machine: 64 bits, of which chance makes two of a billion meet at most
about once in 37 runs, so a set of hashes stands for the set of n-grams.
"""

import re
from collections.abc import Sequence
from hashlib import blake2b
from itertools import chain

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

_WORD = re.compile(r"\w+")
_ASCII = "".join(chr(code).lower() if _WORD.match(chr(code)) else " " for code in range(128))
_MAX_WORDS = 500_000  # words whose hashes are remembered: about 60 MB


def shingles(texts: Sequence[str], size: int) -> tuple[Hashes, NDArray[np.int64]]:
    """The n-grams of `size` words of each text, in any case, hashed; of a shorter text, all its words as one.

    Gives the hashes of all texts in one array, sorted and without repetitions per text, and the offsets where each
    text's begin (one more offset than texts). A text without any word has none.
    """
    words = [_words(text) for text in texts]
    counts = np.fromiter(map(len, words), np.int64, len(words))
    ends = np.cumsum(counts)
    flat = np.fromiter(map(_WORD_HASHES.__getitem__, chain.from_iterable(words)), np.uint64, int(counts.sum()))
    # The n-gram at a word is a polynomial in the words' hashes; words after the end of a text count as zero.
    last = np.repeat(ends, counts)
    positions = np.arange(len(flat))
    rolled = np.zeros(len(flat), np.uint64)
    factor = np.uint64(1)
    for place in range(size):
        shifted = np.zeros(len(flat), np.uint64)
        shifted[: max(len(flat) - place, 0)] = flat[place:]
        rolled += np.where(positions + place < last, shifted, np.uint64(0)) * factor
        factor = np.uint64(int(factor) * 0x9E3779B97F4A7C15 % 2**64)
    # Of a long enough text only whole n-grams count, of a shorter one the first, which holds all its words.
    whole = (positions + size <= last) | (positions == np.repeat(ends - counts, counts))
    owners = np.repeat(np.arange(len(words)), counts)[whole]
    hashes = _mixed(rolled[whole])
    order = np.lexsort((hashes, owners))
    owners, hashes = owners[order], hashes[order]
    fresh = np.ones(len(hashes), bool)
    fresh[1:] = (hashes[1:] != hashes[:-1]) | (owners[1:] != owners[:-1])
    offsets = np.zeros(len(words) + 1, np.int64)
    np.cumsum(np.bincount(owners[fresh], minlength=len(words)), out=offsets[1:])
    return hashes[fresh], offsets


def _words(text: str) -> list[str]:
    """The words in lower case; of plain ASCII, three times as fast as by the expression."""
    return text.translate(_ASCII).split() if text.isascii() else _WORD.findall(text.lower())


class _WordHashes(dict[str, int]):
    """Hashes by word, made when they are first asked for."""

    def __missing__(self, word: str) -> int:
        if len(self) >= _MAX_WORDS:
            self.clear()
        self[word] = made = int.from_bytes(blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest())
        return made


_WORD_HASHES = _WordHashes()


def _mixed(hashes: Hashes) -> Hashes:
    """Each bit made to depend on all others (the finalizer of SplitMix64)."""
    hashes = (hashes ^ (hashes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    hashes = (hashes ^ (hashes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return hashes ^ (hashes >> np.uint64(31))
