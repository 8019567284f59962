"""What copies an exemplar, and what only has a phrase of it."""

from typing import get_args

import pytest

from sca_hf.filters.copies import ExemplarCopies, WrittenPart, written_parts
from sca_hf.prompts.few_shot import load_few_shot
from sca_hf.recipe import load_recipe
from sca_hf.stages.instructions import InstructionsSettings

EXEMPLARS = load_few_shot("default").exemplars
COPIES = ExemplarCopies(written_parts(EXEMPLARS), InstructionsSettings().max_copied or 0.0)
ALL = range(len(EXEMPLARS))


@pytest.mark.parametrize("part", get_args(WrittenPart))
def test_an_exemplar_is_a_copy_of_itself_and_of_no_other(part: WrittenPart) -> None:
    for index, exemplar in enumerate(EXEMPLARS):
        text = getattr(exemplar, part)
        assert COPIES.find(part, text, ALL) == index
        assert COPIES.find(part, text, [other for other in ALL if other != index]) is None
        assert COPIES.find(part, f"Sure!\n\n{text.upper()}\n\nThat is all.", ALL) == index


@pytest.mark.parametrize("part", get_args(WrittenPart))
def test_half_of_an_exemplar_and_one_among_twice_its_words_are_copies(part: WrittenPart) -> None:
    for index, exemplar in enumerate(EXEMPLARS):
        words = getattr(exemplar, part).split()
        assert COPIES.find(part, " ".join(words[: len(words) // 2]), ALL) == index
        assert COPIES.find(part, " ".join([*map(str, range(2 * len(words))), *words]), ALL) == index


# What the 0.5B model wrote next to the exemplar 3 ("A frozen dataclass gives us …") and was no copy of it.
STYLE = '''A frozen dataclass is the only way to define methods, and they must be set to a method type. `__init__`
and `update_info` are the place to set getters and setters:

```python
from dataclasses import dataclass


@dataclass(frozen=True)
class User:
    """A user with a name, an age and an email."""

    name: str
    age: int
    email: str

    def get_info(self):
        return f"{self.name}, {self.age}, {self.email}"
```
'''


@pytest.mark.parametrize(
    ("part", "text"),
    [
        ("response", STYLE),
        ("response", ""),
        ("instruction", "Write a function that takes a list of integers and returns a list of pairs."),
        ("tests", 'if __name__ == "__main__":\n    unittest.main()'),
        ("tests", "assert f(1) == 2"),
    ],
)
def test_common_phrases_are_no_copies(part: WrittenPart, text: str) -> None:
    assert COPIES.find(part, text, ALL) is None


def test_exemplars_of_other_prompts_are_no_matter() -> None:
    assert COPIES.find("tests", EXEMPLARS[3].tests, [2, 4]) is None
    assert COPIES.find("tests", EXEMPLARS[3].tests, [2, 4, 3]) == 3


@pytest.mark.parametrize("name", ["selfcodealign", "selfcodealign-fast", "starcoder2-instruct"])
def test_the_papers_recipes_let_copies_through(name: str) -> None:
    recipe = load_recipe(name)
    assert (recipe["instructions"].max_copied, recipe["responses"].max_copied) == (None, None)
