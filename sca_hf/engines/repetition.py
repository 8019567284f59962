"""Completions that repeat themselves until something ends them."""

from dataclasses import dataclass

_TIMES = 3
_CHARACTERS = 200


@dataclass(frozen=True)
class RepetitionDetection:
    """When vLLM ends a completion: a passage of tokens has come `min_count` times on end.

    The passage has `min_pattern_size` to `max_pattern_size` tokens. A shorter one counts by its multiples.
    """

    max_pattern_size: int
    min_pattern_size: int
    min_count: int


def ends_in_repetition(text: str) -> bool:
    """Return whether the last 200 characters or more of a text are one passage, at least three times on end.

    For what no engine has detected: the passage may be of any length, and may be cut off the last time. Ask this only
    of a text that did not come to its end: a table of zeros may well be the end of another.
    """
    matches = _matches_of_start(text[::-1])
    return any(
        period + matches[period] >= max(_CHARACTERS, _TIMES * period) for period in range(1, len(text) // _TIMES + 1)
    )


def _matches_of_start(text: str) -> list[int]:
    """Return how many characters from each place on are those that the text begins with (its Z function)."""
    matches = [0] * len(text)
    left = right = 0
    for place in range(1, len(text)):
        matched = min(right - place, matches[place - left]) if place < right else 0
        while place + matched < len(text) and text[matched] == text[place + matched]:
            matched += 1
        matches[place] = matched
        if place + matched > right:
            left, right = place, place + matched
    return matches
