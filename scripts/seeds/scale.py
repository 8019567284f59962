"""All CPU steps of `seeds` on many functions: time, memory and disk, and whether time grows with the rows alone."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Dataset
from seeds.corpus import FILE_FUNCTIONS, functions, write_mutated
from seeds.tree import Tree, timed

from sca_hf.corpus.languages.python.types import TypeCheckSettings
from sca_hf.corpus.sources import open_source
from sca_hf.filters.decontaminate import DecontaminateSettings, load_contaminants
from sca_hf.filters.near_duplicates import NearDuplicateSettings
from sca_hf.stage import split
from sca_hf.stages.context import Context
from sca_hf.stages.seeds import STAGE, SeedSettings, seeds

_PAPER = 5_359_051  # functions of The Stack that the paper began with (METHOD.md, section 1)
_PROCESSES = 2


def measure_scale(counts: Sequence[int], scratch: Path | None) -> None:
    """One line a count, on the first so many functions of one corpus; then the growth, and the paper's count.

    `scratch`: a folder that keeps the corpus, which takes longer to write than 100,000 functions take to judge.
    """
    with tempfile.TemporaryDirectory(dir=scratch) as name:
        folder = Path(name)
        kept = (scratch or folder) / f"corpus-{max(counts)}.parquet"
        here = [sys.executable, sys.argv[0]]
        if not kept.exists():
            _, seconds = timed(lambda: subprocess.run([*here, "scale-corpus", str(max(counts)), str(kept)], check=True))
            print(f"scale: wrote {max(counts):,} functions, {kept.stat().st_size / 2**20:.0f} MiB, in {seconds:.0f} s")
        costs = []
        environment = os.environ | {"HF_HOME": str(folder / "cache"), "HF_HUB_OFFLINE": "1", "TMPDIR": name}
        for count in counts:
            command = [*here, "scale-of", str(count), str(kept), "--scratch", name]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
            costs.append(json.loads(done.stdout.splitlines()[-1]) | {"load": os.getloadavg()[1]})
            _print(costs[-1])
    first, last = costs[0], costs[-1]
    growth = last["cpu"] / last["rows"] / (first["cpu"] / first["rows"])
    hours = last["cpu"] / last["rows"] * _PAPER / 3600
    print(
        f"scale: a row of {last['rows']:,} takes {growth:.2f} x the CPU of one of {first['rows']:,}; "
        f"{_PAPER:,} functions at that rate: {hours:.1f} h of CPU, {hours / _PROCESSES:.1f} h on {_PROCESSES} cores"
    )


def write_corpus(count: int, to: Path) -> None:
    """What `measure_scale` measures with, written by a process of its own, whose memory does not count."""
    aside = to.with_suffix(".part")
    write_mutated(aside, count)
    aside.replace(to)


def measure_scale_of(count: int, corpus: Path, scratch: Path) -> None:
    """One line of JSON with what the first so many functions of the corpus cost."""
    with tempfile.TemporaryDirectory(dir=scratch) as name:
        folder = Path(name)
        source = folder / "source.parquet"
        _copy_rows(corpus, source, count)
        # A file of functions as the benchmark, since the real ones lie on the Hub.
        pq.write_table(pa.table({"prompt": functions(11_000)[-3000:]}), folder / "bench.parquet")
        contaminants = DecontaminateSettings(files={"bench": str(folder / "bench.parquet")})
        settings = SeedSettings(
            source=str(source),
            decontaminate=contaminants,
            near_duplicates=NearDuplicateSettings(),
            type_check=TypeCheckSettings(),
        )
        load_contaminants(contaminants)
        context = Context(1, folder, workers=_PROCESSES, checkpoints=folder / "checkpoints")
        with Tree(scratch, seconds=0.5) as tree:
            rows, opened = timed(lambda: open_source(str(source)).rows)
            assert isinstance(rows, Dataset)
            judged, taken = timed(lambda: seeds(rows, settings, context))
            counts = split(STAGE, len(rows), judged).counts
        cost: dict[str, Any] = {
            "rows": counts.judged,
            "seconds": opened + taken,
            "cpu": tree.cpu_seconds,
            "memory": tree.peak_mib,
            "own": tree.peak_own_mib,
            "disk": tree.peak_disk_mib,
            "kept": counts.kept,
            "rejected": dict(counts.rejected),
        }
        print(json.dumps(cost))


def _copy_rows(corpus: Path, to: Path, count: int) -> None:
    """The first so many functions of the corpus."""
    with pq.ParquetFile(corpus) as opened, pq.ParquetWriter(to, opened.schema_arrow) as writer:
        left = count // FILE_FUNCTIONS
        for batch in opened.iter_batches(1000):
            if left > 0:
                writer.write_batch(batch.slice(0, left))
            left -= len(batch)


def _print(cost: dict[str, Any]) -> None:
    rows = cost["rows"]
    print(
        f"scale: {rows:,} functions in {cost['seconds']:,.0f} s (load {cost['load']:.1f}), {cost['cpu']:,.0f} s of CPU "
        f"({cost['cpu'] / rows * 1e6:,.0f} us each); peaks of the process tree: memory {cost['memory']:,.0f} MiB "
        f"({cost['own']:,.0f} without pages of files), disk {cost['disk']:,.0f} MiB; kept {cost['kept']:,}, "
        + ", ".join(
            f"{reason} {count:,}" for reason, count in sorted(cost["rejected"].items(), key=lambda each: -each[1])
        ),
        flush=True,
    )
