"""Decks: fixed hands of exemplars.

A prompt's exemplars come before its open row. Where each row draws its own, little of a prompt can come from an
engine's prefix cache; where the rows share some decks and are sent deck by deck, nearly all of the exemplars can.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sca_hf.identity import row_id, row_random


@dataclass(frozen=True)
class Decks:
    """`count` decks of `shots` of `exemplars` exemplars, for one step of one run; None: each row has its own."""

    exemplars: int
    shots: int
    count: int | None
    run_seed: int
    stage: str

    def of(self, parent_id: str) -> tuple[int, ...]:
        """The exemplars of a row's prompts, by index, in their order."""
        if self.count is None:
            random = row_random(self.run_seed, f"{self.stage} exemplars", parent_id)
            return tuple(random.sample(range(self.exemplars), self.shots))
        return self.all[self.number(parent_id)]

    def number(self, parent_id: str) -> int:
        """The row's deck. Of all rows each deck gets about as many."""
        assert self.count is not None
        return int(row_id(self.run_seed, f"{self.stage} deck", parent_id), 16) % self.count

    @cached_property
    def all(self) -> tuple[tuple[int, ...], ...]:
        """All decks. No exemplar is in a deck twice, nor in all decks together more than once more than another."""
        random = row_random(self.run_seed, "decks", str(self.count))
        used = [0] * self.exemplars
        decks = []
        for _ in range(self.count or 0):
            least = sorted(range(self.exemplars), key=lambda exemplar: (used[exemplar], random.random()))[: self.shots]
            random.shuffle(least)
            for exemplar in least:
                used[exemplar] += 1
            decks.append(tuple(least))
        return tuple(decks)

    def order(self, parent_ids: Iterable[str]) -> Any:
        """Indices of the rows deck by deck, each deck's in their own order; None where rows share none."""
        if self.count is None:
            return None
        numbers = np.fromiter(map(self.number, parent_ids), dtype=np.int16)
        return np.argsort(numbers, kind="stable").astype(np.uint32)
