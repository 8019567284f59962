"""What every format is made of: a prompt with its stops, and a conversation up to where the model goes on."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Format = Literal["sca", "evalplus", "instruct", "base"]
FORMATS: tuple[Format, ...] = ("sca", "evalplus", "instruct", "base")
"""`sca`: SelfCodeAlign's, for models that this project tuned. `evalplus`: evalplus' chat format, for benchmarks of
functions. `instruct`: the chat format of any other benchmark's authors. `base`: for models without a chat template."""

_SPLIT = "-[[]]-here-the-model-goes-on-[[]]-"


@dataclass(frozen=True)
class Asked:
    """A prompt as the engine gets it, where to stop, and how much may be written."""

    text: str
    stop: tuple[str, ...]
    max_tokens: int


Complete = Callable[[Asked], Awaitable[str]]
"""Draws one completion; "" where the prompt is too long."""


def conversation(tokenizer: Any, *said: tuple[str, str], reply: str = "") -> str:
    """Return the text of a conversation up to where the model goes on: behind `reply`, the beginning of its answer.

    `said`: (role, content). An engine tokenizes the text: a BOS that the tokenizer puts in front by itself is left out.
    """
    messages: Sequence[dict[str, str]] = [{"role": role, "content": content} for role, content in said]
    if reply:
        messages = [*messages, {"role": "assistant", "content": f"{reply}{_SPLIT}"}]
        text = tokenizer.apply_chat_template(messages, tokenize=False).split(_SPLIT)[0]
    else:
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    adds_bos = tokenizer.bos_token and tokenizer("").input_ids[:1] == [tokenizer.bos_token_id]
    return str(text.removeprefix(tokenizer.bos_token) if adds_bos else text)
