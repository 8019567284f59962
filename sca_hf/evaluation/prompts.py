"""How models are asked for functions, and what of their completion is graded, as scores are published.

`evalplus`: evalplus' chat format, a request and the task in a bare fence, the reply begun with a sentence and an open
fence; its clean-up. `base`: evalplus' direct completion, for models without a chat template. `sca`: SelfCodeAlign's,
for models that this project tuned: the task in a fence, the reply begun with one; the answer is graded as what follows
the task's own text, without clean-up, so the task's imports and helpers are there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from sca_hf.benchmarks import Answer
from sca_hf.errors import InputError
from sca_hf.evaluation.clean_up import clean_up

Format = Literal["evalplus", "base", "sca"]
FORMATS: tuple[Format, ...] = ("evalplus", "base", "sca")

_REQUEST = "Please provide a self-contained Python script that solves the following problem in a markdown code block:"
_REPLY = (
    "Below is a Python script with a self-contained function that solves the problem and passes corresponding tests:"
)
_SPLIT = "-[[]]-here-the-model-goes-on-[[]]-"
_ENDS = ("<|endoftext|>", "<|endofmask|>", "</s>", "\nif __name__", "\ndef main(", "\nprint(")
_BASE_ENDS: Mapping[str, tuple[str, ...]] = {
    "humaneval": ("\ndef ", "\nclass ", "\nimport ", "\nfrom ", "\nassert "),
    "mbpp": ('\n"""', "\nassert"),
}
_SCA_HEADING = "### Instruction"


class FunctionText(Protocol):
    """A task as far as a prompt shows it."""

    @property
    def prompt(self) -> str: ...

    @property
    def entry(self) -> str: ...


@dataclass(frozen=True)
class Asked:
    """A prompt as the engine gets it, where to stop, and how much may be written."""

    text: str
    stop: tuple[str, ...]
    max_tokens: int


def chosen_format(tokenizer: Any, wanted: Format | None) -> Format:
    """The wanted format, or the one that suits the model. Raises InputError where it needs a chat template."""
    template = tokenizer.chat_template
    if wanted is None:
        return "base" if not template else "sca" if _SCA_HEADING in template else "evalplus"
    if wanted != "base" and not template:
        raise InputError(f"--prompt {wanted} needs a chat template, and the model's tokenizer has none; give base")
    return wanted


def ask(how: Format, task: FunctionText, tokenizer: Any) -> Asked:
    """The prompt of one task."""
    mbpp = task.prompt.lstrip().startswith('"""')
    if how == "base":
        return Asked(task.prompt.strip() + "\n", _ENDS + _BASE_ENDS["mbpp" if mbpp else "humaneval"], 768)
    if how == "evalplus":
        request = f"{_REQUEST}\n```\n{task.prompt.strip()}\n```\n"
        reply = f"{_REPLY}\n```python\n{_SPLIT}\n```\n"
        return Asked(_begun(tokenizer, request, reply), (*_ENDS, "\n```\n"), 768)
    request = _sca_mbpp(task.prompt) if mbpp else f"Write a Python function to solve the given task:\n\n{_fence(task)}"
    return Asked(_begun(tokenizer, request, f"```python\n{_SPLIT}"), ("\n```",), 1024)


def answer_of(how: Format, task_id: str, task: FunctionText, sample: int, completion: str) -> Answer:
    """What is graded."""
    if how == "sca":
        return Answer(task_id, sample, solution=f"{task.prompt}\n{completion}")
    text = completion.replace("\t", "    ")
    if how == "base":
        text = task.prompt.strip() + "\n" + text
    return Answer(task_id, sample, solution=clean_up(text, task.entry))


def _begun(tokenizer: Any, request: str, reply: str) -> str:
    """The conversation up to where the model goes on.

    An engine tokenizes it: a BOS that the tokenizer puts in front by itself is left out.
    """
    messages = [{"role": "user", "content": request}, {"role": "assistant", "content": reply}]
    text: str = tokenizer.apply_chat_template(messages, tokenize=False).split(_SPLIT)[0]
    adds_bos = tokenizer.bos_token and tokenizer("").input_ids[:1] == [tokenizer.bos_token_id]
    return text.removeprefix(tokenizer.bos_token) if adds_bos else text


def _fence(task: FunctionText) -> str:
    return f"```python\n{task.prompt.strip()}\n```"


def _sca_mbpp(prompt: str) -> str:
    text = prompt[prompt.index('"""') + 3 : prompt.rindex('"""')]
    sentence, assertion, rest = text.partition("assert")
    sentence = sentence.strip()
    sentence += "" if sentence.endswith(".") else "."
    return f"{sentence}\n\n```python\n{(assertion + rest).strip()}\n```"
