"""HumanEval, MBPP, their + versions and EvoEval: one function each.

`evalplus`: evalplus' chat format, a request and the task in a bare fence, the reply begun with a sentence and an open
fence; its clean-up. `base`: evalplus' direct completion, for models without a chat template. `sca`: SelfCodeAlign's:
the task in a fence, the reply begun with one; the answer is graded as what follows the task's own text, without
clean-up, so the task's imports and helpers are there.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from sca_hf.evaluation.clean_up import clean_up
from sca_hf.evaluation.prompts.asking import Asked, Complete, Format, conversation

FORMATS: tuple[Format, ...] = ("sca", "evalplus", "base")

_REQUEST = "Please provide a self-contained Python script that solves the following problem in a markdown code block:"
_REPLY = (
    "Below is a Python script with a self-contained function that solves the problem and passes corresponding tests:"
)
_ENDS = ("<|endoftext|>", "<|endofmask|>", "</s>", "\nif __name__", "\ndef main(", "\nprint(")
_BASE_ENDS: Mapping[str, tuple[str, ...]] = {
    "humaneval": ("\ndef ", "\nclass ", "\nimport ", "\nfrom ", "\nassert "),
    "mbpp": ('\n"""', "\nassert"),
}


class FunctionText(Protocol):
    """A task as far as a prompt shows it."""

    @property
    def prompt(self) -> str: ...

    @property
    def entry(self) -> str: ...


async def answer(how: Format, task: FunctionText, tokenizer: Any, complete: Complete) -> str:
    """Ask once. Returns the program."""
    completion = await complete(_asked(how, task, tokenizer))
    if how == "sca":
        return f"{task.prompt}\n{completion}"
    text = completion.replace("\t", "    ")
    if how == "base":
        text = task.prompt.strip() + "\n" + text
    return clean_up(text, task.entry)


def _asked(how: Format, task: FunctionText, tokenizer: Any) -> Asked:
    mbpp = task.prompt.lstrip().startswith('"""')
    if how == "base":
        return Asked(task.prompt.strip() + "\n", _ENDS + _BASE_ENDS["mbpp" if mbpp else "humaneval"], 768)
    if how == "evalplus":
        request = f"{_REQUEST}\n```\n{task.prompt.strip()}\n```\n"
        text = conversation(tokenizer, ("user", request), reply=f"{_REPLY}\n```python\n")
        return Asked(text, (*_ENDS, "\n```\n"), 768)
    request = _sca_mbpp(task.prompt) if mbpp else f"Write a Python function to solve the given task:\n\n{_fence(task)}"
    return Asked(conversation(tokenizer, ("user", request), reply="```python\n"), ("\n```",), 1024)


def _fence(task: FunctionText) -> str:
    return f"```python\n{task.prompt.strip()}\n```"


def _sca_mbpp(prompt: str) -> str:
    text = prompt[prompt.index('"""') + 3 : prompt.rindex('"""')]
    sentence, assertion, rest = text.partition("assert")
    sentence = sentence.strip()
    sentence += "" if sentence.endswith(".") else "."
    return f"{sentence}\n\n```python\n{(assertion + rest).strip()}\n```"
