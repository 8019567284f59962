"""The processes that a measurement looks at."""

from collections.abc import Iterator
from pathlib import Path


def tree(process: int) -> Iterator[int]:
    """A process and all below it, outermost first; those that end meanwhile may be missing."""
    yield process
    for children in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            for child in children.read_text().split():
                yield from tree(int(child))
        except OSError:
            continue
