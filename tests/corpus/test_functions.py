"""Functions out of files: what is found, with which source, which imports, and which names stay undefined."""

import ast
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from sca_hf.corpus.decoding import decode
from sca_hf.corpus.languages.python.functions import PARSER_ERRORS, Function, Kind, documented_functions, parse
from sca_hf.corpus.sources import open_source


def _only(text: str) -> Function:
    (function,) = documented_functions(text)
    return function


# All of their files are compared by `scripts/bench_seeds.py agree`; here one in so many.
PACKAGES = {
    "numpy": 10,
    "pandas": 30,
    "pyarrow": 3,
    "torch": 60,
    "transformers": 90,
    "datasets": 5,
    "huggingface_hub": 5,
    "pydantic": 3,
    "jinja2": 1,
    "matplotlib": 8,
}


def _agreed(content: bytes) -> int:
    """How many documented functions a file has, by a plain walk, which ours agree with."""
    text = decode(content)
    expected = [
        (node.name, ast.get_source_segment(text, node))
        for node in parse(text).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (ast.get_docstring(node) or "").strip()
    ]
    functions = documented_functions(text)
    assert [function.name for function in functions] == [name for name, _ in expected]
    for function, (_, segment) in zip(functions, expected, strict=True):
        assert segment is not None
        assert segment in function.source
        head = function.source.partition(segment)[0].strip()
        assert not head or head.startswith("@")
    return len(functions)


@pytest.mark.slow
def test_extraction_agrees_with_a_plain_walk_of_every_file_of_the_standard_library() -> None:
    assert sum(map(_agreed, open_source("stdlib").rows["content"])) > 1000


@pytest.mark.parametrize("package", PACKAGES)
def test_extraction_agrees_with_a_plain_walk_of_well_known_packages(package: str) -> None:
    files = sorted(Path(sysconfig.get_path("purelib"), package).rglob("*.py"))[:: PACKAGES[package]]
    assert len(files) > 20
    assert sum(_agreed(path.read_bytes()) for path in files) > 0


def test_decorators_belong_to_a_function_and_what_is_around_it_does_not() -> None:
    function = _only(
        "import functools\nimport re\n\nX = 1\n@functools.cache\n@functools.wraps(len)\n"
        "def f(x):\n    'doc'\n    return x  # kept\nY = 2\n"
    )
    assert function.source == "@functools.cache\n@functools.wraps(len)\ndef f(x):\n    'doc'\n    return x  # kept"
    assert function.standalone == f"import functools\n\n{function.source}"


def test_only_documented_functions_at_the_top_level_count() -> None:
    text = (
        "def no_docstring(x): return x\ndef blank(x):\n '  '\n return x\n"
        "def f_string(x):\n f'doc {x}'\n return x\nclass C:\n def method(self):\n  'doc'\n  return 1\n"
        "if True:\n def inside(x):\n  'doc'\n  return x\nasync def kept(x):\n 'doc'\n return x\n"
    )
    assert [function.name for function in documented_functions(text)] == ["kept"]


@pytest.mark.parametrize(
    ("imports", "body", "expected"),
    [
        ("import re\nimport json", "return re.sub(p, q)", ["import re"]),
        ("import numpy as np", "return np.zeros(p)", ["import numpy as np"]),
        ("from a import (b as x,\n  c, d)", "return x + c", ["from a import b as x, c"]),
        (
            "from a import b; from z import y; from a import c",
            "return b + y + c",
            ["from a import b, c", "from z import y"],
        ),
        ("import a.b\nimport a.c\nimport a", "return a.c.f(1)", ["import a.c"]),
        ("import a.b\nimport a.c", "return a.b.c(a.c.d)", ["import a.b", "import a.c"]),
        ("import a.b\nimport a", "return a.f(1)", ["import a"]),
        ("import a.b", "return a", ["import a.b"]),
        ("import a.b as a", "return a", ["import a.b as a"]),
        ("from x import y\nfrom z import y", "return y", ["from z import y"]),
        ("import re", "return [re for re in p]", []),
        ("import re", "re = 1\n    return re", []),
        ("import re", "def g():\n        return re\n    return g", ["import re"]),
        ("import re", "class C(re.X):\n        y = re\n    return C", ["import re"]),
        ("import re", "import re\n    return re", []),
    ],
)
def test_a_function_gets_the_imports_of_what_it_reads(imports: str, body: str, expected: list[str]) -> None:
    function = _only(f"{imports}\ndef f(p, q):\n    'doc'\n    {body}\n")
    assert list(function.imports) == expected
    assert function.undefined == ()


def test_defaults_decorators_and_annotations_are_read_too() -> None:
    text = "from t import A, B, C, D, E\ndef f(x: A, y=B) -> C:\n    'doc'\n    z: E = 1\n    return D\n"
    assert _only(text).imports == ("from t import A, B, C, D, E",)


def test_postponed_annotations_are_kept_where_there_are_annotations() -> None:
    text = "from __future__ import annotations, division\nimport re\ndef f({}):\n    'doc'\n    return x\n"
    assert _only(text.format("x: re.X")).imports == ("from __future__ import annotations", "import re")
    assert _only(text.format("x")).imports == ()


@pytest.mark.parametrize(
    ("top", "body", "undefined"),
    [
        ("LIMIT = 3", "return a < LIMIT", ("LIMIT",)),
        ("def helper(x): ...", "return helper(a)", ("helper",)),
        ("try:\n import fast\nexcept ImportError:\n fast = None", "return fast.f(a)", ("fast",)),
        ("if a:\n import fast", "return fast.f(a)", ("fast",)),
        ("import re\nre = None", "return re", ("re",)),
        ("from x import *", "return y", ("y",)),
        ("", "global state\n    state = a\n    return state", ("state",)),
        ("", "return __file__", ("__file__",)),
        ("", "return exit(a)", ("exit",)),
        ("", "return f(len(a)) + __name__", ()),
        ("", "return [b for b in a if (c := b)] or c", ()),
    ],
)
def test_names_that_nothing_binds_are_undefined(top: str, body: str, undefined: tuple[str, ...]) -> None:
    assert _only(f"{top}\ndef f(a):\n    'doc'\n    {body}\n").undefined == undefined


def test_modules_are_those_of_its_imports_and_of_its_own_statements() -> None:
    imports = "import os.path\nfrom .near import x\n"
    text = f"{imports}def f(a):\n    'doc'\n    from sys import path\n    return os.path, x, path\n"
    assert _only(text).modules == ("os.path", ".near", "sys")


@pytest.mark.parametrize(
    ("signature", "count"), [("", 0), ("a, /, b, *, c", 3), ("*args, **kwargs", 2), ("*, key=None", 1)]
)
def test_arguments_of_every_kind_are_counted(signature: str, count: int) -> None:
    assert _only(f"def f({signature}):\n 'doc'\n return 1\n").arguments == count


@pytest.mark.parametrize(
    ("body", "returns"),
    [
        ("return a", True),
        ("if a:\n  return\n return 0", True),
        ("return", False),
        ("return None", False),
        ("yield a", False),
        ("def g(): return 1", False),
        ("g = lambda: (yield)", False),
    ],
)
def test_a_value_is_returned_by_the_function_itself(body: str, returns: bool) -> None:
    assert _only(f"def f(a):\n 'doc'\n {body}\n").returns_value is returns


@pytest.mark.parametrize(
    "content",
    [
        b"def f(a):\r\n    'doc'\r\n    return a\r\n",
        b"\xef\xbb\xbfdef f(a):\n    'doc'\n    return a",
        b"def f(a):\r    'doc'\r    return a",
    ],
)
def test_line_ends_and_byte_order_marks_do_not_reach_the_source(content: bytes) -> None:
    assert _only(decode(content)).source == "def f(a):\n    'doc'\n    return a"


def test_the_coding_line_is_honoured() -> None:
    text = "# coding: latin-1\ndef f(a):\n    'dóc'\n    return a\n"
    assert "dóc" in _only(decode(text.encode("latin-1"))).source


# In a process of its own: were the parser to crash, the test should fail and not the suite.
@pytest.mark.parametrize(
    "expression", ["'(' * 5000", "'-' * 300_000 + '1'", "'+'.join(['1'] * 100_000)", "'a' + '.b' * 100_000", "'a\\0b'"]
)
def test_hostile_text_raises_an_error_that_is_expected(expression: str) -> None:
    program = (
        "from sca_hf.corpus.languages.python.functions import PARSER_ERRORS, documented_functions\n"
        f"try: documented_functions({expression})\nexcept PARSER_ERRORS: print('refused')\nelse: print('parsed')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout.strip(), done.returncode) == ("refused", 0), done.stderr


def test_broken_text_raises_an_error_that_is_expected() -> None:
    with pytest.raises(PARSER_ERRORS):
        documented_functions("print 'Python 2'")


CLASS = """import abc
import functools
import math

@functools.total_ordering
class Circle(abc.ABC, metaclass=abc.ABCMeta):
    'A circle.'
    unit = 'm'

    def __init__(self, radius):
        self.radius = radius

    def area(self):
        'Its area.'
        return math.pi * self.radius ** 2

    @staticmethod
    def of_area(area, *more):
        '''The circle
of an area.'''
        return Circle((area / math.pi) ** 0.5)

    def undocumented(self): return 1

def alone(x):
    'doc'
    return x
"""


def test_methods_and_classes_are_taken_where_asked_for() -> None:
    found = documented_functions(CLASS, ["function", "method", "class"])
    assert [function.name for function in found] == ["Circle", "Circle.area", "Circle.of_area", "alone"]
    circle, area, of_area, alone = found
    assert circle.source == CLASS[CLASS.index("@functools") : CLASS.index("\n\ndef alone")]
    assert circle.imports == ("import abc", "import functools", "import math")
    header = "class Circle(abc.ABC, metaclass=abc.ABCMeta):"
    assert area.standalone == (
        f"import abc\nimport math\n\n{header}\n    def area(self):\n        'Its area.'\n"
        "        return math.pi * self.radius ** 2"
    )
    assert of_area.source.startswith(f"{header}\n    @staticmethod\n    def of_area(")
    assert [function.arguments for function in found] == [3, 0, 2, 1]
    assert all(function.returns_value and not function.undefined for function in found)
    alone_by_kind: dict[Kind, list[str]] = {
        "method": [area.name, of_area.name],
        "class": [circle.name],
        "function": [alone.name],
    }
    for kind, names in alone_by_kind.items():
        assert [function.name for function in documented_functions(CLASS, [kind])] == names


def test_a_class_without_values_or_known_bases_says_so() -> None:
    text = "class C(Unknown):\n    'doc'\n    def f(self):\n        'doc'\n        def g(): return 1\n"
    whole, method = documented_functions(text, ["class", "method"])
    assert (whole.returns_value, method.returns_value) == (False, False)
    assert whole.undefined == method.undefined == ("Unknown",)
