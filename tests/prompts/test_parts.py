"""Files of prompts with parts of a stage's own: what a prompt shows, and mistakes in a file."""

from pathlib import Path

import pytest

from sca_hf.errors import InputError
from sca_hf.prompts.parts import load_part_prompts, parse_part_prompts

TEXT = """### System
Turn it around.

### Change: upside down
Put the last first.

### Example 1
[Word]
tip

[Mirrored Word]
pit

### Example 2
[Word]
[Other] is no part here

[Mirrored Word]
won
"""
PARTS = ("Word", "Mirrored Word")


def test_a_prompt_shows_exemplars_and_ends_where_the_asked_part_begins() -> None:
    prompts = parse_part_prompts(TEXT, PARTS, "own.txt")
    assert prompts.texts == {"Change": {"upside down": "Put the last first."}}
    assert prompts.of({"Word": "saw"}, "Mirrored Word") == (
        "Turn it around.\n\n### Example 1\n[Word]\ntip\n\n[Mirrored Word]\npit\n\n"
        "### Example 2\n[Word]\n[Other] is no part here\n\n[Mirrored Word]\nwon\n\n"
        "### Example 3\n[Word]\nsaw\n\n[Mirrored Word]\n"
    )


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("### System\nTurn it around.\n", "", "no text under '### System'"),
        ("[Mirrored Word]\npit", "pit", "Example 1: parts are ['Word']; expected each of [Word], [Mirrored Word]"),
        ("pit", "", "Example 1: [Mirrored Word] is empty; write it"),
        ("[Word]\ntip\n\n[Mirrored Word]\npit", "[Mirrored Word]\npit\n\n[Word]\ntip", "once, in this order"),
    ],
)
def test_a_mistake_is_told_with_its_place(before: str, after: str, message: str) -> None:
    assert before in TEXT
    with pytest.raises(InputError) as caught:
        parse_part_prompts(TEXT.replace(before, after, 1), PARTS, "own.txt")
    assert message in str(caught.value)
    assert str(caught.value).startswith("own.txt")


def test_each_text_that_a_prompt_may_show_counts(tmp_path: Path) -> None:
    file = tmp_path / "own.txt"

    def sha(text: str, shots: int = 1) -> str:
        file.write_text(text)
        return load_part_prompts("own.prompts", str(file), "none.txt", PARTS, shots).sha

    usual = sha(TEXT)
    assert usual == sha(TEXT.replace("won", "now"))  # of an exemplar that isn't shown
    for before in ("Turn", "Put the last", "upside", "tip"):
        assert sha(TEXT.replace(before, "Let")) != usual
    with pytest.raises(InputError, match="has 2 exemplars, and 3 shots are asked for"):
        sha(TEXT, 3)
