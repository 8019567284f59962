"""From a base model to scores of models tuned on its own data, with the product's own commands.

Everything lies in one folder, and what is there already is not made again: an experiment that was killed goes on.
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
from sca_hf.recipe import load_recipe
from sca_hf.store import Store

_RECIPE = (
    'instructions.categories={"function implementation": 1}',  # held-out tasks ask for functions
    "seeds.count=400",
    "responses.samples=4",
)
_TRAINING = (
    *("learning_rate=5e-4", "warm_up=0.1", "batch_size=16", "micro_batch=16", "max_length=512"),
    "gradient_checkpointing=false",
)


@dataclass(frozen=True)
class Experiment:
    """`seeds`: of repetitions, each from a run of the pipeline of its own on. `settings`, `training`: changes to the
    recipe and to the trainer's settings. `benchmark`: None for `tasks` held-out ones, which the demo model can do.
    """

    folder: Path
    seeds: Sequence[int] = (1, 2, 3)
    base: str = "demo"
    recipe: str = "demo"
    settings: Sequence[str] = _RECIPE
    training: Sequence[str] = _TRAINING
    benchmark: str | None = None
    data_dir: Path | None = None
    tasks: int = 400

    def run_pipeline(self, seed: int, name: str, model: str, changes: Sequence[str] = ()) -> Store:
        """Run the recipe as `name`, up to the selection. Returns the store, whose journal the runs of a seed share."""
        store = self.folder / f"data-{seed}"
        settings = [*self.settings, f"name={name}", f"seed={seed}", *changes]
        if any(stage.name == "responses" for stage in load_recipe(self.recipe, settings).chain):
            settings.append("responses.until=all")
        self._command(
            self.folder / f"{name}-{seed}.log",
            *("sca_hf.run", "--recipe", self.recipe, "--model", model, "--store", str(store), "--to", "select"),
            *(option for setting in settings for option in ("--set", setting)),
        )
        return Store(store)

    def tune(self, sets: Mapping[str, Sequence[Row]], seed: int) -> dict[str, Path]:
        """Tune the base model on each set, on CPUs as many at once as there are cores. Returns the models' folders."""
        import torch

        def one(name: str) -> Path:
            slug = f"{name.replace(' ', '-')}-{seed}"
            file, out = self.folder / "rows" / f"{slug}.jsonl", self.folder / "models" / slug
            write_conversations(sets[name], seed, file)
            settings = [*self.training, f"seed={seed}"]
            self._command(
                self.folder / "models" / f"{slug}.log",
                *("sca_hf.train", "--model", self.base, "--data", str(file), "--out", str(out)),
                *(option for setting in settings for option in ("--set", setting)),
            )
            return out

        with ThreadPoolExecutor(1 if torch.cuda.is_available() else os.cpu_count()) as threads:
            return dict(zip(sets, threads.map(one, sets), strict=True))

    def scores(self, models: Sequence[Path], seen: Sequence[Row]) -> list[Result]:
        """Score the base model and then `models`; held-out tasks ask for no function that `seen` defines."""
        folder = self.data_dir
        if self.benchmark is None:
            folder = self.folder / "tasks"
            write_held_out(folder, self.tasks, names_of(seen))
        return score(self.base, models, self.benchmark, folder, self.folder / "scores")

    def _command(self, log: Path, *arguments: str) -> None:
        """Run one of the product's commands. Raises SystemExit where it fails, with what it said."""
        log.parent.mkdir(parents=True, exist_ok=True)
        # The demo needs no network, and trains on a thread each: two would wait for one another.
        offline = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"} if self.base == "demo" else {}
        with log.open("w", encoding="utf-8") as out:
            code = subprocess.run(
                [sys.executable, "-m", *arguments],
                stdout=out,
                stderr=subprocess.STDOUT,
                env=os.environ | offline,
                check=False,
            ).returncode
        if code:
            said = log.read_text(encoding="utf-8")[-2000:]
            raise SystemExit(f"{' '.join(arguments)} ended with {code}; {log}:\n{said}")


def equal_sizes(rows: Mapping[str, list[Row]]) -> dict[str, list[Row]]:
    """Return as many rows of each as the fewest are."""
    fewest = min(map(len, rows.values()))
    return {name: of_name[:fewest] for name, of_name in rows.items()}
