"""Concepts by static analysis."""

import ast

import pytest
from demo_model.labels import concept_labels, vocabulary
from demo_model.stdlib import MAX_CHARACTERS, MAX_LINES, stdlib_functions

GOLDEN = (
    ("def f(xs):\n    return [x * 2 for x in xs if x in ok]", {"list comprehension", "membership tests"}),
    ("def f(n):\n    if n < 2:\n        return 1\n    return n * f(n - 1)", {"recursion", "early return"}),
    ("def f(p, mode='r'):\n    with open(p, mode) as h:\n        return h.read()",
     {"context managers", "file handling", "default arguments"}),
    ("def f(t):\n    try:\n        return int(t)\n    except ValueError:\n        raise KeyError(t)",
     {"exception handling", "raising exceptions", "type conversion"}),
    ("import re\n\ndef f(t):\n    return re.sub('a+', 'b', t)[::-1]", {"regular expressions", "reversal", "slicing"}),
    ("def f(d):\n    for k, v in d.items():\n        yield f'{k}={v}'",
     {"generator", "dictionary iteration", "string formatting", "tuple unpacking"}),
    ("def f(xs):\n    return sorted(xs, key=lambda x: x[0])", {"sorting with a key", "lambda functions"}),
    ("class A:\n    def __init__(self):\n        self.n = 0", {"class definition", "object state"}),
    ("def f(a, *rest, key=None):\n    return a % 2",
     {"variable arguments", "keyword arguments", "default arguments", "modulo"}),
    ("def f(a):\n    return a // 2 + a ** 2", {"integer division", "exponentiation", "arithmetic"}),
    ("def f(x):\n    x += 1\n    return x", {"accumulation"}),
)  # fmt: skip


@pytest.mark.parametrize(("code", "expected"), GOLDEN)
def test_golden_snippets(code: str, expected: set[str]) -> None:
    assert expected <= set(concept_labels(code))


@pytest.mark.slow
def test_labels_are_two_to_five_and_of_the_vocabulary() -> None:
    known = set(vocabulary())
    functions = stdlib_functions()[::10]
    assert len(functions) > 100
    for code in functions:
        labels = concept_labels(code)
        assert 1 <= len(labels) <= 6
        assert set(labels) <= known
        assert len(set(labels)) == len(labels)


def test_code_that_does_not_parse_is_an_error() -> None:
    with pytest.raises(SyntaxError):
        concept_labels("def f(:")


def test_stdlib_functions_stand_in_the_limits_and_parse() -> None:
    functions = stdlib_functions()
    assert len(functions) > 1000
    assert len(set(functions)) == len(functions)
    for code in functions[::20]:
        assert len(code) <= MAX_CHARACTERS
        assert code.count("\n") < MAX_LINES
        assert isinstance(ast.parse(code).body[-1], ast.FunctionDef)
