"""Rows as tokens: the prompt as an engine sees it, the loss on the response and its EOS alone."""

from typing import Any

import pytest
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from sca_hf.prompts.chat import CHAT_TEMPLATE, chat_prompt
from sca_hf.training.tokens import IGNORED, encode, tokenize
from tests.training.rows import WORDS, conversation


def parted(word: str) -> dict[str, Any]:
    messages = conversation(word)
    return {"prompt": messages[:1], "completion": messages[1:]}


def test_the_loss_is_on_the_response_and_eos_alone(tokenizer: Any) -> None:
    row = encode(parted("apple"), tokenizer, 1280)
    learnt = [label for label in row["labels"] if label != IGNORED]
    assert tokenizer.decode(learnt) == conversation("apple")[1]["content"] + tokenizer.eos_token
    assert learnt[-1] == tokenizer.eos_token_id
    masked = row["input_ids"][: -len(learnt)]
    assert masked == tokenizer(chat_prompt(tokenizer, conversation("apple")[:1]))["input_ids"]
    assert row["labels"] == [IGNORED] * len(masked) + learnt
    assert row["full"] == len(row["input_ids"])


def test_the_prompt_has_the_papers_headings(tokenizer: Any) -> None:
    text = chat_prompt(tokenizer, conversation("apple")[:1])
    assert text.endswith("code.\n\n### Instruction\nReturn the word apple.\n\n### Response\n")
    whole = tokenizer.apply_chat_template(conversation("apple"), tokenize=False)
    assert whole == text + conversation("apple")[1]["content"] + tokenizer.eos_token
    twice = tokenizer.apply_chat_template(conversation("apple") * 2, tokenize=False)
    assert twice.startswith(whole + "\n\n### Instruction\n")


def test_a_system_message_is_refused(tokenizer: Any) -> None:
    with pytest.raises(Exception, match="user and assistant messages only"):
        chat_prompt(tokenizer, [{"role": "system", "content": "Be brief."}, *conversation("apple")[:1]])


@pytest.mark.parametrize("adds_it_itself", [True, False])
def test_bos_comes_once_and_is_masked(adds_it_itself: bool) -> None:
    inner = Tokenizer(models.WordLevel({"<s>": 0, "</s>": 1, "?": 2}, unk_token="?"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    if adds_it_itself:
        inner.post_processor = processors.TemplateProcessing("<s> $A", special_tokens=[("<s>", 0)])
    made = PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>", eos_token="</s>", unk_token="?")
    made.chat_template = CHAT_TEMPLATE
    row = encode(parted("apple"), made, 1280)
    assert row["input_ids"].count(0) == 1
    assert (row["input_ids"][0], row["labels"][0], row["labels"][-1]) == (0, IGNORED, 1)


def test_texts_are_taken_as_they_are(tokenizer: Any) -> None:
    row = encode({"prompt": '"""Add."""\n', "completion": "def add(): ..."}, tokenizer, 1280)
    assert tokenizer.decode(row["input_ids"]) == '"""Add."""\ndef add(): ...' + tokenizer.eos_token


def test_long_rows_are_cut_on_the_right_and_counted(tokenizer: Any) -> None:
    whole = [encode(parted(word), tokenizer, 1280) for word in WORDS]
    asked = max(row["labels"].count(IGNORED) for row in whole)
    rows = Dataset.from_list([*(parted(word) for word in WORDS), {**parted("apple"), "prompt": [_long()]}])
    made = tokenize(rows, tokenizer, asked + 3)
    assert (made.cut, made.left_out, len(made.rows)) == (9, 1, 8)
    assert made.rows[0]["input_ids"] == whole[0]["input_ids"][: asked + 3]
    assert made.tokens == sum(len(ids) for ids in made.rows["input_ids"])
    assert made.trained == sum(label != IGNORED for labels in made.rows["labels"] for label in labels)
    assert set(made.rows.column_names) == {"input_ids", "labels"}


def _long() -> dict[str, str]:
    return {"role": "user", "content": "Return the word apple. " * 50}
