"""Near-duplicates: MinHash and LSH propose pairs, and the exact Jaccard similarity of their word n-grams decides.

    near_duplicates([["a text", "another"], ["a third"]], NearDuplicateSettings())   # [None, None, None]

What is a duplicate depends on the texts and their order alone. Memory: about 400 bytes a text besides the longest
batch; the n-grams lie in a temporary file, 4 bytes each.
"""

import math
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from rensa import RMinHash

from sca_hf.settings import Settings
from sca_hf.shingles import Hashes, shingles

# Of the pairs whose similarity is just the threshold, so many have a band in common.
_RECALL = 0.96
_MAX_BANDS = 25
_SEED = 3407


class NearDuplicateSettings(Settings):
    """`threshold`: Jaccard similarity from which the later of two texts is a duplicate. `ngram`: words of a shingle."""

    threshold: float = Field(default=0.5, ge=0.2, le=0.95)
    ngram: int = Field(default=5, ge=1, le=50)

    def intent(self) -> dict[str, Any]:
        """The settings, and the signature whose bands propose the pairs."""
        return super().intent() | {"signature": f"rensa {RMinHash.ALGORITHM_VERSION}"}


def near_duplicates(
    batches: Iterable[Sequence[str]], settings: NearDuplicateSettings, folder: Path | None = None
) -> list[int | None]:
    """For each text the number of the earlier text that it is a near-duplicate of; null: it is none.

    A text is compared with those before it that are no duplicates themselves, so no two of the rest are near. A text
    without any word is nobody's duplicate. `folder`: where the temporary file is made.
    """
    width, bands = _bands(settings.threshold)
    with tempfile.TemporaryFile(dir=folder) as file:
        sizes: list[NDArray[np.int64]] = []
        keys: list[Hashes] = []
        for texts in batches:
            hashes, offsets = shingles(texts, settings.ngram)
            file.write((hashes >> np.uint64(32)).astype(np.uint32).tobytes())
            sizes.append(np.diff(offsets))
            keys.append(_keys(hashes, offsets, width, bands))
        if not sizes:
            return []
        counts = np.concatenate(sizes)
        groups = _groups(np.concatenate(keys, axis=1), counts > 0)
        keys.clear()
        file.flush()
        stored = np.memmap(file, np.uint32, "r") if counts.sum() else np.empty(0, np.uint32)
        sets = _Sets(stored, np.concatenate([[0], np.cumsum(counts)]))
        return _earlier(groups, sets, settings.threshold)


def _bands(threshold: float) -> tuple[int, int]:
    """The widest bands (hashes each) of which `_MAX_BANDS` or fewer give the recall at the threshold."""
    width, bands = 1, 1
    for wider in range(1, 33):
        needed = math.ceil(math.log(1 - _RECALL) / math.log(1 - threshold**wider))
        if needed > _MAX_BANDS:
            break
        width, bands = wider, needed
    return width, bands


def _keys(hashes: Hashes, offsets: NDArray[np.int64], width: int, bands: int) -> Hashes:
    """One hash per band and text."""
    if len(offsets) == 1:
        return np.empty((bands, 0), np.uint64)
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(hashes, offsets.astype(np.uint64), width * bands, _SEED)
    signatures = np.array(matrix.to_rows(), np.uint64).reshape(-1, bands, width)
    keys = np.zeros(signatures.shape[:2], np.uint64)
    for place in range(width):
        keys = (keys ^ signatures[:, :, place]) * np.uint64(0x9E3779B97F4A7C15)
        keys ^= keys >> np.uint64(29)
    return np.ascontiguousarray(keys.T)


def _groups(keys: Hashes, filled: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Per text and band the number of the group of texts with the same key; -1 where it is alone."""
    groups = np.full((keys.shape[1], keys.shape[0]), -1, np.int32)
    begin = 0
    for band, column in enumerate(keys):
        _, numbers, counts = np.unique(column, return_inverse=True, return_counts=True)
        shared = (counts[numbers] > 1) & filled
        renumbered = np.cumsum(counts > 1) - 1 + begin
        groups[shared, band] = renumbered[numbers[shared]]
        begin += int((counts > 1).sum())
    return groups


@dataclass(frozen=True)
class _Sets:
    """The texts' shingles, sorted, one text after the other."""

    hashes: NDArray[np.uint32]
    offsets: NDArray[np.int64]

    def similar(self, one: int, other: int, threshold: float) -> bool:
        """Whether their Jaccard similarity is at least the threshold."""
        first = self.hashes[self.offsets[one] : self.offsets[one + 1]]
        second = self.hashes[self.offsets[other] : self.offsets[other + 1]]
        fewer, more = sorted((len(first), len(second)))
        if fewer < threshold * more:
            return False
        common = len(np.intersect1d(first, second, assume_unique=True))
        return common >= threshold * (fewer + more - common)


def _earlier(groups: NDArray[np.int32], sets: _Sets, threshold: float) -> list[int | None]:
    found: list[int | None] = [None] * len(groups)
    originals: dict[int, list[int]] = defaultdict(list)
    for text in np.flatnonzero((groups >= 0).any(axis=1)).tolist():
        own = groups[text][groups[text] >= 0].tolist()
        # Those with the most bands in common first: they are the most likely ones.
        near = Counter(other for group in own for other in originals[group])
        candidates = sorted(near, key=lambda other: (-near[other], other))
        original = next((other for other in candidates if sets.similar(text, other, threshold)), None)
        if original is None:
            for group in own:
                originals[group].append(text)
        found[text] = original
    return found
