"""Code blocks out of Markdown, as responses and tests are written."""

import re

_BLOCK = re.compile(r"^```(?P<language>[\w+-]*)[ \t]*\n(?P<code>.*?)^```[ \t]*$", re.DOTALL | re.MULTILINE)
_PYTHON = {"", "py", "python", "python3"}


def code_blocks(text: str) -> list[str]:
    """The fenced Python blocks of `text` in order, without their fences; an unclosed fence is not a block."""
    return [match["code"] for match in _BLOCK.finditer(text) if match["language"].lower() in _PYTHON]
