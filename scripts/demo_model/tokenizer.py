"""The demo model's tokenizer: byte-level BPE trained on the demo texts, one token a digit."""

from collections.abc import Iterator
from itertools import islice

from demo_model.corpus import draw_texts
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

END_OF_TEXT = "<|endoftext|>"
# Words split at capitals (`DailyPriceBox`) and before underscores (`sum`, `_daily`, `_prices`): a name is copied word
# by word, and each word but the first follows from the one before it.
_PIECES = r" ?[A-Z][a-z]*| ?_?[a-z]+| ?\d| ?[^\sA-Za-z\d_]+|_+|\s+(?!\S)|\s+"


def train_tokenizer(size: int) -> PreTrainedTokenizerFast:
    """A tokenizer of `size` tokens; the same for the same texts."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_sample(), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END_OF_TEXT,
        pad_token=END_OF_TEXT,
        model_max_length=2048,
        clean_up_tokenization_spaces=False,
    )


def _sample() -> Iterator[str]:
    for kind, count in (("I->R", 6000), ("C->I", 1000), ("S->C", 800)):
        for text in islice(draw_texts(kind, "tokenizer"), count):
            yield text.prompt + text.completion
