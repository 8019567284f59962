"""Extraction against tree-sitter driven as the reference does, and against Python's parser alone."""

from collections.abc import Callable
from functools import cache
from itertools import islice
from multiprocessing import Pool
from statistics import median
from typing import Any

from seeds.corpus import source_files
from seeds.tree import timed

from sca_hf.corpus.decoding import decode
from sca_hf.corpus.languages.python.functions import PARSER_ERRORS, documented_functions, parse

_PROCESSES = 2
_RUNS = 5
_SHARE = 20  # files that a worker takes at once
_MAX_BYTES = 200_000


def measure_extraction(count: int = 1500) -> None:
    """So many files, each way in turn, several times, by the same workers."""
    files = list(islice((content for content in source_files() if len(content) < _MAX_BYTES), count))
    ways: dict[str, Callable[[bytes], int]] = {"ours": _ours, "parser": _parsed, "reference": _queried}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    functions: dict[str, int] = {}
    with Pool(_PROCESSES) as pool:
        for run in range(_RUNS + 1):
            for name, way in ways.items():
                found, taken = timed(lambda way=way: pool.map(way, files, chunksize=_SHARE))  # type: ignore[misc]
                functions[name] = sum(found)
                if run:  # the first run warms the workers
                    seconds[name].append(taken)
    ours, parser, reference = (median(seconds[name]) for name in ways)
    print(
        f"extract: {len(files)} files, {sum(map(len, files)) / 2**20:.1f} MiB, {_PROCESSES} processes, medians of "
        f"{_RUNS}: ours {ours:.2f} s, {functions['ours']} functions; ast.parse alone {parser:.2f} s (ours "
        f"{ours / parser:.2f} x); tree-sitter as the reference {reference:.2f} s, {functions['reference']} functions "
        f"({reference / ours:.2f} x ours)"
    )


def _ours(content: bytes) -> int:
    try:
        return len(documented_functions(decode(content)))
    except (*PARSER_ERRORS, LookupError):
        return 0


def _parsed(content: bytes) -> int:
    try:
        parse(decode(content))
    except (*PARSER_ERRORS, LookupError):
        return 0
    return 0


def _queried(content: bytes) -> int:
    """A query over each file, then each function parsed again to look for a return with a value."""
    parser, query, cursor = _reference()
    nodes = cursor(query).captures(parser.parse(content).root_node).get("function", [])
    for node in nodes:
        waiting = [parser.parse(node.text or b"").root_node]
        while waiting:
            inner = waiting.pop()
            if inner.type == "return_statement" and inner.child_count > 1:
                break
            waiting += inner.children
    return len(nodes)


def queried_names(text: str) -> set[str]:
    """Names of the documented functions at the margin that the query finds; an error may move methods up to it."""
    parser, query, cursor = _reference()
    nodes = cursor(query).captures(parser.parse(text.encode("utf-8", "replace")).root_node).get("function", [])
    named = (node.child_by_field_name("name") for node in nodes if node.start_point.column == 0)
    return {name.text.decode() for name in named if name is not None}


@cache
def _reference() -> tuple[Any, Any, Any]:
    import tree_sitter
    import tree_sitter_python

    language = tree_sitter.Language(tree_sitter_python.language())
    docstring = "body: (block . (expression_statement (string)))"
    query = tree_sitter.Query(language, f"(module (function_definition name: (identifier) {docstring}) @function)")
    return tree_sitter.Parser(language), query, tree_sitter.QueryCursor
