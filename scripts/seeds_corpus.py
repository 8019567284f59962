"""Functions to measure with: real ones of what is installed, changed ones, and what a measurement costs."""

from __future__ import annotations

import keyword
import os
import random
import re
import sysconfig
import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sca_hf.functions import PARSER_ERRORS, decode, documented_functions
from sca_hf.sources import open_source

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


def source_files() -> Iterator[bytes]:
    """The standard library's files, then those of well-known packages that are installed."""
    yield from (row["content"] for row in open_source("stdlib").rows)
    for package in _PACKAGES:
        folder = Path(sysconfig.get_path("purelib"), package)
        yield from (path.read_bytes() for path in sorted(folder.rglob("*.py")) if "tests" not in path.parts)


def functions(count: int) -> list[str]:
    """So many documented functions below their imports, each text once; fewer if there are no more."""
    found: dict[str, None] = {}
    for content in source_files():
        try:
            found |= dict.fromkeys(function.standalone for function in documented_functions(decode(content)))
        except (*PARSER_ERRORS, LookupError):
            continue
        if len(found) >= count:
            break
    return list(found)[:count]


def write_mutated(path: Path, count: int) -> None:
    """One row a file of 20 functions, `count` functions in all."""
    originals = functions(5000)
    draw = random.Random(7)
    schema = pa.schema({"content": pa.string()})
    with pq.ParquetWriter(path, schema) as writer:
        for begin in range(0, count, 10_000):
            texts = [_mutated(draw.choice(originals), draw) for _ in range(begin, min(begin + 10_000, count))]
            files = ["\n\n\n".join(texts[at : at + 20]) for at in range(0, len(texts), 20)]
            writer.write_table(pa.table({"content": files}, schema=schema))


def _mutated(text: str, draw: random.Random) -> str:
    share, mark = draw.random() * 0.6, draw.randrange(10**6)
    words = {word for word in re.findall(r"\b[a-z_]{4,}\b", text) if draw.random() < share} - _KEPT
    return re.sub(r"\b[a-z_]{4,}\b", lambda match: f"{match[0]}_{mark}" if match[0] in words else match[0], text)


_KEPT = {*keyword.kwlist, "self", "print", "isinstance", "super", "range", "list", "dict"}


def with_similarity(text: str, similarity: float, draw: random.Random) -> str:
    """The text with words at its end replaced, so that about so much of its n-grams is left."""
    pieces = re.split(r"(\w+)", text)
    words = len(pieces) // 2
    kept = round(words * 2 * similarity / (1 + similarity))
    return "".join(
        f"x{draw.randrange(10**9)}" if number % 2 and number // 2 >= kept else piece
        for number, piece in enumerate(pieces)
    )


def ngrams(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    return {tuple(words[begin : begin + 5]) for begin in range(max(1, len(words) - 4))}


def jaccard(one: str, other: str) -> float:
    first, second = ngrams(one), ngrams(other)
    return len(first & second) / len(first | second)


class Tree:
    """This process and all below it, looked at ten times a second: CPU seconds used meanwhile, and peak memory, MiB.

    Pages that several share count once.
    """

    def __enter__(self) -> Tree:
        self.peak_mib = 0.0
        self._used: dict[int, float] = {}
        self._before = _cpu_seconds(os.getpid())
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self.cpu_seconds = sum(self._used.values()) - self._before

    def _watch(self) -> None:
        while not self._over.wait(0.1):
            processes = list(_tree(os.getpid()))
            self._used |= {process: max(_cpu_seconds(process), self._used.get(process, 0)) for process in processes}
            self.peak_mib = max(self.peak_mib, sum(map(_pss_mib, processes)))


def _cpu_seconds(process: int) -> float:
    try:
        fields = Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return 0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _tree(process: int) -> Iterator[int]:
    yield process
    for children in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            for child in children.read_text().split():
                yield from _tree(int(child))
        except OSError:
            continue


def _pss_mib(process: int) -> float:
    try:
        found = re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{process}/smaps_rollup").read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) / 1024 if found else 0
