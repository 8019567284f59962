"""Peak memory of a push and a pull of a large version over loopback (the bound: 1.5 GB for 200,000 rows of 4 KB).

    python scripts/measure_hub.py [--rows 200000] [--row-bytes 4096] [--shard-mb 500]

The Hub of the tests serves in a process of its own; push and pull are measured in theirs.
"""

import argparse
import multiprocessing
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FINGERPRINT = "0123456789abcdef"


def main() -> None:
    """Write, push and pull a version; print seconds and peak memory of each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--row-bytes", type=int, default=4096)
    parser.add_argument("--shard-mb", type=int, default=500)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = subprocess.Popen(
            [sys.executable, "-m", "tests.store.loopback_hub", str(folder / "hub")],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert server.stdout is not None
            os.environ |= {
                "HF_ENDPOINT": server.stdout.readline().strip(),
                "HF_TOKEN": "alice-write",
                "HF_HUB_DISABLE_XET": "1",
                "HF_HOME": str(folder / "hf-home"),
            }
            for work in (write, push, pull):
                measure(work, folder, given)
        finally:
            server.kill()


def measure(work: Callable[[Path, Any], None], folder: Path, given: argparse.Namespace) -> None:
    """Run `work` in a process of its own."""
    worker = multiprocessing.get_context("spawn").Process(target=measured, args=(work, folder, given))
    worker.start()
    worker.join()
    if worker.exitcode:
        sys.exit(f"{work.__name__} failed")


def measured(work: Callable[[Path, Any], None], folder: Path, given: argparse.Namespace) -> None:
    """Run `work` and print its seconds and this process's peak memory."""
    began = time.monotonic()
    work(folder, given)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{work.__name__}: {time.monotonic() - began:.1f} s, peak {peak:,.0f} MB", flush=True)


def write(folder: Path, given: argparse.Namespace) -> None:
    """Make a version of random text, which does not compress below half, in the store."""
    from datasets import Dataset, Value

    from sca_hf.settings import Settings
    from sca_hf.stage import Column, Stage, split
    from sca_hf.store import Build, Store
    from sca_hf.store.lineage import Making

    columns = (Column("id", Value("string"), "number of the row"), Column("text", Value("string"), "random text"))
    stage = Stage("sft", 1, "Random texts.", (), columns, Settings, lambda rows, settings, context: rows)

    def rows() -> Any:
        random_ = random.Random(7)
        for number in range(given.rows):
            text = random_.randbytes(given.row_bytes // 2).hex()
            yield {"id": f"{number}", "text": text, "reject_reason": None}

    made = Dataset.from_generator(rows, features=stage.features({}), cache_dir=str(folder / "cache"))
    build = Build(stage, columns, split(stage, len(made), made), Making(stage="sft", stage_version=1), {})
    version = Store(folder / "store", shard_bytes=given.shard_mb * 1_000_000).write("demo-sft", FINGERPRINT, build)
    size = sum(path.stat().st_size for path in version.path.rglob("*"))
    print(f"{given.rows:,} rows, {size / 1e6:,.0f} MB in {len(list((version.path / 'data').iterdir()))} shards")


def push(folder: Path, given: argparse.Namespace) -> None:
    """Publish it."""
    from sca_hf.store import Store
    from sca_hf.store.hub.hub import Hub

    version = Store(folder / "store").find("demo-sft", FINGERPRINT)
    assert version is not None
    Hub("alice/demo").push(version)


def pull(folder: Path, given: argparse.Namespace) -> None:
    """Bring it into another store."""
    from sca_hf.store import Store
    from sca_hf.store.hub.hub import Hub

    hub = Hub("alice/demo")
    version = hub.pull(hub.at("alice/demo-sft", FINGERPRINT), Store(folder / "other"), "demo-sft")
    assert version.counts.kept == given.rows


if __name__ == "__main__":
    main()
