"""Instructions with their names and literals taken out, and those that the training has seen."""

import random
import re
from collections.abc import Iterator

from demo_model.corpus import KINDS
from demo_model.sources import INT_NOUNS, NUMBER_WORDS, STR_NOUNS, plural
from demo_model.tasks import draw_task

_NOUNS = sorted({*INT_NOUNS, *STR_NOUNS, *map(plural, INT_NOUNS), *map(plural, STR_NOUNS)}, key=len, reverse=True)
# Literals of an instruction: names in backticks, quoted texts, numbers in digits or words. The nouns of the values go
# too: in the code they are names.
_LITERALS = (
    (re.compile(r"`[^`]*`"), "NAME"),
    (re.compile(r"'[^']*'"), "TEXT"),
    (re.compile(r"\b(\d+|" + "|".join(NUMBER_WORDS) + r")\b"), "NUMBER"),
    (re.compile(r"\b(" + "|".join(_NOUNS) + r")\b"), "NOUN"),
)


def normalised(instruction: str) -> str:
    """The instruction in lower case with placeholders for every name, literal and noun."""
    text = instruction.lower()
    for pattern, placeholder in _LITERALS:
        text = pattern.sub(placeholder, text)
    return " ".join(text.split())


def trained_instructions(seed: int, processes: int, texts: int) -> Iterator[str]:
    """The normalised instructions of the first `texts` texts of each process and kind, in the training's own order."""
    for process in range(processes):
        for kind in KINDS:
            if kind == "S->C":
                continue
            for place in range(texts):
                # As in draw_texts: an instruction's task is the first thing that its random source makes.
                task = draw_task(random.Random(f"train-{seed}-{process}/{kind}/{place}"))
                yield normalised(task.instruction)
