"""Near-duplicates, held to the exact Jaccard similarity of word n-grams."""

import random
import re
from typing import Any

import pytest
from pydantic import ValidationError

from sca_hf.corpus.sources import open_source
from sca_hf.filters.near_duplicates import NearDuplicateSettings, near_duplicates


def _found(texts: list[str], batch: int = 7, **settings: Any) -> list[int | None]:
    batches = [texts[begin : begin + batch] for begin in range(0, len(texts), batch)]
    return near_duplicates(batches, NearDuplicateSettings(**settings))


def _ngrams(text: str, size: int = 5) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    return {tuple(words[begin : begin + size]) for begin in range(max(1, len(words) - size + 1))}


def _jaccard(one: str, other: str) -> float:
    first, second = _ngrams(one), _ngrams(other)
    return len(first & second) / len(first | second)


def _pair(draw: random.Random, similarity: float) -> tuple[str, str]:
    """Two texts of 120 words with about that similarity: the second has the first's beginning."""
    words = [f"w{draw.randrange(10**9)}" for _ in range(240)]
    same = round(120 * 2 * similarity / (1 + similarity))
    return " ".join(words[:120]), " ".join(words[:same] + words[120 : 240 - same])


def test_planted_pairs_are_found_above_the_threshold_and_not_below() -> None:
    draw = random.Random(5)
    for similarity, least, most in [(0.9, 1.0, 1.0), (0.7, 0.99, 1.0), (0.55, 0.95, 1.0), (0.45, 0.0, 0.0)]:
        pairs = [_pair(draw, similarity) for _ in range(300)]
        found = _found([text for pair in pairs for text in pair], batch=100)
        assert all(original is None for original in found[::2])
        assert all(original in {None, 2 * number} for number, original in enumerate(found[1::2]))
        assert least <= sum(original is not None for original in found[1::2]) / 300 <= most


@pytest.mark.slow
def test_what_is_found_is_near_and_what_is_kept_is_not() -> None:
    texts = [row["content"].decode(errors="replace")[:3000] for row in open_source("stdlib").rows.select(range(150))]
    draw = random.Random(1)
    texts += [text[: int(len(text) * draw.uniform(0.4, 1.0))] for text in texts]
    found = _found(texts)
    missed = 0
    for number, original in enumerate(found):
        if original is None:
            kept = [other for other in range(number) if found[other] is None]
            missed += any(_jaccard(texts[number], texts[other]) >= 0.5 for other in kept)
        else:
            assert found[original] is None
            assert _jaccard(texts[number], texts[original]) >= 0.5
    assert sum(original is not None for original in found) > 100
    assert missed <= 5  # 4 in 100 of the pairs that are just at the threshold


def test_the_batches_make_no_difference() -> None:
    draw = random.Random(2)
    texts = [text for number in range(40) for text in _pair(draw, 0.3 + number / 60)] + ["", "...", "", "a b", "A, b"]
    found = _found(texts, batch=1)
    assert found == _found(texts, batch=1000) == _found(texts, batch=13)
    assert found[-5:] == [None, None, None, None, len(texts) - 2]
    assert _found([]) == []
    assert _found(["", "!"]) == [None, None]


@pytest.mark.parametrize(("threshold", "near"), [(0.3, True), (0.65, True), (0.75, False), (0.95, False)])
def test_the_threshold_is_a_setting(threshold: float, near: bool) -> None:
    one, other = _pair(random.Random(3), 0.7)
    assert _found([one, other], threshold=threshold) == [None, 0 if near else None]


@pytest.mark.parametrize("settings", [{"threshold": 0.1}, {"threshold": 1.0}, {"ngram": 0}])
def test_settings_out_of_bounds_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        NearDuplicateSettings(**settings)
