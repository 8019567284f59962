"""The standard output, on a terminal and in a file."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

WIDTH = 80
"""What everybody's terminal has: tables fit it, and a file is as wide."""


def terminal() -> Console:
    """Return the standard output: as wide as the terminal, WIDTH in a file."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDTH
    return console


def plain_table(title: str | None, texts: Sequence[str], numbers: Sequence[str] = ()) -> Table:
    """Return a table with columns of texts, then of numbers, and no lines between them; a cell that is too wide goes on
    in its next line."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=0, show_edge=False)
    for name in texts:
        table.add_column(name, overflow="fold")
    for name in numbers:
        table.add_column(name, justify="right", overflow="fold")
    return table


def with_note(table: Table, note: str) -> Group:
    """Return a table with a line below it, if there is one, which may be wider than the table."""
    return Group(table, *([Text(note, "dim")] if note else []))
