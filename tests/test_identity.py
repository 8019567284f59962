"""Ids, seeds and fingerprints depend on what made a row and on nothing else."""

from sca_hf.identity import digest, fingerprint, row_id, row_random, row_seed


def test_parts_do_not_run_together() -> None:
    assert len({digest("ab", "c"), digest("a", "bc"), digest("abc"), digest("abc", "")}) == 4


def test_ids_are_the_same_everywhere() -> None:
    assert row_id("parent", "responses", 3) == "3b845e646c163eaea118"
    assert row_seed(3407, "responses", "parent", 3) == 758837504
    assert fingerprint({"a": 1}) == "0e913d19927dc35e"
    assert row_id("parent", "responses", 3) != row_id("parent", "responses", 4)


def test_sampling_seeds_fit_an_engine_and_differ() -> None:
    seeds = {row_seed(3407, "responses", f"row {row}", sample) for row in range(100) for sample in range(10)}
    assert len(seeds) == 1000
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_a_rows_choices_do_not_depend_on_other_purposes() -> None:
    first = row_random(1, "properties", "row").random()
    assert row_random(1, "properties", "row").random() == first
    assert row_random(1, "exemplars", "row").random() != first
    assert row_random(2, "properties", "row").random() != first


def test_fingerprint_ignores_the_order_of_keys_and_sees_every_value() -> None:
    assert fingerprint({"a": 1, "b": [1, 2]}) == fingerprint({"b": [1, 2], "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})
    assert fingerprint({"a": 1}) != fingerprint({"a": 1.5})
