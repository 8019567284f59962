"""Whether extraction finds what `ast` finds in every file, and what tree-sitter's query finds in broken ones."""

import ast
import random
import sysconfig
from collections.abc import Iterator
from multiprocessing import Pool
from pathlib import Path

from seeds.extraction import queried_names
from seeds.tree import timed

from sca_hf.corpus.decoding import decode
from sca_hf.corpus.languages.python import rules as python
from sca_hf.corpus.languages.python.functions import PARSER_ERRORS, documented_functions, parse
from sca_hf.corpus.sources import open_source

PACKAGES = (
    "numpy",
    "pandas",
    "pyarrow",
    "torch",
    "transformers",
    "datasets",
    "huggingface_hub",
    "pydantic",
    "jinja2",
    "matplotlib",
)
_PROCESSES = 2
_BREAKS = ("print 'x'", "exec code in scope", "x = (", "<<<<<<< HEAD", "    return }", "def broken(:", "x = '''")


def measure_agreement() -> None:
    """Every file of the standard library and of ten packages, as it is and with a line that breaks it."""
    files = [content for content in _contents() if content]
    with Pool(_PROCESSES) as pool:
        agreed, seconds = timed(lambda: pool.map(_agreement, files, chunksize=20))
        broken, broken_seconds = timed(lambda: pool.map(_broken, enumerate(files), chunksize=20))
    parsed = [found for found in agreed if found is not None]
    print(
        f"agree: {len(files)} files of the standard library and {len(PACKAGES)} packages in {seconds:.0f} s, "
        f"{len(files) - len(parsed)} of which don't parse; {sum(count for count, _ in parsed)} documented functions; "
        f"{sum(not same for _, same in parsed)} files in which ours and ast's differ"
    )
    ours, theirs = (sum(found[side] for found in broken) for side in (0, 1))
    print(
        f"agree: each broken by a line, {broken_seconds:.0f} s: ours {ours} functions, tree-sitter's query {theirs}; "
        f"files in which ours finds fewer: {sum(found[0] < found[1] for found in broken)}"
    )


def _contents() -> Iterator[bytes]:
    yield from open_source("stdlib").rows["content"]
    for package in PACKAGES:
        folder = Path(sysconfig.get_path("purelib"), package)
        yield from (path.read_bytes() for path in sorted(folder.rglob("*.py")))


def _agreement(content: bytes) -> tuple[int, bool] | None:
    """How many functions `ast` finds, and whether ours are the same with the same text; None: it does not parse."""
    text = decode(content)
    try:
        tree = parse(text)
    except PARSER_ERRORS:
        return None
    lines = text.split("\n")
    expected = [
        (node.name, "\n".join(lines[_first(node) - 1 : node.end_lineno]).rstrip())
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (ast.get_docstring(node) or "").strip()
    ]
    return len(expected), [(found.name, found.source) for found in documented_functions(text)] == expected


def _first(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def _broken(numbered: tuple[int, bytes]) -> tuple[int, int]:
    """Functions that ours and tree-sitter's query find, once a line is put in somewhere that breaks the file."""
    number, content = numbered
    draw = random.Random(number)
    lines = decode(content).split("\n")
    lines.insert(draw.randrange(len(lines)), draw.choice(_BREAKS))
    text = "\n".join(lines)
    found, _ = python.functions(text, ["function"])
    ours = {function.name for function in found}
    return len(ours), len(queried_names(text))
