"""Rows as tokens: what a model sees, and which of it the loss is on.

A prompt is tokenized just as an engine will tokenize it, the response by itself, and EOS ends it. So generation starts
from token ids that training has seen, whatever a tokenizer would merge across the border.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from datasets import Dataset, Features, List, Value

from sca_hf.prompts.chat import chat_prompt

IGNORED = -100
"""The label of a token that the loss leaves out."""


@dataclass(frozen=True)
class Tokenized:
    """`rows`: `input_ids` and `labels`. Of the rows given, `cut` lost an end, `left_out` had no room for a response.

    `tokens`: of all rows; `trained`: those that the loss is on.
    """

    rows: Dataset
    cut: int
    left_out: int
    tokens: int
    trained: int


def tokenize(rows: Dataset, tokenizer: Any, max_length: int) -> Tokenized:
    """Tokenize rows with `prompt` and `completion`, each a text or a list of messages, cut on the right."""
    features = Features({"input_ids": List(Value("int32")), "labels": List(Value("int32")), "full": Value("int32")})
    made = rows.map(lambda row: encode(row, tokenizer, max_length), remove_columns=rows.column_names, features=features)
    room = [any(label != IGNORED for label in labels) for labels in made["labels"]]
    lengths = list(made["full"])
    kept = made.select([index for index, has_room in enumerate(room) if has_room]).remove_columns("full")
    return Tokenized(
        rows=kept,
        cut=sum(length > max_length for length in lengths),
        left_out=room.count(False),
        tokens=sum(len(ids) for ids in kept["input_ids"]),
        trained=sum(label != IGNORED for labels in kept["labels"] for label in labels),
    )


def encode(row: Mapping[str, Any], tokenizer: Any, max_length: int) -> dict[str, Any]:
    """Return `input_ids` and `labels` of a row, and how many tokens it has in `full`."""
    prompt, completion = row["prompt"], row["completion"]
    if not isinstance(prompt, str):
        prompt, completion = chat_prompt(tokenizer, prompt), completion[-1]["content"]
    asked = tokenizer(prompt)["input_ids"]
    answered = [*tokenizer(completion, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    return {
        "input_ids": [*asked, *answered][:max_length],
        "labels": [*[IGNORED] * len(asked), *answered][:max_length],
        "full": len(asked) + len(answered),
    }
