"""Functions to measure with: real ones of what is installed, and changed ones."""

from __future__ import annotations

import builtins
import keyword
import random
import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Dataset

from sca_hf.corpus.decoding import decode
from sca_hf.corpus.languages.python.functions import PARSER_ERRORS, Function, documented_functions
from sca_hf.corpus.sources import open_source

_PACKAGES = (
    "numpy",
    "pandas",
    "sympy",
    "networkx",
    "matplotlib",
    "transformers",
    "fontTools",
    "torch",
    "scipy",
    "vllm",
)
FILE_FUNCTIONS = 20
_WORD = re.compile(r"\b[a-z_]{4,}\b")
_KEPT = {*keyword.kwlist, *dir(builtins), "self"}


def source_files() -> Iterator[bytes]:
    """The standard library's files, then those of well-known packages that are installed."""
    yield from standard_library()
    for package in _PACKAGES:
        folder = Path(sysconfig.get_path("purelib"), package)
        yield from (path.read_bytes() for path in sorted(folder.rglob("*.py")) if "tests" not in path.parts)


def standard_library() -> Iterator[bytes]:
    """The files of the running interpreter's standard library."""
    rows = open_source("stdlib").rows
    assert isinstance(rows, Dataset)
    yield from (row["content"] for row in rows)


def functions(count: int) -> list[str]:
    """So many documented functions below their imports, each text once; fewer if there are no more."""
    found: dict[str, None] = {}
    for function in _documented():
        found[function.standalone] = None
        if len(found) == count:
            break
    return list(found)


def write_mutated(path: Path, count: int) -> None:
    """A Parquet file with one row a file of 20 functions, `count` functions in all.

    They are drawn from all that stand alone (nothing undefined in them, no relative import), and up to 60 % of their
    words are replaced, wherever they come: all but keywords, builtins and what is on import lines.
    """
    alone = (function for function in _documented() if not function.undefined)
    originals = [each.standalone for each in alone if not any(name.startswith(".") for name in each.modules)]
    draw = random.Random(7)
    schema = pa.schema({"content": pa.string()})
    with pq.ParquetWriter(path, schema) as writer:
        for begin in range(0, count, 10_000):
            texts = [_mutated(draw.choice(originals), draw) for _ in range(begin, min(begin + 10_000, count))]
            files = ["\n\n\n".join(texts[at : at + FILE_FUNCTIONS]) for at in range(0, len(texts), FILE_FUNCTIONS)]
            writer.write_table(pa.table({"content": files}, schema=schema))


def with_similarity(text: str, similarity: float, draw: random.Random) -> str:
    """The text with words at its end replaced, so that about so much of its n-grams is left."""
    pieces = re.split(r"(\w+)", text)
    words = len(pieces) // 2
    kept = round(words * 2 * similarity / (1 + similarity))
    return "".join(
        f"x{draw.randrange(10**9)}" if number % 2 and number // 2 >= kept else piece
        for number, piece in enumerate(pieces)
    )


def _documented() -> Iterator[Function]:
    for content in source_files():
        try:
            yield from documented_functions(decode(content))
        except (*PARSER_ERRORS, LookupError):
            continue


def _mutated(text: str, draw: random.Random) -> str:
    share, mark = draw.random() * 0.6, draw.randrange(10**6)
    imported = {word for line in re.findall(r"^(?:from|import) .*", text, re.MULTILINE) for word in _WORD.findall(line)}
    words = {word for word in sorted(set(_WORD.findall(text)) - _KEPT - imported) if draw.random() < share}
    return _WORD.sub(lambda match: f"{match[0]}_{mark}" if match[0] in words else match[0], text)
