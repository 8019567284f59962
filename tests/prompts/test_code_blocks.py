"""Which code blocks a text has, and that they are run as they are published."""

import asyncio

import pytest

from sca_hf.prompts.code_blocks import code_blocks, fenced, normal_text
from sca_hf.sandbox import Jails, Limits
from sca_hf.stages.pass_rules import program_of

CODE = "def double(x):\n    return 2 * x\n"
DOCSTRING = 'def double(x):\n    """Twice x.\n\n    ```\n    double(2)\n    ```\n    """\n    return 2 * x\n'


def indented(text: str, by: str) -> str:
    return "".join(by + line for line in text.splitlines(keepends=True))


@pytest.mark.parametrize(
    "text",
    [
        f"Double it:\n```python\n{CODE}```\nDone.",
        f"``` python\n{CODE}```",
        f"```\tPython  \n{CODE}```  ",
        f'```python title="double.py" linenums\n{CODE}```',
        f"```python{{1,2}}\n{CODE}```",
        f"```python:double.py\n{CODE}```",
        f"```{{.python .numberLines}}\n{CODE}```",
        f"```python3.11\n{CODE}```",
        f"~~~python\n{CODE}~~~",
        f"~~~~\n{CODE}~~~~~",
        f"````python\n{CODE}````",
        *(f"```{tag}\n{CODE}```" for tag in ("py", "py3", "python3", "ipython", "IPython3", "")),
        f"Not closed:\n\n```python\n{CODE}",
        f"~~~py\n{CODE}```\n"[: -len("```\n")],
        f"Directly after a line\n```python\n{CODE}```\nand before one",
        f"<answer>\n```python\n{CODE}```\n</answer>",
        f"[code]: here\n```python\n{CODE}```",
    ],
)
def test_a_block_of_python(text: str) -> None:
    assert code_blocks(text) == [CODE]
    assert code_blocks(text.replace("\n", "\r\n")) == [CODE]


@pytest.mark.parametrize("by", [" ", "  ", "   ", "    ", "      ", "\t"])
def test_an_indented_fence(by: str) -> None:
    assert code_blocks("Like so:\n\n" + indented(f"```python\n{CODE}```\n", by)) == [CODE]


@pytest.mark.parametrize(
    "text",
    [
        "1. Double it:\n\n" + indented(f"```python\n{CODE}```\n", "   ") + "2. Done.",
        "- Double it:\n" + indented(f"```python\n{CODE}```\n", "  "),
        "- a\n  - b\n\n" + indented(f"~~~py\n{CODE}~~~\n", "    "),
        indented(f"```python\n{CODE}```\n", "> "),
    ],
)
def test_a_fence_inside_of_a_list_or_quote(text: str) -> None:
    assert code_blocks(text) == [CODE]


@pytest.mark.parametrize(
    "code",
    [
        DOCSTRING,
        DOCSTRING.replace("```", "~~~"),
        'def double(x):\n    """\n    ```python\n    double(2)\n    ```\n    """\n',
        'TEXT = """\n``\nx\n"""\n',
    ],
)
def test_backticks_of_a_docstring_end_no_block(code: str) -> None:
    assert code_blocks(f"```python\n{code}```\n\nDone.") == [code]


def test_a_longer_fence_holds_any_backticks() -> None:
    code = 'TEXT = """\n```\nx\n```\n"""\n'
    assert code_blocks(f"````python\n{code}````") == [code]
    assert code_blocks(fenced(code.strip())) == [code]
    assert fenced("x = 1") == "```python\nx = 1\n```"


@pytest.mark.parametrize(
    "code",
    [
        "x = double(2)\n",
        "assert double(2) == 4\n",
        "import math\n",
        "for x in range(3):\n    print(double(x))\n",
        "class Twice:\n    pass\n",
        "# Twice.\ndouble = lambda x: 2 * x\n",
        "count: int = 0\n",
    ],
)
def test_an_untagged_block_that_does_something_is_python(code: str) -> None:
    assert code_blocks(f"```\n{code}```") == [code]


@pytest.mark.parametrize(
    "output",
    [
        "[1, 2, 3]\n",
        "4\n",
        "True\nFalse\n",
        "Point(x=1, y=2)\n",
        '{"a": 1}\n',
        "Result: 3\n",
        "Total: 5\nMean: 2.5\n",
        "1 2 3\n",
        "Traceback (most recent call last):\n  …\nValueError: negative\n",
        "pip install numpy\n",
        "def double(x):\n",
        "",
        "(((((" * 100 + "\n",
        "x = '\0'\n",
    ],
)
def test_an_untagged_block_of_anything_else_is_output(output: str) -> None:
    assert code_blocks(f"```python\n{CODE}```\n\n```\n{output}```") in ([CODE], [CODE, normal_text(output)])
    if "\0" not in output:
        assert code_blocks(f"```\n{output}```") == []


@pytest.mark.parametrize(
    "block",
    [
        "```pycon\n>>> double(2)\n4\n```",
        "```python\n>>> double(2)\n4\n```",
        "```\n>>> x = double(2)\n```",
        "```py\n\n  >>> double(2)\n  4\n```",
        "```python-repl\nx = 1\n```",
        "```text\nx = 1\n```",
        "```console\nx = 1\n```",
        "```javascript\nx = 1\n```",
    ],
)
def test_usage_and_other_languages_are_no_code(block: str) -> None:
    assert code_blocks(f"```python\n{CODE}```\n\n{block}\n") == [CODE]


def test_an_indented_block_without_a_fence_is_an_untagged_one() -> None:
    assert code_blocks("Double it:\n\n" + indented(CODE, "    ") + "\nDone.") == [CODE]
    assert code_blocks("It prints:\n\n    [1, 2]\n\nDone.") == []


@pytest.mark.parametrize(
    "raw",
    [
        'NAME = "a"\r\nTEXT = """x\r\ny"""\r\n',
        'TEXT = """x\ry"""\r',
        'TEXT = "\0"\n',
        'TEXT = "\x0b \x0c \u2028 \x85"\n',
        "\tx = 1\n \t y = 2\n",
    ],
)
def test_normal_text_holds_the_code_as_it_is_run(raw: str) -> None:
    published = normal_text(f"Here:\r\n\r\n```python\r\n{raw}```\r\n")
    assert code_blocks(published) == [normal_text(raw)]
    assert code_blocks(published)[0] in published


@pytest.mark.jail
def test_the_program_of_odd_layouts_passes() -> None:
    response = f"1. Write it:\r\n\r\n   ~~~ python3\r\n{indented(CODE, '   ')}   ~~~\r\n\r\n```\r\n[2, 4]\r\n```\r\n"
    tests = "````py title=tests\nassert double(2) == 4\n"

    async def status() -> str:
        async with Jails(1, Limits()) as jails:
            return (await jails.run(program_of(response, tests))).status

    assert asyncio.run(status()) == "passed"
