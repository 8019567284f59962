"""Measure the CPU steps of `seeds` against peers and against their promises, on functions of what is installed here.

    .venv/bin/pip install datasketch pyrefly        # the peers; Pyright: npm install pyright, and put it on the PATH
    .venv/bin/python scripts/bench_seeds.py [extract] [decontaminate] [near] [types] [--functions 3000]
    .venv/bin/python scripts/bench_seeds.py planted --benchmark humaneval=HumanEval.jsonl --benchmark mbpp=mbpp.jsonl
    .venv/bin/python scripts/bench_seeds.py scale --functions 100000   # time, memory and disk of all steps

Every figure is of this machine, at this moment; compare figures of one run only.
"""

from __future__ import annotations

import argparse
import importlib
import os
import random
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing import Pool
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from seeds_corpus import Tree, functions, jaccard, ngrams, source_files, with_similarity, write_mutated

from sca_hf.benchmark_texts import BenchmarkText
from sca_hf.decontaminate import Contaminants, DecontaminateSettings, load_contaminants, normalized
from sca_hf.functions import PARSER_ERRORS, decode, documented_functions, parse
from sca_hf.near_duplicates import NearDuplicateSettings, near_duplicates
from sca_hf.sources import open_source
from sca_hf.stage import judge
from sca_hf.stages.seeds import STAGE, SeedSettings, seeds
from sca_hf.type_check import TypeCheckSettings, type_errors

Made = TypeVar("Made")
_PROCESSES = 2


def main() -> None:
    """Run the named parts; without any, those that need no files and take minutes."""
    parts: dict[str, Callable[[int], None]] = {
        "extract": _extract,
        "decontaminate": _decontaminate,
        "near": _near,
        "types": _types,
        "scale": _scale,
        "planted": lambda _: _planted(dict(given.split("=", 1) for given in arguments.benchmark)),
    }
    parser = argparse.ArgumentParser(description="Measure the CPU steps of seeds.")
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(parts)}")
    parser.add_argument("--functions", type=int, default=3000)
    parser.add_argument("--benchmark", action="append", default=[], metavar="NAME=FILE", help="for `planted`")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(parts):
        parser.error(f"unknown part {sorted(unknown)}; give some of {', '.join(parts)}")
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for name in arguments.parts or [name for name in parts if name not in {"scale", "planted"}]:
        parts[name](arguments.functions)


def _extract(count: int) -> None:
    """Files of about that many functions, by ours, by Python's parser alone, and by tree-sitter as the reference."""
    files = [content for content in source_files() if len(content) < 200_000][: max(100, count // 5)]
    with Pool(_PROCESSES) as pool:
        found, ours = _timed(lambda: pool.map(_ours, files, chunksize=20))
        _, parser = _timed(lambda: pool.map(_parsed, files, chunksize=20))
        theirs, reference = _timed(lambda: pool.map(_queried, files, chunksize=20))
    print(
        f"extract: {len(files)} files; ours {sum(found)} functions in {ours:.2f} s, tree-sitter as the reference "
        f"{sum(theirs)} in {reference:.2f} s ({reference / ours:.2f} x), ast.parse alone {parser:.2f} s "
        f"(ours {ours / parser:.2f} x)"
    )


def _ours(content: bytes) -> int:
    try:
        return len(documented_functions(decode(content)))
    except (*PARSER_ERRORS, LookupError):
        return 0


def _parsed(content: bytes) -> None:
    try:
        parse(decode(content))
    except (*PARSER_ERRORS, LookupError):
        return


def _queried(content: bytes) -> int:
    """A query over each file, then each function parsed again to look for a return with a value."""
    import tree_sitter
    import tree_sitter_python

    language = tree_sitter.Language(tree_sitter_python.language())
    docstring = "body: (block . (expression_statement (string)))"
    query = tree_sitter.Query(language, f"(module (function_definition name: (identifier) {docstring}) @function)")
    parser = tree_sitter.Parser(language)
    nodes = tree_sitter.QueryCursor(query).captures(parser.parse(content).root_node).get("function", [])
    for node in nodes:
        waiting = [parser.parse(node.text or b"").root_node]
        while waiting:
            inner = waiting.pop()
            if inner.type == "return_statement" and inner.child_count > 1:
                break
            waiting += inner.children
    return len(nodes)


def _decontaminate(count: int) -> None:
    """Twenty thousand strings, as many as the benchmarks have, of which some are planted in the rows."""
    rows, others = functions(count), functions(count + 20_000)[count:]
    texts = [BenchmarkText("bench", str(number), "prompt", "", text) for number, text in enumerate(others)]
    rows = rows[:-50] + [f"# planted\n{texts[number * 7].text.upper()}" for number in range(50)]
    contaminants = Contaminants(texts, 30)
    contaminants.found_in("")
    found, ours = _timed(lambda: [{text.row for text in contaminants.found_in(row)} for row in rows])
    some = rows[-300:]  # the plain loop takes so long
    plain, loop = _timed(lambda: [_plain(contaminants, row) for row in some])
    assert plain == found[-300:], "the hits differ"
    ratio = (loop / len(some)) / (ours / len(rows))
    print(
        f"decontaminate: {len(contaminants.needles)} strings; ours {ours / len(rows) * 1e6:.0f} us a row, a plain loop "
        f"{loop / len(some) * 1e6:.0f} us ({ratio:.0f} x), same hits, {sum(map(bool, found))} of {len(rows)} rows"
    )


def _planted(files: dict[str, str]) -> None:
    """Each text of real benchmarks, changed in case, white space and comments; and what is found where none is."""
    contaminants = load_contaminants(DecontaminateSettings(files=files))
    changes: list[Callable[[str], str]] = [
        str,
        str.upper,
        lambda text: text.replace("\n", " \n\n"),
        lambda text: text.replace("    ", "\t"),
        lambda text: "\n".join(f"{line}  # a note" for line in text.split("\n")),
        lambda text: text.replace("\n", "\n# a note\n"),
    ]
    planted = missed = 0
    for text in contaminants.texts:
        header = f"def {text.name}(a):\n    'Doc.'\n" if text.part == "canonical_solution" else ""
        if text.part != "docstring":
            for change in changes:
                planted += 1
                missed += not contaminants.found_in(f"x = 1\n{change(header + text.text)}\ny = 1")
    rows = functions(1700)
    false = [row for row in rows if contaminants.found_in(row)]
    print(f"planted: {missed} of {planted} missed; {len(false)} of {len(rows)} other functions found")


def _plain(contaminants: Contaminants, row: str) -> set[str]:
    forms = set(normalized(row))
    return {
        contaminants.texts[number].row
        for form in forms
        for needle, meant in contaminants.needles.items()
        if needle in form
        for number, _ in meant
    }


def _near(count: int) -> None:
    """Planted near-duplicates among functions, by ours and by datasketch; false matches by exact Jaccard."""
    draw = random.Random(1)
    rows, planted = [], {}
    for text in functions(count):
        rows.append(text)
        if draw.random() < 0.2 and len(ngrams(text)) >= 30:
            changed = with_similarity(text, draw.choice([0.55, 0.7, 0.9]), draw)
            planted[len(rows)] = len(rows) - 1
            rows.append(changed)
    draw_order = [rows[begin : begin + 1000] for begin in range(0, len(rows), 1000)]
    found, ours = _timed(lambda: near_duplicates(draw_order, NearDuplicateSettings()))
    above = {copy for copy, text in planted.items() if jaccard(rows[copy], rows[text]) >= 0.5}
    false = sum(
        original is not None and jaccard(rows[number], rows[original]) < 0.4 for number, original in enumerate(found)
    )
    recall = sum(found[copy] is not None for copy in above) / len(above)
    print(f"near: ours {len(rows)} rows in {ours:.2f} s, recall {recall:.3f} of {len(above)}, {false} false matches")
    try:
        datasketch = importlib.import_module("datasketch")
    except ImportError:
        print("near: datasketch is not installed")
        return
    theirs, peer = _timed(lambda: _sketched(datasketch, rows))
    peer_recall = sum(theirs[copy] for copy in above) / len(above)
    print(f"near: datasketch {peer:.2f} s ({peer / ours:.1f} x), recall {peer_recall:.3f}")


def _sketched(datasketch: Any, rows: Sequence[str]) -> list[bool]:
    """As its documentation does it: each row asked for, then put in, with bands for the same recall."""
    index = datasketch.MinHashLSH(threshold=0.5, num_perm=75, params=(25, 3))
    found = []
    for number, row in enumerate(rows):
        words = re.findall(r"\w+", row.lower())
        grams = {" ".join(words[begin : begin + 5]).encode() for begin in range(max(1, len(words) - 4))}
        sketch = datasketch.MinHash(num_perm=75)
        sketch.update_batch(list(grams))
        found.append(bool(index.query(sketch)))
        if not found[-1]:
            index.insert(number, sketch)
    return found


def _types(count: int) -> None:
    """The checkers on the same functions: rejections, speed, memory, agreement with Pyright."""
    rows = functions(count)
    verdicts, seconds = {}, {}
    for checker in ("ty", "pyrefly", "pyright"):
        settings = TypeCheckSettings(checker=checker)
        with Tree() as tree:
            verdicts[checker], seconds[checker] = _timed(partial(type_errors, [rows], settings))
        agreed = [
            sum(one == other for one, other in zip(verdicts[checker], verdicts[known], strict=True)) / len(rows)
            for known in verdicts
        ]
        print(
            f"types: {settings.intent()['checker']}: {len(rows) / seconds[checker]:.0f} functions/s "
            f"({tree.cpu_seconds:.1f} s CPU), {tree.peak_mib:.0f} MiB, "
            f"rejects {sum(map(bool, verdicts[checker]))}, agrees with "
            + ", ".join(f"{known} {share:.1%}" for known, share in zip(verdicts, agreed, strict=True))
        )
    print(f"types: ty is {seconds['pyright'] / seconds['ty']:.1f} x Pyright in batches of 250")


def _scale(count: int) -> None:
    """All CPU steps of the stage on functions made by changing words of real ones, 20 a file."""
    contaminants = DecontaminateSettings(files=_benchmark_files())
    load_contaminants(contaminants)
    with tempfile.TemporaryDirectory() as name:
        source = Path(name, "source.parquet")
        write_mutated(source, count)
        settings = SeedSettings(
            source=str(source),
            decontaminate=contaminants,
            near_duplicates=NearDuplicateSettings(),
            type_check=TypeCheckSettings(),
        )
        with Tree() as tree:
            rows, opened = _timed(lambda: open_source(str(source)).rows)
            judged, taken = _timed(lambda: seeds(rows, settings, 1, _PROCESSES, Path(name), Path(name, "progress")))
            counts = judge(STAGE, len(rows), judged).counts
        disk = sum(path.stat().st_size for path in Path(name).rglob("*") if path.is_file())
    total, cpu = opened + taken, tree.cpu_seconds
    print(
        f"scale: {counts.judged} functions in {total:.0f} s, {cpu:.0f} s of CPU ({cpu / counts.judged * 1e6:.0f} us "
        f"each), peak {tree.peak_mib:.0f} MiB of the process tree, {disk / 2**20:.0f} MiB of disk at the end; "
        f"5,359,051 functions on {_PROCESSES} free cores: {cpu / counts.judged * 5_359_051 / 3600 / _PROCESSES:.1f} h; "
        f"kept {counts.kept}, {dict(counts.rejected)}"
    )


def _benchmark_files() -> dict[str, str]:
    """A file of functions as the benchmark, since the real ones lie on the Hub."""
    path = Path(tempfile.mkdtemp()) / "bench.parquet"
    pq.write_table(pa.table({"prompt": functions(8000)[-3000:]}), path)
    return {"bench": str(path)}


def _timed(function: Callable[[], Made]) -> tuple[Made, float]:
    began = time.perf_counter()
    return function(), time.perf_counter() - began


if __name__ == "__main__":
    main()
