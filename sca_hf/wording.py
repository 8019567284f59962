"""Numbers in sentences."""


def counted(number: int, thing: str) -> str:
    """Return "1 row", "1,280 rows": how many of a thing, whose plural ends in "s"; a verb behind it must fit both."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"
