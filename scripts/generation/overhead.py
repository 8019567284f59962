"""CPU a row of everything but the engine, and memory against the number of rows."""

import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from datasets import Dataset, Features
from generation.models import Instant

from sca_hf.identity import row_id
from sca_hf.pipeline.journal import Journal, JournaledEngine
from sca_hf.prompts.few_shot import load_few_shot
from sca_hf.recipe import load_recipe
from sca_hf.stages import concepts, seeds
from sca_hf.stages.context import Context

CODE = "def f{number}(values, limit):\n    kept = [value for value in values if value < limit]\n" + (
    "    total = sum(kept) / max(1, len(kept))  # {number}\n" * 8 + "    return total\n"
)


def measure(counts: list[int], folder: Path | None) -> None:
    """Print the figures of each count of rows, each in a process of its own."""
    for count in counts:
        command = [sys.executable, str(Path(__file__).parents[1] / "bench_generation.py"), "overhead-of", str(count)]
        done = subprocess.run(
            [*command, *(["--scratch", str(folder)] if folder else [])], stdout=subprocess.PIPE, text=True, check=True
        )
        print(done.stdout.strip(), flush=True)


def measure_one(count: int, folder: Path | None) -> None:
    """Stage S->C with 8 exemplars from 64 decks, over seeds of about 600 characters, journal and all."""
    recipe = load_recipe("selfcodealign", ["concepts.decks=64"])
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        features = Features({column.name: column.feature for column in seeds.STAGE.adds})
        rows = Dataset.from_generator(
            _seeds, gen_kwargs={"count": count}, features=features, cache_dir=f"{scratch}/cache"
        )
        journal = Journal(Path(scratch) / "journal.sqlite")
        engine = JournaledEngine(Instant(), journal)
        context = Context(recipe.seed, Path(scratch), engine, few_shot=load_few_shot(recipe.prompts))
        peak = _Peak()
        before, began = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
        made = concepts.concepts(rows, recipe["concepts"], context)
        after, wall = resource.getrusage(resource.RUSAGE_SELF), time.monotonic() - began
        assert len(made) == engine.made == count
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        figures: dict[str, Any] = {
            "rows": count,
            "CPU ms a row": round(1000 * cpu / count, 4),
            "wall s": round(wall, 1),
            "peak anonymous memory MiB": round(peak.stop() / 2**20, 1),
            "journal bytes a row": round((Path(scratch) / "journal.sqlite").stat().st_size / count),
        }
        journal.close()
        print(json.dumps(figures))


def _seeds(count: int) -> Iterator[dict[str, Any]]:
    text = {column.name: "x" for column in seeds.STAGE.adds}
    for number in range(count):
        code = CODE.format(number=number)
        yield text | {"id": row_id(code), "seed": code}


class _Peak:
    """The most anonymous memory of this process, looked at 10 times a second; mapped files are not its to hold."""

    def __init__(self) -> None:
        self._most = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        """Bytes."""
        self._end.set()
        self._thread.join()
        return self._most

    def _look(self) -> None:
        while not self._end.wait(0.1):
            for line in Path("/proc/self/status").read_text().splitlines():
                if line.startswith("RssAnon:"):
                    self._most = max(self._most, 1024 * int(line.split()[1]))
