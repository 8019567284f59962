"""Which imports tests forgot, and where these go."""

import pytest

from sca_hf.prompts.forgotten_imports import with_forgotten_imports

RESPONSE = "So:\n\n```python\nimport math\n\n\ndef half(x):\n    return x / 2\n```"


def fenced(code: str) -> str:
    return f"```python\n{code}\n```"


@pytest.mark.parametrize(
    ("tests", "modules"),
    [
        ("with pytest.raises(TypeError):\n    half('x')", ("pytest",)),
        ("class T(unittest.TestCase):\n    def test(self):\n        self.assertEqual(half(2), 1)", ("unittest",)),
        ("assert half(random.random()) < 1\nassert json.loads('1') == 1", ("json", "random")),
        ("def test():\n    assert os.path.exists('/')", ("os",)),
        ("assert math.isclose(half(1), 0.5)", ()),  # the response imports it
        ("import pytest\nwith pytest.raises(TypeError):\n    half('x')", ()),
        ("import unittest.mock\nassert unittest.mock.ANY == half(1)", ()),
        ("import random as dice\nassert half(dice.random()) < 1", ()),
        ("def test(string):\n    assert string.upper() == 'A'\ntest('a')", ()),
        ("for code in ['a']:\n    assert code.upper() == 'A'", ()),
        ("match {'a': 1}:\n    case {**queue}:\n        assert queue.get('a') == 1", ()),
        ("try:\n    half('x')\nexcept TypeError as token:\n    assert token.args", ()),
        ("class calendar:\n    day = 1\nassert calendar.day", ()),
        ("from random import *\nassert math2.x and json.x", ()),
        ("assert np.isclose(half(1), 0.5)", ()),
        ("assert half(string) == 1", ()),  # no attribute of it: hardly the module
        ("assert half(1) = json.loads('1')", ()),
        ("assert half(1) == 0.5", ()),
    ],
)
def test_what_is_forgotten(tests: str, modules: tuple[str, ...]) -> None:
    imports = "".join(f"import {module}\n" for module in modules)
    assert with_forgotten_imports(RESPONSE, fenced(tests)) == (fenced(imports + tests), modules)


def test_the_import_goes_into_the_first_block_of_code() -> None:
    tests = (
        f"Run them:\n\n```bash\npytest .\n```\n\n{fenced('x = 2')}\n\n{fenced('assert json.loads(str(half(x))) == 1')}"
    )
    mended, modules = with_forgotten_imports(RESPONSE, tests)
    assert modules == ("json",)
    assert mended == tests.replace("x = 2", "import json\nx = 2")


@pytest.mark.parametrize(
    "tests", ["    assert json.loads('1')", "- so:\n  ```python\n  json.loads('1')\n  ```", "", "None."]
)
def test_other_layouts_stay_as_they_are(tests: str) -> None:
    assert with_forgotten_imports(RESPONSE, tests) == (tests, ())


def test_the_response_gets_none() -> None:
    response = fenced("def read(text):\n    return json.loads(text)")
    assert with_forgotten_imports(response, fenced("assert read('1') == 1")) == (fenced("assert read('1') == 1"), ())
