"""Tests that were cut off: what is whole of them."""

import ast

from sca_hf.prompts.syntax import last_name, parsed

_RAISES = {"raises", "warns"}  # of pytest


def whole_tests(code: str, *, repeats: bool) -> str | None:
    """Return the beginning of `code` up to its last whole statement; None if it checks nothing.

    The last line of `code` isn't whole, wherever it ends. A test function whose end is missing keeps the statements
    that are there. Of code that repeats itself (`repeats`) one round is left: it ends where its last whole line stands
    for the first time.
    """
    lines = code.split("\n")[:-1]
    if repeats:
        last = next((line for line in reversed(lines) if line.strip()), "")
        lines = lines[: lines.index(last) + 1] if last else []
    for end in range(len(lines), 0, -1):
        tree = parsed("\n".join(lines[:end]))
        if tree is not None:
            return "\n".join(lines[:end]).rstrip() if any(map(_checks, ast.walk(tree))) else None
    return None


def _checks(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        name = last_name(node.func)
        return name.startswith("assert") or name in _RAISES
    return isinstance(node, ast.Assert)
