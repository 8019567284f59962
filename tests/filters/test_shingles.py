"""Shingles: a set of hashes stands for the set of word n-grams, whatever else is in the batch."""

import re

import numpy as np

from sca_hf.filters.shingles import shingles


def _sets(texts: list[str], size: int) -> list[set[int]]:
    hashes, offsets = shingles(texts, size)
    return [set(part.tolist()) for part in np.split(hashes, offsets[1:-1])]


def _ngrams(text: str, size: int) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    return {tuple(words[begin : begin + size]) for begin in range(max(1, len(words) - size + 1)) if words}


def test_equal_ngrams_have_equal_hashes_and_others_others() -> None:
    texts = ["a b c d a b c", "", "A, b; c", "b c", "x", "a b c d a b c", "é ∂ 日本 a b c", "... !"]
    hash_of: dict[tuple[str, ...], set[int]] = {}
    found = _sets(texts, 3)
    for text, hashes in zip(texts, found, strict=True):
        assert len(hashes) == len(_ngrams(text, 3))
        for ngram in _ngrams(text, 3):
            hash_of.setdefault(ngram, set()).update(hashes)
    assert found[0] == found[5]
    assert found[2] < found[0]
    assert found[2] < found[6]
    assert found[1] == found[7] == set()
    assert len(set.union(*found)) == len(hash_of)
    assert [_sets([text], 3)[0] for text in texts] == found


def test_hashes_are_the_same_in_every_process() -> None:
    assert shingles(["a b"], 2)[0].tolist() == [14207482566530496056]
