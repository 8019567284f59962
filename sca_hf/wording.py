"""Numbers in sentences, and what is shown of long texts."""


def counted(number: int, thing: str) -> str:
    """Return "1 row", "1,280 rows": how many of a thing, whose plural ends in "s"; a verb behind it must fit both."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def first_lines(text: str, most: int) -> str:
    """Return the first lines of a text, and below them how many more it has."""
    lines = text.splitlines()
    more = [f"… {counted(len(lines) - most, 'more line')}"] if len(lines) > most else []
    return "\n".join([*lines[:most], *more])
