"""Measures `select` and `mutants` on responses with the variety of real ones (issue 14):

    python scripts/bench_selection.py select STORE [RESPONSES]     rows a second of `select`, near-duplicates included
    python scripts/bench_selection.py mutants STORE [RESPONSES]    rows a second of `execute` without and with `mutants`

STORE is a store with a finished run, such as that of the demo. Its executed attempts are repeated, ten an instruction,
with other words: each copy of an instruction has names and nouns of its own in its task, its answers and its tests. The
paper's size is 2,400,000 responses; minutes for these are projected from the rows of this run. Figures are of this
machine, at this moment: compare those of one run only. On a busy one the CPU seconds tell more than the clock.
"""

import argparse
import asyncio
import os
import random
import re
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Self

from datasets import Dataset, disable_progress_bars

from sca_hf.filters.near_duplicates import NearDuplicateSettings
from sca_hf.identity import row_id
from sca_hf.sandbox import Jails
from sca_hf.stage import REJECT_REASON, split
from sca_hf.stages import execute, mutants, select
from sca_hf.stages.context import Context
from sca_hf.store import Store

Row = dict[str, Any]

SAMPLES = 10
PAPER = 2_400_000
_COLUMNS = ["id", "instruction_id", "instruction", "response", "tests", "status"]
_WORD = re.compile(r"[A-Za-z]{4,}")
_SYLLABLES = [consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou"]
# Of the words of a text so many are others in a copy, if Python doesn't need them as they are.
_SHARE = 0.6


def main() -> None:
    """Run one of the measurements."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("select", "mutants"))
    parser.add_argument("store", type=Path)
    parser.add_argument("responses", type=int, nargs="?", default=20_000)
    parser.add_argument("--scratch", type=Path, metavar="DIR", help="where temporary files go")
    arguments = parser.parse_args()
    disable_progress_bars()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as scratch:
        attempts = attempts_of(arguments.store, arguments.responses, Path(scratch))
        measure = measure_select if arguments.what == "select" else measure_mutants
        measure(attempts, Path(scratch))


def attempts_of(store: Path, count: int, scratch: Path) -> Dataset:
    """Return `count` attempts, ten an instruction, made from those of the latest executed version in a store."""
    version = max(Store(store).versions(), key=lambda version: version.dataset.endswith("-execute"))
    if not version.dataset.endswith("-execute"):
        raise SystemExit(f"no version of stage execute in {store}; run the demo with --store {store} first")
    by_instruction: dict[str, list[Row]] = {}
    for row in version.load().select_columns(_COLUMNS):
        by_instruction.setdefault(row["instruction_id"], []).append(row)
    originals = list(by_instruction.values())
    workers = len(os.sched_getaffinity(0))
    # A list among the arguments is split among the processes, a tuple is not.
    parts = [
        range(count // SAMPLES * part // workers, count // SAMPLES * (part + 1) // workers) for part in range(workers)
    ]
    made: Dataset = Dataset.from_generator(
        _copies,
        gen_kwargs={"originals": tuple(originals), "parts": parts},
        num_proc=workers,
        cache_dir=str(scratch / "made"),
        keep_in_memory=False,
    )
    return made


def measure_select(attempts: Dataset, scratch: Path) -> None:
    """Print rows a second, the peak of memory, and what became of the rows."""
    settings = select.SelectSettings(near_duplicates=NearDuplicateSettings())
    began, began_cpu = time.monotonic(), time.process_time()
    with _Memory() as memory:
        judged = select.select(attempts, settings, Context(scratch=scratch))
    seconds, cpu = time.monotonic() - began, time.process_time() - began_cpu
    counts = split(select.STAGE, len(attempts), judged).counts
    paper = PAPER / len(attempts) / 60
    print(
        f"select: {len(attempts):,} rows in {seconds:.1f} s, {len(attempts) / seconds:,.0f} a second; "
        f"CPU {cpu:.1f} s, {100_000 * cpu / len(attempts):.1f} s per 100,000"
    )
    print(f"peak {memory.own:,.0f} MiB of its own, and {memory.files:,.0f} MiB of Arrow files that the kernel may drop")
    print(f"{PAPER:,} rows would take {seconds * paper:.1f} minutes, {cpu * paper:.1f} of CPU")
    print(f"kept {counts.kept:,}; rejected {dict(counts.rejected)}")


class _Memory:
    """Looks at this process while it works. `own`, `files`: peaks, MiB, of what it holds and of files mapped by it."""

    own = files = 0.0

    def __enter__(self) -> Self:
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.1):
            status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
            own, files = (int(status[name].split()[0]) / 1024 for name in ("RssAnon", "RssFile"))
            self.own, self.files = max(self.own, own), max(self.files, files)


def measure_mutants(attempts: Dataset, scratch: Path) -> None:
    """Print rows a second of `execute`, and of `execute` and `mutants`."""
    executing, mutating = execute.ExecuteSettings(), mutants.MutantsSettings()
    workers = len(os.sched_getaffinity(0))

    async def timed(stage: Any, rows: Dataset, settings: Any, pool: Jails) -> tuple[Dataset, float, int]:
        async with pool as jails:
            context = Context(scratch=scratch, jails=jails)
            began = time.monotonic()
            judged = stage.run(rows, settings, context).remove_columns(REJECT_REASON)
            return judged, time.monotonic() - began, context.progress.programs_done

    attempts = attempts.remove_columns("status")
    pool = execute.jails(executing, workers)
    executed, first, programs = asyncio.run(timed(execute.STAGE, attempts, executing, pool))
    print(f"execute: {programs:,} programs, {len(attempts) / first:,.0f} rows a second")
    pool = mutants.jails(mutating, workers)
    tried, second, programs = asyncio.run(timed(mutants.STAGE, executed, mutating, pool))
    passed = sum(each is not None for each in tried["mutants"][:])
    print(
        f"mutants: {programs:,} programs, {programs / max(passed, 1):.1f} a pass; "
        f"with execute {len(attempts) / (first + second):,.0f} rows a second"
    )


def _copies(originals: Sequence[Sequence[Row]], parts: Sequence[range]) -> Iterator[Row]:
    for number in chain.from_iterable(parts):
        rows = originals[number % len(originals)]
        words = _Words(number)
        instruction_id = row_id("instruction", number)
        for sample in range(SAMPLES):
            row = rows[sample % len(rows)]
            texts = {name: words.in_place(row[name]) for name in ("instruction", "response", "tests")}
            if sample >= len(rows):
                texts["response"] = f"In other words, {words.fresh()}:\n\n{texts['response']}"
            ids = {"id": row_id(instruction_id, sample), "instruction_id": instruction_id, "status": row["status"]}
            yield ids | texts


class _Words:
    """Other words, the same for the same word of one instruction, and others for each instruction."""

    def __init__(self, number: int) -> None:
        self._random = random.Random(number)
        self._other: dict[str, str] = {}

    def fresh(self) -> str:
        return "".join(self._random.choices(_SYLLABLES, k=3))

    def in_place(self, text: str) -> str:
        return _WORD.sub(lambda match: self._of(match[0]), text)

    def _of(self, word: str) -> str:
        if word not in self._other:
            keeps = word in _NEEDED or self._random.random() > _SHARE
            self._other[word] = word if keeps else self.fresh()
        return self._other[word]


def _needed() -> set[str]:
    import builtins
    import keyword

    methods = {name for kind in (str, list, dict, set, tuple, int, float) for name in dir(kind)}
    names = {*keyword.kwlist, *dir(builtins), *methods, "self", "python", "default", "reverse", "init", "name", "main"}
    return {part for name in names for part in _WORD.findall(name)}


_NEEDED = _needed()

if __name__ == "__main__":
    main()
