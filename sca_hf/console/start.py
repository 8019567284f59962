"""What the main module of a command does first."""

import sys
from importlib.util import find_spec

from sca_hf.console.interrupts import end_at_interrupts


def start() -> None:
    """End with one line and the exit code 2 if this Python lacks the packages; let Ctrl-C end the command at once."""
    if find_spec("datasets") is None:
        print(
            f"error: {sys.executable} lacks the package 'datasets'; "
            "give the command with .venv/bin/python, which `make setup` makes",
            file=sys.stderr,
        )
        sys.exit(2)
    end_at_interrupts()
