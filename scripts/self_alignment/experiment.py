"""From a base model to scores of models tuned on its own data, with the product's own commands.

Everything lies in one folder, and what is there already is not made again: a run that was killed goes on.
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from self_alignment.choices import Row, names_of, write_conversations
from self_alignment.held_out import write_held_out
from self_alignment.scoring import score

from sca_hf.evaluation.results import Result
from sca_hf.store import Store

BASE = "demo"
_RECIPE = (
    'instructions.categories={"function implementation": 1}',  # held-out tasks ask for functions
    "responses.until=all",
)
_TRAINING = ("warm_up=0.1", "batch_size=16", "micro_batch=16", "gradient_checkpointing=false", "max_length=512")


@dataclass(frozen=True)
class Scale:
    """`seeds`: of whole repetitions, each from its own run of the pipeline on. `snippets`: seeds of a run, at most;
    `samples`: responses an instruction; `tasks`: held-out ones; `epochs`, `rate`: of each training."""

    seeds: Sequence[int] = (1, 2, 3)
    snippets: int = 400
    samples: int = 8
    tasks: int = 400
    epochs: float = 4
    rate: float = 5e-4


def run_pipeline(folder: Path, seed: int, scale: Scale, changes: Sequence[str] = ()) -> Store:
    """Run the demo recipe with a seed of its own, up to the selection. Returns the store."""
    settings = [*_RECIPE, f"seed={seed}", f"seeds.count={scale.snippets}", f"responses.samples={scale.samples}"]
    store = folder / f"data-{seed}"
    _command(
        folder / f"data-{seed}.log",
        *("sca_hf.run", "--recipe", "demo", "--store", str(store), "--to", "select"),
        *(option for setting in (*settings, *changes) for option in ("--set", setting)),
    )
    return Store(store)


def equal_sizes(rows: Mapping[str, list[Row]]) -> dict[str, list[Row]]:
    """Return as many rows of each as the fewest are."""
    fewest = min(map(len, rows.values()))
    return {name: of_name[:fewest] for name, of_name in rows.items()}


def tune(folder: Path, sets: Mapping[str, Sequence[Row]], seed: int, scale: Scale) -> dict[str, Path]:
    """Tune the base model on each set, as many at once as there are cores. Returns the models' folders by name."""
    epochs, rate = scale.epochs, scale.rate

    def one(name: str) -> Path:
        slug = f"{name.replace(' ', '-')}-{seed}"
        file, out = folder / "rows" / f"{slug}.jsonl", folder / "models" / slug
        write_conversations(sets[name], seed, file)
        settings = [*_TRAINING, f"seed={seed}", f"epochs={epochs}", f"learning_rate={rate}"]
        _command(
            folder / "models" / f"{slug}.log",
            *("sca_hf.train", "--model", BASE, "--data", str(file), "--out", str(out)),
            *(option for setting in settings for option in ("--set", setting)),
            threads=1,
        )
        return out

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return dict(zip(sets, threads.map(one, sets), strict=True))


def held_out_scores(folder: Path, models: Sequence[Path], seen: Sequence[Row], scale: Scale) -> list[Result]:
    """Score the base model and then `models` on tasks of withheld families, with no name that is in `seen`."""
    write_held_out(folder / "tasks", scale.tasks, names_of(seen))
    return score(BASE, models, folder / "tasks", folder / "scores")


def _command(log: Path, *arguments: str, threads: int | None = None) -> None:
    """Run one of the product's commands offline. Raises SystemExit where it fails, with what it said."""
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {"HF_HUB_OFFLINE": "1"} | ({"OMP_NUM_THREADS": str(threads)} if threads else {})
    with log.open("w", encoding="utf-8") as out:
        code = subprocess.run(
            [sys.executable, "-m", *arguments], stdout=out, stderr=subprocess.STDOUT, env=environment, check=False
        ).returncode
    if code:
        raise SystemExit(f"{' '.join(arguments)} ended with {code}; {log}:\n{log.read_text(encoding='utf-8')[-2000:]}")
