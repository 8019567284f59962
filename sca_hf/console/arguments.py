"""Kinds of arguments that several commands take."""

import argparse


def positive(text: str) -> int:
    """Return a positive integer. Raises argparse.ArgumentTypeError."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive integer")
    return int(text)
