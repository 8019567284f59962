"""Responses and tests that somebody else wrote, as the prompts have them: Markdown with fenced code."""

import ast

from sca_hf.prompts.code_blocks import code_blocks, fenced
from sca_hf.prompts.syntax import parsed
from sca_hf.stage import Unreadable


def as_markdown(text: str) -> str:
    """Return a text as Markdown: in a fence if all of it is Python, else as it is."""
    return fenced(text.strip("\n")) if _is_code(text) else text


def with_code(text: str) -> str:
    """Return a text as Markdown with code. Raises Unreadable if it has none."""
    markdown = as_markdown(text)
    if text.strip() and not code_blocks(markdown):
        raise Unreadable("without-code")
    return markdown


def _is_code(text: str) -> bool:
    """Whether all of a text is Python that does something; a word is a name, and does nothing."""
    tree = parsed(text)
    return tree is not None and not all(
        isinstance(node, ast.Expr) and not isinstance(node.value, ast.Call | ast.Await) for node in tree.body
    )
