"""Equality as evalplus 0.3.1 and EvoEval have it, and values that come out of jails."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sca_hf.benchmarks import evalplus_rules, evoeval_rules
from sca_hf.benchmarks.evalperf import Speed, model_speed, speed_of, speed_of_match, win_rate
from sca_hf.benchmarks.livecodebench import private_tests, same_output, same_value
from sca_hf.benchmarks.mbpp_inputs import restore
from sca_hf.benchmarks.straight import read_straight
from sca_hf.benchmarks.values import Digest, Opaque, decode


def _plus(entry: str, expected: Any, returned: Any, inputs: Any = (), atol: float = 0, dataset: str = "mbpp") -> bool:
    return evalplus_rules.first_wrong(dataset, entry, atol, [(list(inputs), expected, returned)]) is None


@pytest.mark.parametrize(
    ("expected", "returned", "holds"),
    [
        (1, True, True),
        (1, 1.0, True),
        (1.0, 1, True),
        ([1], (1,), False),
        (0.1 + 0.2, 0.3, True),
        (1.0, 1.0 + 1e-5, False),
        (1e9, 1e9 + 50, True),
        ([0.1, 0.2], [0.1 + 1e-9, 0.2], True),
        ([0.1, 0.2], [0.1], False),
        ([0.1, 0.2], (0.1 + 1e-9, 0.2), False),
        ([], [], True),
        (float("nan"), float("nan"), False),
        (0.5, np.float64(0.5), True),
        (0.5, np.float64(0.5 + 1e-9), False),
        ("a", Opaque("object"), False),
        ([1, 2.0], [1, 2.0 + 1e-9], False),
    ],
)
def test_evalplus_compares_by_value_then_by_tolerance(expected: Any, returned: Any, holds: bool) -> None:
    assert _plus("f", expected, returned) is holds


def test_the_tolerance_of_a_float_stays_for_later_inputs() -> None:
    cases = [([1], 0.5, 0.5), ([2], [0.5, "x"], [0.5, "x"]), ([3], 1, 2)]
    assert evalplus_rules.first_wrong("mbpp", "f", 0, cases) == (2, "wrong value")
    # An int is compared by the tolerance too, once there is one.
    assert evalplus_rules.first_wrong("mbpp", "f", 0, [([1], 0.5, 0.5), ([2], 10**9, 10**9 + 1)]) is None
    assert evalplus_rules.first_wrong("mbpp", "f", 0, [([2], 10**9, 10**9 + 1), ([1], 0.5, 0.5)]) == (0, "wrong value")


@pytest.mark.parametrize(
    ("entry", "inputs", "expected", "returned", "holds"),
    [
        ("similar_elements", (), (4, 5), [5, 4, 4], True),
        ("Diff", (), [1], [2], False),
        ("Diff", (), [1], 5, False),
        ("text_match_three", (), Opaque("Match"), "Found", True),
        ("text_match_three", (), Opaque("Match"), True, True),
        ("text_match_three", (), None, False, True),
        ("text_match_three", (), None, "Not matched!", False),
        ("sum_div", (1,), 1, 0, True),
        ("sum_div", (7,), 1, 2, False),
        ("are_equivalent", (), True, "anything", True),
        ("surface_Area", (3, 4), 33, 35, True),
        ("surface_Area", (3, 4), 33, 34, False),
        ("digit_distance_nums", (23, 256), 7, 7, True),
        ("digit_distance_nums", (23, 256), 0, 2 + 3 + 3, True),
    ],
)
def test_tasks_with_a_rule_of_their_own(entry: str, inputs: Any, expected: Any, returned: Any, holds: bool) -> None:
    assert _plus(entry, expected, returned, inputs) is holds


def test_find_zero_is_checked_by_its_polynomial() -> None:
    assert _plus("find_zero", -0.5, -0.50001, ([1, 2],), 1e-4, "humaneval")
    assert not _plus("find_zero", -0.5, -0.6, ([1, 2],), 1e-4, "humaneval")
    assert not _plus("find_zero", -0.5, "x", ([1, 2],), 1e-4, "humaneval")


@pytest.mark.parametrize(
    ("expected", "returned", "holds"),
    [
        (1, 1, True),
        (1, True, False),
        (1, 1.0, False),
        (1.0, 1.0 + 1e-7, True),
        ([1.0], [1.0, 1.0], True),
        ([], (), True),
        ([1], (1,), False),
        ([[1.0, 2.0], "a"], [[1.0, 2.0 + 1e-8], "a"], True),
        ({"a": 1}, {"a": True}, False),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        (float("nan"), float("nan"), True),
        ({1}, {1}, True),
    ],
)
def test_evoeval_compares_by_type(expected: Any, returned: Any, holds: bool) -> None:
    assert (evoeval_rules.first_wrong("combine", "EvoEval/1", [((), expected, returned)]) is None) is holds


@pytest.mark.parametrize(
    ("dataset", "task", "inputs", "expected", "returned", "holds"),
    [
        ("difficult", "EvoEval/10", ("Cat",), "CattaC", "CattAc", True),
        ("difficult", "EvoEval/32", ([1, 2], (-5, 1)), -0.5, -0.501, True),
        ("difficult", "EvoEval/32", ([1, 2], (0, 1)), None, -0.5, False),
        ("creative", "EvoEval/69", ([2, 3, 4, 5], 20), (2, 3), (3, 2), False),
        ("creative", "EvoEval/69", ([2, 10, 4, 5], 20), (0, 1), (2, 3), True),
        ("creative", "EvoEval/26", ([[0, 0], [1, 0]], (0, 0), (1, 1)), ["right", "down"], ["right", "down"], True),
        ("creative", "EvoEval/26", ([[0, 0], [1, 0]], (0, 0), (1, 1)), ["right", "down"], ["down", "right"], False),
        ("subtle", "EvoEval/32", ([1, 2],), -0.5, -0.5, True),
        ("concise", "HumanEval/32", ([1, 2],), -0.5, -0.5, False),
    ],
)
def test_evoeval_has_oracles(dataset: str, task: str, inputs: Any, expected: Any, returned: Any, holds: bool) -> None:
    assert (evoeval_rules.first_wrong(dataset, task, [(inputs, expected, returned)]) is None) is holds


def test_values_come_out_as_they_were() -> None:
    assert decode(["l", 1, ["t", 2.5, None], ["d", "a", ["s", 1]]]) == [1, (2.5, None), {"a": {1}}]
    assert decode(["i", hex(10**40)]) == 10**40
    assert type(decode(["x", "dict", ["d", "a", 1]])) is not dict
    assert decode(["n", "float64", [2], ["l", 1.0, 2.0]]).tolist() == [1.0, 2.0]
    assert decode(["h", "list", "ab"]) == Digest("list", "ab")
    assert decode(["o", "thing"]) != decode(["o", "thing"])
    for wrong in (["z"], ["i", "x"], ["q", "Decimal", "9" * 200_000], ["d", 1]):
        with pytest.raises((ValueError, TypeError, ArithmeticError)):
            decode(wrong)


def test_types_that_json_lost_are_restored() -> None:
    assert restore("Mbpp/2", [[[3], [4]]]) == [[(3,), (4,)]]
    assert restore("Mbpp/115", [[[[1], []]]]) == [[[{1}, {}]]]
    assert restore("Mbpp/124", [[1, "1j"]]) == [[1.0, 1j]]
    assert restore("Mbpp/580", [[[1, [2]]]]) == [[(1, (2,))]]
    assert restore("Mbpp/3", [[[1]]]) == [[[1]]]


def test_the_restored_types_are_those_of_the_published_literals(data: Path) -> None:
    """OriginFmt's tests hold the inputs as Python literals."""
    import ast
    import gzip

    from sca_hf.benchmarks.evalplus import EvalPlus

    ours = EvalPlus("mbpp+", data)
    file = data / "mbppplus" / "MbppPlus-OriginFmt.jsonl.gz"
    compared = 0
    for line in gzip.decompress(file.read_bytes()).decode().splitlines():
        row = json.loads(line)
        task = ours.tasks[f"Mbpp/{row['task_id']}"]
        for node in ast.parse(row["test"]).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "inputs":
                try:
                    literals = ast.literal_eval(node.value)
                except ValueError:
                    continue
                values = {_key(values) for part in task.values.values() for values in part}
                compared += 1
                # Some inputs were left out there.
                assert {_key(literal) for literal in literals} <= values, task.id
    assert compared > 300


def _key(arguments: Any) -> str:
    """Types show; the sign of a complex number's zero, which a literal can't have, does not."""
    return repr([value + 0 if isinstance(value, complex) else value for value in arguments])


def test_evalperf_is_summed_up_as_published(data: Path) -> None:
    folder = data / "evalperf"
    published = json.loads((folder / "meta-llama--Meta-Llama-3-8B-Instruct.brief.json").read_text())
    scores = json.loads((folder / "scores_recovered.json").read_text())
    answers = {
        task: [speed_of_match(one["matching_cluster_idx"], scores[task]["scores"]) for one in found["profiled"]]
        for task, found in published["eval"].items()
        if found["dps"] is not None
    }
    correct = {task: round(published["eval"][task]["pass@1"]) for task in answers}
    model = model_speed(answers, correct, "cpu-instructions")
    assert model.dps == pytest.approx(published["summary"]["dps"], abs=1e-6)
    assert model.dps_norm == pytest.approx(published["summary"]["dps_norm"], abs=1e-9)
    assert model.tasks == len(answers)


def test_a_cost_gets_the_score_of_the_fastest_reference_that_it_reaches() -> None:
    costs, scores = [30.0, 20.0, 10.0], [10.0, 50.0, 100.0]
    assert speed_of(5.0, costs, scores) == Speed(100.0, 100.0, 2)
    assert speed_of(20.0, costs, scores) == Speed(50.0, 200 / 3, 1)
    assert speed_of(31.0, costs, scores) == Speed(0.0, 0.0, -1)
    assert speed_of(None, costs, scores).dps == 0.0
    assert win_rate({"a": 1.0, "b": 2.0}, {"a": 0.5, "b": 2.0, "c": 9.0}) == 0.75


def test_livecodebench_compares_lines_and_decimals() -> None:
    assert same_output("1 2\n3\n", " 1 2 \n3")
    assert same_output("1.0 2", "1 2.00")
    assert not same_output("1\n2", "1 2")
    assert not same_output("YES", "yes")
    assert same_value("[1, 2]", (1, 2))
    assert not same_value("0.3", 0.1 + 0.2)


def test_no_pickle_is_loaded() -> None:
    import base64
    import pickle
    import zlib

    tests = [{"input": "1", "output": "2", "testtype": "stdin"}]

    def packed(value: object, protocol: int) -> str:
        return base64.b64encode(zlib.compress(pickle.dumps(value, protocol))).decode()

    for protocol in (0, 2, 4, 5):
        assert private_tests(packed(json.dumps(tests), protocol)) == tests
    assert private_tests(json.dumps(tests)) == tests
    for hostile in (print, {"a": 1}, [json.dumps(tests)], b"bytes"):
        with pytest.raises(ValueError, match="pickle"):
            private_tests(packed(hostile, 4))


@pytest.mark.parametrize(
    ("tests", "calls"),
    [
        ("assert f(1) == 2\nassert f(2, [3]) == 4", ["[1]", "[2, [3]]"]),
        ("import math\nassert abs(f(math.pi) - 3) < 1", ["[math.pi]"]),
        ("def check(candidate):\n    assert candidate('a') == 1, 'said'\n\ncheck(f)", ["['a']"]),
        ("METADATA = {'a': 1}\ndef check(candidate):\n    assert candidate() is None\ncheck(f)", ["[]"]),
        ("x = f(1)\nassert x == 2", None),
        ("assert f(f(1)) == 2", None),
        ("assert f(1) == g(1)", None),
        ("assert all(f(x) for x in [1])", None),
        ("assert f(1) == 2 or f(2) == 3", None),
        ("assert f(x=1) == 2", None),
        ("for x in [1]:\n    assert f(x)", None),
        ("assert True", None),
        ("def (", None),
    ],
)
def test_plain_lists_of_assertions_are_read(tests: str, calls: list[str] | None) -> None:
    found = read_straight(tests)
    assert (None if found is None else found.calls) == calls
