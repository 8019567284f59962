"""Near-duplicates: MinHash and LSH propose pairs, and the exact Jaccard similarity of their word n-grams decides.

    near_duplicates([["a text", "another"], ["a third"]], NearDuplicateSettings())   # [None, None, None]

What is a duplicate depends on the texts and their order alone. Memory: about 250 bytes a text besides the longest
batch; the n-grams are in a temporary file, 4 bytes each.
"""

import math
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from rensa import RMinHash

from sca_hf.filters.shingles import Hashes, shingles
from sca_hf.settings import Settings

# The share of pairs with just the similarity of the threshold that have a band in common.
_RECALL = 0.96
_MAX_BANDS = 25
_SEED = 3407


class NearDuplicateSettings(Settings):
    """`threshold`: Jaccard similarity from which the later of two texts is a duplicate. `ngram`: words of a shingle."""

    threshold: float = Field(default=0.5, ge=0.2, le=0.95)
    ngram: int = Field(default=5, ge=1, le=50)

    def intent(self) -> dict[str, Any]:
        """Return the settings, and the signature whose bands propose the pairs."""
        return super().intent() | {"signature": f"rensa {RMinHash.ALGORITHM_VERSION}"}


def near_duplicates(
    batches: Iterable[Sequence[str]], settings: NearDuplicateSettings, folder: Path | None = None
) -> list[int | None]:
    """Return for each text the number of the earlier text that it is a near-duplicate of, None if there is none.

    A text is compared with those before it that are no duplicates themselves, so no two of the rest are near. A text
    without any word is nobody's duplicate. `folder`: where the temporary file is made.
    """
    width, bands = _bands(settings.threshold)
    with tempfile.TemporaryFile(dir=folder) as shingle_file, tempfile.TemporaryFile(dir=folder) as key_file:
        sizes: list[NDArray[np.int64]] = [np.zeros(1, np.int64)]
        for texts in batches:
            hashes, offsets = shingles(texts, settings.ngram)
            shingle_file.write((hashes >> np.uint64(32)).astype(np.uint32).tobytes())
            sizes.append(np.diff(offsets))
            key_file.write(_keys(hashes, offsets, width, bands).tobytes())
        ends = np.cumsum(np.concatenate(sizes))
        if not ends[-1]:
            return [None] * (len(ends) - 1)
        shingle_file.flush()
        sets = _Sets(np.asarray(np.memmap(shingle_file, np.uint32, "r")), ends)
        key_file.seek(0)
        keys = np.fromfile(key_file, np.uint32).reshape(-1, bands)
        return _earlier(_groups(keys, np.diff(ends) > 0), sets, settings.threshold)


def _bands(threshold: float) -> tuple[int, int]:
    """Return the widest bands (hashes each) of which `_MAX_BANDS` or fewer give the recall at the threshold."""
    width, bands = 1, 1
    for wider in range(1, 33):
        needed = math.ceil(math.log(1 - _RECALL) / math.log(1 - threshold**wider))
        if needed > _MAX_BANDS:
            break
        width, bands = wider, needed
    return width, bands


def _keys(hashes: Hashes, offsets: NDArray[np.int64], width: int, bands: int) -> NDArray[np.uint32]:
    """Return one hash per text and band. Where chance makes two the same, the similarity decides as everywhere."""
    if len(offsets) == 1:
        return np.empty((0, bands), np.uint32)
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(hashes, offsets.astype(np.uint64), width * bands, _SEED)
    signatures = np.array(matrix.to_rows(), np.uint64).reshape(-1, bands, width)
    keys = np.zeros(signatures.shape[:2], np.uint64)
    for place in range(width):
        keys = (keys ^ signatures[:, :, place]) * np.uint64(0x9E3779B97F4A7C15)
        keys ^= keys >> np.uint64(29)
    return (keys >> np.uint64(32)).astype(np.uint32)


@dataclass(frozen=True)
class _Groups:
    """Texts with the same key. `numbers`: per text and band the number of its group; -1 where it is alone. `begins`:
    where each group's members are in `members`, those before `ends`.
    """

    numbers: NDArray[np.int32]
    begins: NDArray[np.int64]
    ends: NDArray[np.int64]
    members: NDArray[np.int32]

    def of(self, text: int) -> list[int]:
        """Return the groups of a text."""
        own = self.numbers[text]
        numbers: list[int] = own[own >= 0].tolist()
        return numbers

    def add(self, text: int, groups: Sequence[int]) -> None:
        """Make the text a member of these groups."""
        self.members[self.ends[groups]] = text
        self.ends[groups] += 1

    def members_of(self, groups: Sequence[int]) -> Iterator[int]:
        """Yield the members of each of these groups, so some more than once."""
        for begin, end in zip(self.begins[groups].tolist(), self.ends[groups].tolist(), strict=True):
            if end > begin:
                yield from self.members[begin:end].tolist()


def _groups(keys: NDArray[np.uint32], filled: NDArray[np.bool_]) -> _Groups:
    """Return the groups of the texts that are `filled`, without members yet. Takes the memory of `keys`."""
    groups = keys.view(np.int32)
    sizes = [np.empty(0, np.int64)]
    begin = 0
    for band in range(keys.shape[1]):
        _, numbers, counts = np.unique(keys[:, band], return_inverse=True, return_counts=True)
        shared = (counts > 1)[numbers] & filled
        renumbered = (np.cumsum(counts > 1) - 1 + begin).astype(np.int32)
        groups[:, band] = np.where(shared, renumbered[numbers], np.int32(-1))
        sizes.append(counts[counts > 1])
        begin += len(sizes[-1])
    begins = np.concatenate([[0], np.cumsum(np.concatenate(sizes))])
    return _Groups(groups, begins, begins.copy(), np.empty(begins[-1], np.int32))


@dataclass(frozen=True)
class _Sets:
    """The texts' shingles, sorted, one text after the other."""

    hashes: NDArray[np.uint32]
    offsets: NDArray[np.int64]

    def similar(self, one: int, other: int, threshold: float) -> bool:
        """Return whether their Jaccard similarity is at least the threshold."""
        first = self.hashes[self.offsets[one] : self.offsets[one + 1]]
        second = self.hashes[self.offsets[other] : self.offsets[other + 1]]
        fewer, more = sorted((len(first), len(second)))
        if fewer < threshold * more:
            return False
        common = len(np.intersect1d(first, second, assume_unique=True))
        return common >= threshold * (fewer + more - common)


def _earlier(groups: _Groups, sets: _Sets, threshold: float) -> list[int | None]:
    originals: list[int | None] = [None] * len(groups.numbers)
    for text in np.flatnonzero((groups.numbers >= 0).any(axis=1)).tolist():
        own = groups.of(text)
        # Those with the most bands in common first: they are the most likely ones.
        near = Counter(groups.members_of(own))
        candidates = sorted(near, key=lambda other: (-near[other], other))
        originals[text] = next((other for other in candidates if sets.similar(text, other, threshold)), None)
        if originals[text] is None:
            groups.add(text, own)
    return originals
