"""Which server takes a call: the one that has its deck, unless it is overloaded."""

import math
import random

import pytest

from sca_hf.engines.routing import SPREAD, Router, shared_part

DECKS = [f"system\n\n### Example 1\nshot {number}\n\n" for number in range(64)]


def router_of(count: int) -> Router[int]:
    router: Router[int] = Router()
    for number in range(count):
        router.add(f"http://10.0.0.{number}:8000", number)
    return router


def owner(router: Router[int], key: str) -> str:
    """Who takes a call when nobody holds any."""
    taken = router.take(key, 0.0)
    assert taken is not None
    router.give_back(taken[0])
    return taken[0]


def test_prompts_of_a_deck_share_all_before_their_open_row() -> None:
    prompts = [f"{DECKS[0]}### Example 2\n[Code]\nrow {row}" for row in range(2)]
    assert [shared_part(prompt) for prompt in prompts] == [DECKS[0]] * 2
    assert shared_part(f"{prompts[0]}\n### a heading of the response\n\n[Tests]\n") == DECKS[0]
    assert shared_part("no heading") == "no heading"


def test_decks_are_spread_and_stay_when_others_leave() -> None:
    router = router_of(8)
    before = {deck: owner(router, deck) for deck in DECKS}
    assert {owner(router, deck) for deck in DECKS} == set(router.names)
    gone = router.names[3]
    assert router.remove(gone) == 3
    after = {deck: owner(router, deck) for deck in DECKS}
    moved = {deck for deck in DECKS if before[deck] != after[deck]}
    assert moved == {deck for deck in DECKS if before[deck] == gone}
    assert len({after[deck] for deck in moved}) > 1  # nobody inherits all of them
    router.add(gone, 3)
    assert {deck: owner(router, deck) for deck in DECKS} == before


@pytest.mark.parametrize("servers", [1, 3, 50])
def test_nobody_holds_much_more_or_less_than_its_share(servers: int) -> None:
    router, chance = router_of(servers), random.Random(0)
    held: list[str] = []
    for _ in range(4000):
        taken = router.take(chance.choice(DECKS[:2]), 0.0)  # two decks, so two owners for all of it
        assert taken is not None
        held.append(taken[0])
        assert router.calls(taken[0]) <= math.ceil(SPREAD * len(held) / servers)
        if len(held) > 16 * servers:
            router.give_back(held.pop(chance.randrange(len(held))))
    calls = [router.calls(name) for name in router.names]
    assert sum(calls) == len(held)
    assert min(calls) > len(held) / servers / SPREAD - 3  # nobody starves while others are full


def test_who_rests_gets_nothing_until_then() -> None:
    router = router_of(2)
    first, second = router.names
    router.rest(first, 5.0)
    assert {owner(router, deck) for deck in DECKS} == {second}
    router.rest(second)
    assert router.take(DECKS[0], 4.0) is None
    assert router.wakes() == 5.0
    taken = router.take(DECKS[0], 5.0)
    assert taken is not None
    assert taken[0] == first
    assert router.rests_until("a server that has left") == math.inf
    router.give_back("a server that has left")
