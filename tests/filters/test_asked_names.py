"""Names that an instruction asks for: what counts as one, and which responses lack one."""

import json
from pathlib import Path

import pytest

from sca_hf.filters.asked_names import asked_names, other_names
from sca_hf.prompts.few_shot import load_few_shot


@pytest.mark.parametrize(
    ("instruction", "names"),
    [
        ("Write `pack(red, green)` and `unpack(pixel)`.", ["pack", "unpack"]),
        ("Create a class `Shelf` with a method `add(book)` and a method named `clear`.", ["Shelf", "add", "clear"]),
        ("Write two functions `first` and `last`.", ["first", "last"]),
        ("Create `count_words` that takes a string `line`.", ["count_words"]),
        ("Implement it as a class `RecentFiles(capacity)`.", ["RecentFiles"]),
        ("Write `stitches(row: str) -> dict[str, int]`.", ["stitches"]),
        ("Implement `def area(self):` for it.", ["area"]),
        ("Implement\n\n    def unstable(readings, size):\n\nwhich goes through `readings`.", ["unstable"]),
        ("Write\n\n```python\nclass Stack:\n    def push(self, x): ...\n```", ["Stack"]),
        ("Write\n\n```\nto_bin(number) -> str\nto_hex(number) -> str\n```", ["to_bin", "to_hex"]),
        ("`chart(votes)` should return a string. For `{'Amy': 3}` it is `Amy |###`.", ["chart"]),
        # What names nothing, or something that is there already.
        ("Write a function that adds the numbers `a` and `b`.", []),
        ("Sort the list `xs` in `O(n log n)`, and look up in `O(1)` or `log(n)` time.", []),
        ("Write a faster version of the built-in function `max`.", []),
        ("Compute it using `reduce(f, xs)`, not with a loop.", []),
        ("Print the text with `print(x)` and its `len(x)`.", []),
        ("Raise `ValueError` or `KeyError('x')` if it isn't there.", []),
        ("Given a function `f`, return its inverse.", []),
        ("What is wrong here?\n\n```python\ndef total(xs):\n    return sum(xs) + 1\n```", []),
        ("For example:\n\n```python\n>>> f(1)\n2\n```", []),
        ("Take `random.choice(xs)` and `xs.sort()` into account.", []),
        ("Give it `__init__(self, x)`.", []),
    ],
)
def test_names_that_are_asked_for(instruction: str, names: list[str]) -> None:
    assert asked_names(instruction) == names


POINT = """```python
from collections import namedtuple

Point = namedtuple("Point", "x y")


def moved(point, dx):
    return point._replace(x=point.x + dx)
```"""
ADD = "```python\ndef add(a, b):\n    return a + b\n```"
STACK = (
    "```python\nclass Stack:\n    def __init__(self):\n        self.items = []\n"
    "    def push(self, x):\n        self.items.append(x)\n    def size(self):\n        return len(self.items)\n```"
)
HELPED = "```python\ndef half(x):\n    return x / 2\n\ndef quarter(x):\n    return half(half(x))\n```"


@pytest.mark.parametrize(
    ("instruction", "response", "tests", "missing"),
    [
        ("Write `add(a, b)`.", ADD, "assert add(1, 2) == 3", []),
        ("Add two numbers.", ADD, "assert add(1, 2) == 3", []),
        ("Write `plus(a, b)`.", ADD, "assert add(1, 2) == 3", ["plus"]),
        ("Write `add(a, b)`.", ADD, "def plus(a, b):\n    return a + b\nassert plus(1, 2) == 3", ["add"]),
        ("Write `half(x)` and `quarter(x)`.", HELPED, "assert quarter(8) == 2", []),
        ("Write `half(x)` and `quarter(x)`.", HELPED, "assert half(8) == 4", ["quarter"]),
        ("Write a class `Stack`: `push(x)`, `size()`.", STACK, "s = Stack()\ns.push(1)\nassert s.size() == 1", []),
        ("Write a class `Stack`: `push(x)`, `size()`.", STACK, "assert Stack().size() == 0", ["push"]),
        ("Write a class `Pile`: `push(x)`.", STACK, "s = Stack()\ns.push(1)\nassert s.items == [1]", ["Pile"]),
        ("Write a class `Stack`: `push(x)`, `pop()`.", STACK, "s = Stack()\ns.push(1)\nassert s.items", ["pop"]),
        ("Write `gcd(a, b)`.", "```python\nfrom math import gcd\n```", "assert gcd(4, 6) == 2", []),
        (
            "Write a class `Bag` with `most_common(n)`.",
            "```python\nfrom collections import Counter\n\nclass Bag(Counter):\n    pass\n```",
            "assert Bag('aab').most_common(1) == [('a', 2)]",
            [],
        ),
        (
            "Write a class `Point` with `x` and `y`, and `moved(dx)`.",
            POINT,
            "assert moved(Point(1, 2), 3) == Point(4, 2)",
            [],
        ),
        (
            "Write `double`: a function `double`.",
            "```python\ndouble = lambda x: 2 * x\n```",
            "assert double(2) == 4",
            [],
        ),
        ("Write `f(x)`.", "```python\ndef f(x:\n```", "assert f(1)", []),
    ],
)
def test_names_that_a_response_or_its_tests_lack(
    instruction: str, response: str, tests: str, missing: list[str]
) -> None:
    assert other_names(instruction, response, f"```python\n{tests}\n```") == missing


def test_the_rule_has_nothing_against_the_exemplars() -> None:
    for exemplar in load_few_shot("default").exemplars:
        assert asked_names(exemplar.instruction)
        assert other_names(exemplar.instruction, exemplar.response, exemplar.tests) == []


def test_the_rule_rejects_nothing_that_a_reader_would_keep() -> None:
    """Answers read one by one: the demo's that pass, half of them rejected, and all that two real models left.

    A reader names what an answer lacks (`lacking`). The rule names no other; it misses one task whose backticks don't
    match, two methods written as functions, and two answers that are not Python.
    """
    labelled = [json.loads(line) for line in (Path(__file__).parent / "other_names.jsonl").read_text().splitlines()]
    named = [other_names(row["instruction"], row["response"], row["tests"]) for row in labelled]
    assert (len(labelled), sum(map(bool, named))) == (194, 71)
    assert all(names in ([], row["lacking"]) for row, names in zip(labelled, named, strict=True))
    assert sum(bool(row["lacking"]) for row in labelled) == 71 + 5
