"""What is made of completions of I->R."""

import pytest

from sca_hf.prompts.answers import Answer, parse_answer, parse_response, parse_tests
from sca_hf.prompts.code_blocks import code_blocks

CODE = "def double(x):\n    return 2 * x\n"
RESPONSE = f"Double it:\n\n```python\n{CODE}```"
TEST = "assert double(2) == 4\n"
TESTS = f"```python\n{TEST}```"


@pytest.mark.parametrize(
    ("completion", "finish_reason", "reason"),
    [
        (f"{RESPONSE}\n\n[Tests]\n{TESTS}\n\n", "stop", None),
        (f"{RESPONSE}\n\n[Tests]\n{TESTS}", "length", None),
        (f"{RESPONSE}\n\n[Tests]\n{TESTS}", "repetition", None),
        (f"{RESPONSE}\n\n[Tests]\n{TESTS}\n\nThese are all of the tests. The", "length", None),
        (f"{RESPONSE}\n\n[Tests]\n{TESTS}\n\n[Tests]\n```python\nassert", "length", None),
        (f"{RESPONSE}\n\n[Tests]\n{TESTS}\n" + "The tests pass.\n" * 20, "repetition", None),
        (f"{RESPONSE}\n\n{TESTS}", "length", "cut-off"),
        (f"{RESPONSE}\n\n[Tests]\n```python\n{TEST}", "length", "cut-off"),
        (f"{RESPONSE}\n\n[Tests]\n```text\n{TEST}```\nThe", "length", "cut-off"),
        (f"[Tests]\n{TESTS}", "stop", "no-response"),
        (f"\n \n[Tests]\n{TESTS}", "stop", "no-response"),
        ("", "stop", "no-response"),
        (RESPONSE, "stop", "no-tests"),
        (f"{RESPONSE}\n[Tests]\n{TESTS}\n[Tests]\n{TESTS}", "stop", "several-tests"),
        (f"{RESPONSE}\n**[Tests]**\n{TESTS}\n### [Tests]:\n{TESTS}", "stop", "several-tests"),
        (f"{RESPONSE}\n[Tests]\n{TEST}", "stop", "no-code"),
        (f"Double it.\n[Tests]\n{TESTS}", "stop", "no-code"),
        (f"Double it.\n```text\n2x\n```\n[Tests]\n{TESTS}", "stop", "no-code"),
    ],
)
def test_reasons(completion: str, finish_reason: str, reason: str | None) -> None:
    for text in (completion, completion.replace("\n", "\r\n")):
        answer = parse_answer(text, finish_reason, infer_tests=True, cut_tests=False)
        assert answer.reject_reason == reason
        if reason is None:
            assert (answer.response, answer.tests, answer.tests_inferred) == (RESPONSE, TESTS, False)


@pytest.mark.parametrize(
    "label",
    [
        "[Tests]",
        "[Tests]  ",
        "  [Tests]\t",
        "[Tests]:",
        "[Tests] :",
        "**[Tests]**",
        "**[Tests]:**",
        "**[Tests]**:",
        "__[Tests]__",
        "*[Tests]*",
        "# [Tests]",
        "### [Tests]",
        "## [Tests]: ##",
        "#### **[Tests]**",
        "[Tests]\n-------",
        "[Tests]\n===",
        "[ Tests ]",
        "[tests]",
        "[TESTS]",
        "- [Tests]",
        "> [Tests]",
    ],
)
@pytest.mark.parametrize("before", ["\n\n", "\n", "\nIt is done.\n", "\n\nIt is done.\n\n\n"])
def test_a_label(label: str, before: str) -> None:
    for gap in ("\n", "\n\n"):
        answer = parse_answer(f"{RESPONSE}{before}{label}{gap}{TESTS}", "stop", infer_tests=False, cut_tests=False)
        if "---" in label and before.endswith("done.\n"):
            label = label.strip()  # an underline makes a heading of the whole paragraph
        assert (answer.reject_reason, answer.tests) == (None, TESTS)
        assert answer.response == (RESPONSE + before).rstrip()


@pytest.mark.parametrize(
    "response",
    [
        '```python\ndef double(x):\n    """Twice x.\n\n[Tests]\n    """\n    return 2 * x\n```',
        f"```python\n{CODE}\nTEXT = '''\n[Tests]\n'''\n```",
        f"```python\n{CODE}```\n\n~~~\n[Tests]\n~~~",
        f"```python\n{CODE}```\n\n````markdown\n# Mine\n[Tests]\n```\n````",
        f"```python\n{CODE}```\n\nThey look like this:\n\n    [Tests]\n",
        f"- Write it:\n\n  ```python\n  {CODE.rstrip().replace(chr(10), chr(10) + '  ')}\n  # Then:\n  [Tests]\n  ```",
        f"```python\n{CODE}```\nThe [Tests] of it, and `[Tests]`.",
        f"```python\n{CODE}```\n`[Tests]`",
        f"```python\n{CODE}```\n[Tests](tests.md)",
        f"```python\n{CODE}```\n[Tests] are below",
    ],
)
def test_what_is_no_label(response: str) -> None:
    assert parse_answer(response, "stop", infer_tests=True, cut_tests=False).reject_reason == "no-tests"
    answer = parse_answer(f"{response}\n\n[Tests]\n{TESTS}", "stop", infer_tests=True, cut_tests=False)
    assert (answer.reject_reason, answer.response, answer.tests) == (None, response.rstrip(), TESTS)


def test_code_that_is_not_closed_holds_the_label() -> None:
    answer = parse_answer(f"```python\n{CODE}\n[Tests]\n{TESTS}", "stop", infer_tests=True, cut_tests=False)
    assert answer.reject_reason == "no-tests"


@pytest.mark.parametrize("layout", ["```python\n{}", "~~~\n{}", "   ```py\n   {}", "1. So:\n   ```py\n   {}   ```"])
def test_tests_in_any_layout(layout: str) -> None:
    answer = parse_answer(f"{RESPONSE}\n\n[Tests]\n\n{layout.format(TEST)}", "stop", infer_tests=False, cut_tests=False)
    assert answer.reject_reason is None
    assert [code.strip() for code in code_blocks(answer.tests)] == [TEST.strip()]


UNITTEST = """import unittest

class DoubleTest(unittest.TestCase):
    def setUp(self):
        self.two = 2

    def test_two(self):
        self.assertEqual(double(self.two), 4)

if __name__ == "__main__":
    unittest.main()
"""
PYTEST = """import pytest

@pytest.fixture
def two():
    return 2

@pytest.mark.parametrize("x", [1, 2])
def test_double(x, two):
    assert double(x) == two * x

class TestDouble:
    def test_one(self):
        assert double(1) == 2
"""
CALLED = """def run_tests():
    for x in range(3):
        assert double(x) == x + x
    print("All tests passed")

def main():
    run_tests()

main()
"""


@pytest.mark.parametrize(
    "tests",
    [
        TEST,
        "# Tests\nfrom solution import double\n\nx = 3\nassert double(x) == 6, 'six'\nprint('passed')\n",
        UNITTEST,
        PYTEST,
        CALLED,
        "for x, twice in [(1, 2), (2, 4)]:\n    assert double(x) == twice\n",
        "try:\n    double(None)\nexcept TypeError:\n    pass\nelse:\n    assert False\n",
        "import numpy as np\n\nnp.testing.assert_allclose(double(0.5), 1.0)\n",
        "def check_double():\n    assert double(1) == 2\n\ncheck_double()\n",
        "if double(1) != 2:\n    raise AssertionError('two')\n",
        "async def test_double():\n    assert double(1) == 2\n",
    ],
)
def test_last_code_that_only_tests_is_the_tests(tests: str) -> None:
    completion = f"{RESPONSE}\n\nIt is linear.\n\n```python\n{tests}```\n\nAll of it passes."
    answer = parse_answer(completion, "stop", infer_tests=True, cut_tests=False)
    assert (answer.reject_reason, answer.tests_inferred) == (None, True)
    assert answer.response == f"{RESPONSE}\n\nIt is linear."
    assert answer.tests == f"```python\n{tests}```\n\nAll of it passes."
    off = parse_answer(completion, "stop", infer_tests=False, cut_tests=False)
    assert (off.reject_reason, off.tests_inferred, off.response) == ("no-tests", False, completion)


@pytest.mark.parametrize(
    "last",
    [
        f"{CODE}\n{TEST}",
        "print(double(2))  # 4\n",
        "def double_all(xs):\n    assert xs\n    return [double(x) for x in xs]\n",
        "def test_parity(x):\n    return x % 2 == 0\n\nassert test_parity(2)\n",
        "class Double:\n    def __call__(self, x):\n        return 2 * x\n\nassert Double()(2) == 4\n",
        "class TestBench:\n    def run(self):\n        assert double(2) == 4\n",
        "twice = lambda x: 2 * x\nassert twice(2) == 4\n",
        "import unittest\n\nx = 1\n",
        "assert double(2) = 4\n",
    ],
)
def test_last_code_that_does_more_is_no_tests(last: str) -> None:
    answer = parse_answer(f"{RESPONSE}\n\n```python\n{last}```", "stop", infer_tests=True, cut_tests=False)
    assert (answer.reject_reason, answer.tests_inferred) == ("no-tests", False)


def test_tests_alone_are_no_answer() -> None:
    assert parse_answer(f"Tests:\n\n{TESTS}", "stop", infer_tests=True, cut_tests=False).reject_reason == "no-tests"
    assert parse_answer(f"{TESTS}\n\n{RESPONSE}", "stop", infer_tests=True, cut_tests=False).reject_reason == "no-tests"


@pytest.mark.parametrize(
    "announcement",
    ["Here are some tests:", "## Tests", "**Tests:**", "## Tests\n\nThey are run with pytest:", "### Tests\nSo:"],
)
def test_what_announces_the_tests_goes_with_them(announcement: str) -> None:
    answer = parse_answer(
        f"{RESPONSE}\n\nIt is linear.\n\n{announcement}\n\n{TESTS}", "stop", infer_tests=True, cut_tests=False
    )
    assert answer.response == f"{RESPONSE}\n\nIt is linear."
    assert answer.tests == f"{announcement}\n\n{TESTS}"


def test_several_blocks_of_tests_go_together_and_output_after_them_is_none() -> None:
    rest = f"First:\n\n{TESTS}\n\nThen:\n\n{TESTS}\n\nIt prints:\n\n```\n4\n```"
    answer = parse_answer(f"{RESPONSE}\n\n{rest}", "stop", infer_tests=True, cut_tests=False)
    assert (answer.reject_reason, answer.response, answer.tests) == (None, RESPONSE, rest)
    assert code_blocks(answer.tests) == [TEST, TEST]


@pytest.mark.parametrize("by", ["   ", "    ", "\t"])
def test_inferred_tests_that_are_indented(by: str) -> None:
    tests = "".join(by + line for line in TESTS.splitlines(keepends=True))
    answer = parse_answer(f"{RESPONSE}\n\n1. Test it:\n\n{tests}", "stop", infer_tests=True, cut_tests=False)
    assert answer.reject_reason is None
    assert code_blocks(answer.response) == [CODE]
    assert code_blocks(answer.tests) == [TEST]


def test_a_label_is_heeded_whatever_the_last_code_is() -> None:
    answer = parse_answer(f"{RESPONSE}\n\n{TESTS}\n\n[Tests]\nNone.", "stop", infer_tests=True, cut_tests=False)
    assert (answer.reject_reason, answer.tests_inferred) == ("no-code", False)


@pytest.mark.parametrize(
    "rest",
    [
        "",
        "\n\n",
        f"\n\n## [Tests]\n{TESTS}",
        f"\n[tests]:\n{TESTS}\n[Tests]\n{TESTS}",
        f"\n\nHere are some tests:\n\n{TESTS}",
        f"\n\n{TESTS}\n\nAll of it passes.",
    ],
)
def test_a_response_ends_where_the_tests_begin(rest: str) -> None:
    assert parse_response(f"\n{RESPONSE}{rest}", "stop", infer_tests=True) == (RESPONSE, None)
    begun = rest.strip() != ""
    assert parse_response(f"{RESPONSE}{rest}", "length", infer_tests=True) == (
        RESPONSE,
        None if begun else "cut-off-response",
    )


@pytest.mark.parametrize(
    ("completion", "finish_reason", "response", "reason"),
    [
        ("", "stop", "", "no-response"),
        (f"[Tests]\n{TESTS}", "stop", "", "no-response"),
        ("It can't be done.", "stop", "It can't be done.", "no-code"),
        (f"{RESPONSE}\n\nIt", "length", f"{RESPONSE}\n\nIt", "cut-off-response"),
        (f"{RESPONSE}\n\nIt is it is", "repetition", f"{RESPONSE}\n\nIt is it is", "repetition"),
        (f"Double it:\n\n```python\n{CODE}", "stop", RESPONSE, None),
        (f"Double it:\n\n~~~~python\n{CODE}", "stop", f"Double it:\n\n~~~~python\n{CODE}~~~~", None),
        ("- Double:\n  ```python\n  x = 2", "stop", "- Double:\n  ```python\n  x = 2", None),
        (f"Double it:\n\n```python\n{CODE}", "length", f"Double it:\n\n```python\n{CODE.rstrip()}", "cut-off-response"),
    ],
)
def test_a_response_by_itself(completion: str, finish_reason: str, response: str, reason: str | None) -> None:
    for text in (completion, completion.replace("\n", "\r\n")):
        assert parse_response(text, finish_reason, infer_tests=True) == (response, reason)


def test_tests_in_a_response_stay_where_none_are_inferred() -> None:
    text = f"{RESPONSE}\n\n{TESTS}"
    assert parse_response(text, "stop", infer_tests=False) == (text, None)


@pytest.mark.parametrize(
    ("completion", "finish_reason", "tests", "reason"),
    [
        (TEST.rstrip(), "stop", TESTS, None),  # the stop text took the fence away
        (TEST, "stop", TESTS, None),
        (f"{TEST}```\n\nThey pass.\n```python\n1\n```", "stop", TESTS, None),
        (f"{TEST}```\n\nThey", "length", TESTS, None),
        (TEST + "assert dou", "length", f"```python\n{TEST}assert dou\n```", "cut-off-tests"),
        (TEST * 3, "repetition", f"```python\n{TEST * 3}```", "repetition"),
        ("", "stop", "```python\n```", None),
        ("```\n\nNone.", "stop", "```python\n```", None),
        (">>> double(2)\n4", "stop", "```python\n>>> double(2)\n4\n```", "no-code"),
        ("x = '\f'\n" + TEST, "stop", f"```python\nx = '\f'\n{TEST}```", None),
    ],
)
def test_tests_by_themselves(completion: str, finish_reason: str, tests: str, reason: str | None) -> None:
    for text in (completion, completion.replace("\n", "\r\n")):
        assert parse_tests(text, finish_reason, cut_tests=False) == (tests, False, reason)


CASE = "class TestIt(unittest.TestCase):\n    def test(self):\n        self.assertEqual(double(2), 4)\n"
FUNCTIONS = (
    "def test_two():\n    assert double(2) == 4\n\n\ndef test_more():\n    value = double(3)\n    assert value == 6\n"
)


@pytest.mark.parametrize(
    ("code", "finish_reason", "whole"),
    [
        (TEST + "assert dou", "length", TEST),
        (TEST + "assert double(4) == 8", "length", TEST),  # perhaps of 80
        (TEST + "assert double(4) == 8\n", "length", TEST + "assert double(4) == 8\n"),
        (TEST + "\n\n# Large numbers", "length", TEST),
        (TEST + "assert double(\n    4\n) == [\n    8,\n", "length", TEST),
        (TEST + "for n in range(3):\n    assert double(n) ==", "length", TEST),
        (TEST + "with pytest.raises(TypeError):\n    double(", "length", TEST),
        (TEST + "try:\n    double(None)\n    assert False\n", "length", TEST),
        (TEST + 'TEXT = """\nassert 1\n', "length", TEST),
        (FUNCTIONS + "    assert double(", "length", FUNCTIONS),
        (FUNCTIONS + "\n\n@pytest.mark.slow\ndef test_mo", "length", FUNCTIONS),
        (CASE + "        self", "length", CASE),
        (TEST + "assert double(5) == 10\n" * 11 + "assert dou", "repetition", TEST + "assert double(5) == 10\n"),
        (
            TEST + "assert double(5) == 10\nassert double(6) == 12\n" * 9,
            "repetition",
            TEST + "assert double(5) == 10\nassert double(6) == 12\n",
        ),
    ],
)
def test_tests_that_were_cut_off_end_with_their_last_whole_statement(code: str, finish_reason: str, whole: str) -> None:
    for end in ("\n", "\r\n"):
        text = code.replace("\n", end)
        assert parse_tests(text, finish_reason, cut_tests=True) == (f"```python\n{whole}```", True, None)
        completion = f"{RESPONSE}\n\n[Tests]\n```python\n{code}".replace("\n", end)
        answer = parse_answer(completion, finish_reason, infer_tests=True, cut_tests=True)
        assert answer == Answer(RESPONSE, f"```python\n{whole}```", False, None, tests_cut=True)


@pytest.mark.parametrize(
    "code",
    [
        "",
        "assert double(2) == 4",
        "import pytest\nnumbers = [1, 2]\nassert doub",
        "def test_two():\n    value = double(2)\n    assert",
        "def test_two():\n    assert",
        "assert double(2) = 4\nassert double(3) == 6\nassert",
    ],
)
def test_tests_of_which_nothing_whole_checks_anything_stay_cut_off(code: str) -> None:
    tests, is_cut, reason = parse_tests(code, "length", cut_tests=True)
    assert (is_cut, reason) == (False, "cut-off-tests")
    assert code in tests
    completion = f"{RESPONSE}\n\n[Tests]\n```python\n{code}"
    answer = parse_answer(completion, "length", infer_tests=True, cut_tests=True)
    assert (answer.reject_reason, answer.tests_cut) == ("cut-off", False)


@pytest.mark.parametrize(("text", "reason"), [(f"{TEST}```\n\nThey", None), (TEST, None)])
def test_tests_that_ended_are_not_cut(text: str, reason: str | None) -> None:
    finish_reason = "length" if "They" in text else "stop"
    assert parse_tests(text, finish_reason, cut_tests=True) == (TESTS, False, reason)


def test_a_response_that_was_cut_off_is_not_kept() -> None:
    answer = parse_answer(f"{RESPONSE}\n\n```python\n{TEST}assert dou", "length", infer_tests=True, cut_tests=True)
    assert (answer.reject_reason, answer.tests_cut) == ("cut-off", False)
