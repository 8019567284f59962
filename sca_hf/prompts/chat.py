"""How a tuned model is prompted: the paper's headings, as a chat template that is saved with its tokenizer.

BOS (if the tokenizer has one), a sentence, then "### Instruction" and "### Response"; a response ends with EOS. The
template marks what the assistant says, so TRL's `assistant_only_loss` works with it. It refuses system messages, as the
paper's does.
"""

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

CHAT_TEMPLATE = (files("sca_hf") / "prompts" / "chat_template.jinja").read_text(encoding="utf-8")


def chat_prompt(tokenizer: Any, messages: Sequence[dict[str, str]]) -> str:
    """Return the text that a model goes on from, by its tokenizer's chat template.

    The text is for an engine, which tokenizes it: a BOS that the tokenizer puts in front by itself isn't part of it.
    """
    text: str = tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True)
    adds_bos = tokenizer.bos_token and tokenizer("").input_ids[:1] == [tokenizer.bos_token_id]
    return text.removeprefix(tokenizer.bos_token) if adds_bos else text
