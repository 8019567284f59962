"""What is an answer of a chat model, what it thought before, and why it is none."""

import pytest

from sca_hf.prompts.chat_answers import read_response, read_tests, without_reasoning
from sca_hf.prompts.natural_language import language_of

TASK = "Write a function `double(x)` that returns twice the number which it is given, and 0 for None."
CODE = "```python\ndef double(x):\n    return 2 * (x or 0)\n```"
ANSWER = f"Twice a number is that number added to itself.\n\n{CODE}\n\nNone counts as 0."


@pytest.mark.parametrize(
    ("completion", "text", "reasoning"),
    [
        (ANSWER, ANSWER, ""),
        (f"<think>\nTwice.\n</think>\n\n{ANSWER}", ANSWER, "Twice."),
        (f"Twice.\n</think>\n\n{ANSWER}", ANSWER, "Twice."),
        (f"<think></think>{ANSWER}", ANSWER, ""),
        (f"<think>one</think><think>two</think>{ANSWER}", ANSWER, "one\n\ntwo"),
        (f"<Thinking>one</Thinking>\n{ANSWER}", ANSWER, "one"),
        (f"Maybe:\n```python\nx = 1\n```\nYes.</think>\n{ANSWER}", ANSWER, "Maybe:\n```python\nx = 1\n```\nYes."),
        ('```python\nEND = "</think>"\n```', '```python\nEND = "</think>"\n```', ""),
        (
            "The tag `</think>` ends it:\n\n```python\nx = 1\n```",
            "The tag `</think>` ends it:\n\n```python\nx = 1\n```",
            "",
        ),
    ],
)
def test_what_was_thought_is_cut_off_and_kept(completion: str, text: str, reasoning: str) -> None:
    answer = without_reasoning(completion)
    assert (answer.text, answer.reasoning, answer.is_cut) == (text, reasoning, False)


@pytest.mark.parametrize(
    ("completion", "finish_reason", "reason"),
    [
        (ANSWER, "stop", None),
        (f"<think>Hm.</think>{ANSWER}", "stop", None),
        ("<think>Let me see, and", "length", "cut-off-reasoning"),
        ("<think>Let me see.", "stop", "no-response"),
        ("<think>Let me see.</think>", "stop", "no-response"),
        ("", "stop", "no-response"),
        ("  \n", "stop", "no-response"),
        ("```python\ndef double(x):", "length", "cut-off-response"),
        ("again " * 9, "repetition", "repetition"),
        ("Twice a number is the number and itself, which is the sum of the two.", "stop", "no-code"),
        ("I'm sorry, but I can't help with that.", "stop", "refusal"),
        ("I’m sorry, but I cannot assist with this request.", "stop", "refusal"),
        ("I can't provide that.", "stop", "refusal"),
        ("I am unable to complete this task.", "stop", "refusal"),
        ("Unfortunately, as it stands I won't write this.", "stop", "refusal"),
        ("As an AI language model, I don't write code.", "stop", "refusal"),
        (f"I can't help adding that None is odd.\n\n{CODE}", "stop", None),
        ("```javascript\nfunction double(x) { return 2 * x }\n```", "stop", "other-programming-language"),
        ("```java\nclass A {}\n```\n\n```bash\njavac A.java\n```", "stop", "other-programming-language"),
        ("```text\n8\n```", "stop", "no-code"),
        (f"该函数返回两倍的数字,如果没有给出数字则返回零。\n\n{CODE}", "stop", "other-language"),
        (f"Функция возвращает удвоенное число.\n\n{CODE}", "stop", "other-language"),
        (f"La función devuelve el doble del número que se da, y para None es 0.\n\n{CODE}", "stop", "other-language"),
        (CODE, "stop", None),
    ],
)  # fmt: skip
def test_responses(completion: str, finish_reason: str, reason: str | None) -> None:
    assert read_response(completion, finish_reason, TASK)[2] == reason


def test_a_task_in_chinese_is_answered_in_chinese() -> None:
    answer = f"该函数返回两倍的数字。\n\n{CODE}"
    assert read_response(answer, "stop", "写一个函数 `double(x)`,返回两倍的数字。")[2] is None


TESTS = "```python\nassert double(4) == 8\n```"


@pytest.mark.parametrize(
    ("completion", "finish_reason", "tests", "reason"),
    [
        (TESTS, "stop", TESTS, None),
        (f"Here they are:\n\n{TESTS}\n\nThey check 4.", "stop", TESTS, None),
        (f"<think>Which?</think>{TESTS}", "stop", TESTS, None),
        (f"{CODE}\n\n{TESTS}", "stop", TESTS, None),
        (CODE, "stop", "", "repeats-response"),
        ("```python\ndef double(x): return 8\nassert double(4) == 8\n```", "stop", TESTS, None),
        ("```python\nimport math\n\ndef double(x):\n    return 8\n```", "stop", "", "repeats-response"),
        ("The code looks right.", "stop", "", "no-tests"),
        ("I cannot help with that.", "stop", "", "refusal"),
        ("", "stop", "", "no-tests"),
        ("```python\nassert double(4)", "length", "```python\nassert double(4)\n```", "cut-off-tests"),
        ("<think>Which", "length", "", "cut-off-reasoning"),
        (
            "```python\nassert double(1) == 2\n```\nand\n```python\nassert double(2) == 4\n```",
            "stop",
            "```python\nassert double(1) == 2\n\nassert double(2) == 4\n```",
            None,
        ),
    ],
)
def test_tests(completion: str, finish_reason: str, tests: str, reason: str | None) -> None:
    got, _, why = read_tests(completion, finish_reason, ANSWER)
    assert (got, why) == (tests, reason)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (TASK, "en"),
        ("Schreibe eine Funktion, die das Doppelte der Zahl zurückgibt und für den Rest nicht den Fehler wirft.", "de"),
        ("Écrivez une fonction qui renvoie le double du nombre et qui est nulle pour les autres.", "fr"),
        ("二つの数を足す関数を書いてください。", "ja"),
        ("두 수를 더하는 함수를 작성하세요.", "ko"),
        ("`def f(the, of, and_): ...`", None),
        ("def double(x)", None),
        ("```\nthe of and to in is that it\n```", None),
        ("", None),
    ],
)
def test_the_language_of_prose(text: str, language: str | None) -> None:
    assert language_of(text) == language
