"""Batches of texts of like length, one text a row, so that training sees a text as the engine will: from position 0."""

import random
from collections.abc import Iterator
from itertools import islice

import torch
from demo_model.corpus import draw_texts
from transformers import PreTrainedTokenizerFast

_POOL = 512
_MAX_LENGTH = 768

Batch = tuple[torch.Tensor, torch.Tensor]


def draw_batches(
    tokenizer: PreTrainedTokenizerFast, kind: str, seed: str, tokens: int, prompt_weight: float
) -> Iterator[Batch]:
    """Endless batches of about `tokens` tokens of one kind of text.

    A batch is ids and loss weights, int64 and float32 [rows, length].

    A token's weight is that of predicting it: 1 in completions, `prompt_weight` in prompts, 0 in the padding.
    Texts of more than 768 tokens are left out.
    """
    texts = draw_texts(kind, seed)
    rng = random.Random(f"{seed}/{kind}/order")
    end = tokenizer.eos_token_id
    while True:
        rows = []
        pool = list(islice(texts, _POOL))
        prompts = tokenizer([text.prompt for text in pool])["input_ids"]
        completions = tokenizer([text.completion for text in pool])["input_ids"]
        for prompt, completion in zip(prompts, completions, strict=True):
            ids = [*prompt, *completion, end]
            weights = [prompt_weight] * len(prompt) + [1.0] * (len(completion) + 1)
            if len(ids) <= _MAX_LENGTH:
                rows.append((ids, weights))
        rows.sort(key=lambda row: len(row[0]))
        groups: list[list[tuple[list[int], list[float]]]] = [[]]
        for row in rows:
            if groups[-1] and (len(groups[-1]) + 1) * len(row[0]) > tokens:
                groups.append([])
            groups[-1].append(row)
        rng.shuffle(groups)
        for group in groups:
            yield _padded(group, end)


def _padded(group: list[tuple[list[int], list[float]]], end: int) -> Batch:
    length = max(len(ids) for ids, _ in group)
    ids = torch.full((len(group), length), end)
    weights = torch.zeros(len(group), length)
    for place, (row, row_weights) in enumerate(group):
        ids[place, : len(row)] = torch.tensor(row)
        weights[place, : len(row)] = torch.tensor(row_weights)
    return ids, weights
