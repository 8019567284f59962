"""Python code in Markdown, as responses and tests are written: what a CommonMark parser reads as a code block.

A block is Python if its tag says so. Without a tag it is Python if it parses and does something, else output.
"""

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from markdown_it import MarkdownIt
from markdown_it.token import Token

from sca_hf.prompts.syntax import parsed

_PYTHON_TAGS = {"py", "py3", "python", "python3", "ipython", "ipython3"}
_TAG = re.compile(r"[\s{.]*(?P<tag>[\w+-]*)")  # also "{.python …}", "python:main.py", "python3.11"
_PROMPT = ">>>"
_BACKTICKS = re.compile(r"`{3,}")

# Blocks alone: of a paragraph its lines are enough. HTML would hide the fences below a tag of a model's own, such as
# <answer>; `[Tests]: …` would be a link's definition, which leaves no trace.
_PARSER = MarkdownIt("commonmark", {"html": False}).disable(["inline", "reference"])


@dataclass(frozen=True)
class CodeBlock:
    """`code` without its fence and indentation, from line `code_line` of the text on. The block, fences included, takes
    the lines `line` to `end`, from 0 and without the last. `is_closed`: it has a closing fence; code that is indented
    has none."""

    code: str
    line: int
    code_line: int
    end: int
    is_python: bool
    is_closed: bool


def code_blocks(text: str) -> list[str]:
    """Return the Python code blocks of `text` in order. An unclosed fence goes on to the end of the text."""
    return [block.code for block in blocks_of(markdown_tokens(text)) if block.is_python]


@lru_cache(maxsize=4)  # what is asked of one text is asked at once
def markdown_tokens(text: str) -> Sequence[Token]:
    """Return the block tokens of `text` by CommonMark; the parser reads it as `normal_text` writes it."""
    return tuple(_PARSER.parse(text))


def normal_text(text: str) -> str:
    """Return `text` as the parser reads it, so that what is published holds the very code that was run."""
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\N{REPLACEMENT CHARACTER}")


def blocks_of(tokens: Sequence[Token], first_line: int = 0) -> Iterator[CodeBlock]:
    """Yield the code blocks among the tokens of a text that begins at line `first_line`."""
    for token in tokens:
        if token.type not in {"fence", "code_block"} or token.map is None:
            continue
        line = first_line + token.map[0]
        if token.type == "code_block" and token.content.lstrip().startswith(("```", "~~~")):
            yield from blocks_of(markdown_tokens(token.content), line)  # fences that are indented far
        else:
            end = first_line + token.map[1]
            inside = token.content.removesuffix("\n").count("\n") + bool(token.content)
            is_fenced = token.type == "fence"
            is_closed = is_fenced and end - line == inside + 2
            is_python = _is_python(token.info, token.content)
            yield CodeBlock(token.content, line, line + is_fenced, end, is_python, is_closed)


def closed(text: str) -> str:
    """Return `text`, which ends in no blank line, with a closing fence if its last block lacks one.

    Within a list or a quote none is added: there a block ends with its list.
    """
    fences = [token for token in markdown_tokens(text) if token.type == "fence"]
    last = next(iter(blocks_of(fences[-1:])), None)
    open_to_the_end = last is not None and not last.is_closed and last.end == len(text.split("\n"))
    return f"{text}\n{fences[-1].markup}" if open_to_the_end and fences[-1].level == 0 else text


def fenced(code: str) -> str:
    """Return a Python block that holds `code`, whatever backticks are in it."""
    fence = "`" * max([3, *(len(run) + 1 for run in _BACKTICKS.findall(code))])
    return f"{fence}python\n{code}\n{fence}"


def _is_python(info: str, code: str) -> bool:
    if code.lstrip().startswith(_PROMPT):
        return False  # a session that shows how the code is used
    match = _TAG.match(info)
    tag = match["tag"].lower() if match else ""
    return tag in _PYTHON_TAGS if tag else _does_something(code)


def _does_something(code: str) -> bool:
    """Whether `code` has a definition or a statement. Output has none: `[1, 2]`, `Point(x=1)`, `Result: 3`."""
    tree = parsed(code)
    return tree is not None and not all(map(_is_a_value, tree.body))


def _is_a_value(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) or (isinstance(node, ast.AnnAssign) and node.value is None)
