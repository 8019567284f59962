"""Where a program's line is in the texts that made it."""

import pytest

from sca_hf.stages.pass_rules import place_of, program_of

FENCED = "So:\n\n```python\ndef double(x):\n\n    return 2 * x\n```"
TWO = f"{FENCED}\n\nAnd, without a closing fence:\n\n```py\ndef half(x):\n    return x / 2"
INDENTED = (
    "1. It doubles:\n\n   ```python\n   def double(x):\n       return 2 * x\n   ```\n\nIt prints\n```\n[1, 2]\n```\n"
)
CODE = "As code:\n\n    def double(x):\n        return 2 * x\n\nDone."
TESTS = "```python\nassert double(1) == 2\n\nassert double(2) == 4\n```\n"


@pytest.mark.parametrize("response", [FENCED, TWO, INDENTED, CODE], ids=["fenced", "two", "indented", "code"])
@pytest.mark.parametrize("tests", [TESTS, TESTS + "\nand\n\n" + TESTS])
def test_each_line_of_a_program_is_found_in_its_text(response: str, tests: str) -> None:
    program = program_of(response, tests)
    texts = {"response": response.split("\n"), "tests": tests.split("\n")}
    lines = f"{program.code}\n{program.tests}".split("\n")
    assert "assert double(2) == 4" in lines
    for number, line in enumerate(lines, start=1):
        place = place_of(response, tests, number)
        if line:
            assert place is not None
            name, at, said = place
            assert said == line
            assert texts[name][at - 1].strip() == line.strip()
            assert name == ("tests" if line.startswith("assert") else "response")


def test_a_line_that_is_not_there() -> None:
    assert place_of(FENCED, TESTS, 0) is None
    assert place_of(FENCED, TESTS, 100) is None
