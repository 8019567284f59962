"""Decks of exemplars: balanced, and the same for the same run seed."""

from collections import Counter

import pytest

from sca_hf.prompts.decks import Decks
from sca_hf.prompts.few_shot import load_few_shot

IDS = [f"{number:020x}" for number in range(6_400)]


def decks(exemplars: int = 21, shots: int = 8, count: int | None = 64, run_seed: int = 3407) -> Decks:
    return Decks(exemplars, shots, count, run_seed, "concepts")


@pytest.mark.parametrize("run_seed", [0, 1, 3407])
def test_over_64_decks_of_8_each_of_the_21_exemplars_appears_24_or_25_times(run_seed: int) -> None:
    assert len(load_few_shot("default").exemplars) == 21
    made = decks(run_seed=run_seed).all
    assert len(made) == 64
    assert all(len(deck) == len(set(deck)) == 8 for deck in made)
    times = Counter(exemplar for deck in made for exemplar in deck)
    assert sorted(times) == list(range(21))
    assert set(times.values()) == {24, 25}


def test_an_exemplar_may_stand_anywhere_in_a_deck() -> None:
    places = Counter((place, exemplar) for deck in decks(count=1_000).all for place, exemplar in enumerate(deck))
    assert len(places) == 8 * 21


def test_decks_come_from_the_run_seed_and_a_rows_deck_from_its_id() -> None:
    assert decks().all == decks().all
    assert decks().all != decks(run_seed=1).all
    assert {decks().of(row) for row in IDS} == set(decks().all)
    rows = Counter(map(decks().number, IDS))
    assert min(rows.values()) > 60
    assert max(rows.values()) < 145


def test_the_order_is_deck_by_deck_and_has_each_row_once() -> None:
    order = decks().order(IDS)
    assert sorted(order) == list(range(len(IDS)))
    keys = [(decks().number(IDS[row]), row) for row in order]
    assert keys == sorted(keys)


def test_per_row_each_row_draws_its_own() -> None:
    own = decks(count=None)
    assert len({own.of(row) for row in IDS}) > 6_000
    assert own.order(IDS) is None
    assert {len(set(own.of(row))) for row in IDS} == {8}


def test_no_shots() -> None:
    assert {decks(shots=0, count=count).of(IDS[0]) for count in (3, None)} == {()}
