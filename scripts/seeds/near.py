"""Near-duplicates against exact Jaccard similarity, and their speed against datasketch."""

import importlib
import random
from collections.abc import Sequence
from statistics import median
from typing import Any

from seeds.corpus import functions, with_similarity
from seeds.exact import Inverted, jaccard, ngrams
from seeds.tree import timed

from sca_hf.filters.near_duplicates import NearDuplicateSettings, near_duplicates

_LEVELS = (0.45, 0.55, 0.7, 0.9)
_THRESHOLD, _FAR = 0.5, 0.4
_RUNS = 5
_SPEED_ROWS = 5000


def measure_near(count: int = 20_000) -> None:
    """So many texts, of which a quarter are planted: changed copies that follow their originals."""
    texts, planted = _planted(count)
    found = _found(texts)
    print(f"near: {len(texts)} texts, {len(planted)} of them planted copies")
    similarity = {copy: jaccard(texts[copy], texts[copy - 1]) for copy in planted}
    for level in _LEVELS:
        # Of an original that is a duplicate itself, what is compared with the copy is another text.
        copies = [copy for copy, meant in planted.items() if meant == level and found[copy - 1] is None]
        above = [copy for copy in copies if similarity[copy] >= _THRESHOLD]
        print(
            f"near: planted at about {level}: {len(copies)}, found {_share(found, copies)}; "
            f"at or above {_THRESHOLD} by exact similarity {len(above)}, found {_share(found, above)}"
        )
    _print_exact(texts, found)
    _compare_speed(texts[:_SPEED_ROWS])


def _planted(count: int) -> tuple[list[str], dict[int, float]]:
    """Texts, and by the number of a copy the similarity that it was to have."""
    draw = random.Random(1)
    texts: list[str] = []
    planted: dict[int, float] = {}
    for text in functions(count):
        texts.append(text)
        if draw.random() < 0.45 and len(ngrams(text)) >= 30:
            level = draw.choice(_LEVELS)
            planted[len(texts)] = level
            texts.append(with_similarity(text, level, draw))
        if len(texts) >= count:
            break
    return texts, planted


def _found(texts: Sequence[str]) -> list[int | None]:
    batches = (texts[begin : begin + 1000] for begin in range(0, len(texts), 1000))
    return near_duplicates(batches, NearDuplicateSettings(threshold=_THRESHOLD))


def _share(found: Sequence[int | None], numbers: Sequence[int]) -> str:
    return f"{sum(found[number] is not None for number in numbers) / len(numbers):.3f}" if numbers else "-"


def _print_exact(texts: Sequence[str], found: Sequence[int | None]) -> None:
    """Each text with all earlier ones that were kept: what was missed, and what was found though it is not near."""
    index = Inverted(texts)
    originals = [(number, original) for number, original in enumerate(found) if original is not None]
    similarities = [index.similarities(number)[original] for number, original in originals]
    print(
        f"near: of all {len(texts)}, {_recall(index, found):.3f} of those with an earlier kept text at or above "
        f"{_THRESHOLD} are found; found {len(originals)}, of which under {_THRESHOLD} "
        f"{sum(each < _THRESHOLD for each in similarities)}, under {_FAR} {sum(each < _FAR for each in similarities)}"
    )


def _recall(index: Inverted, found: Sequence[int | None]) -> float:
    """Of the texts at or above the threshold with an earlier one that is kept, the share that is found."""
    due = [
        number
        for number in range(len(found))
        if any(found[other] is None for other in (index.similarities(number)[:number] >= _THRESHOLD).nonzero()[0])
    ]
    return sum(found[number] is not None for number in due) / len(due)


def _compare_speed(texts: Sequence[str]) -> None:
    """Ours and datasketch by turns; recall on the texts that one of them or both found, by exact similarity."""
    try:
        datasketch = importlib.import_module("datasketch")
    except ImportError:
        print("near: datasketch is not installed")
        return
    ours, theirs = [], []
    for _ in range(_RUNS):
        found, seconds = timed(lambda: _found(texts))
        ours.append(seconds)
        sketched, seconds = timed(lambda: _sketched(datasketch, texts))
        theirs.append(seconds)
    index = Inverted(texts)
    recall, peer_recall = (_recall(index, each) for each in (found, sketched))
    print(
        f"near: {len(texts)} texts, medians of {_RUNS}: ours {median(ours):.2f} s, recall {recall:.3f}; datasketch "
        f"{median(theirs):.2f} s, recall {peer_recall:.3f}: {median(theirs) / median(ours):.1f} x"
    )


def _sketched(datasketch: Any, texts: Sequence[str]) -> list[int | None]:
    """As its documentation does it: each text asked for, then put in, with bands for the same recall."""
    index = datasketch.MinHashLSH(threshold=_THRESHOLD, num_perm=75, params=(25, 3))
    found: list[int | None] = []
    for number, text in enumerate(texts):
        sketch = datasketch.MinHash(num_perm=75)
        sketch.update_batch([" ".join(gram).encode() for gram in ngrams(text)])
        near = index.query(sketch)
        found.append(min(near) if near else None)
        if not near:
            index.insert(number, sketch)
    return found
