"""Ways to make data against each other, at any scale: one table, the paper's figures beside ours.

    .venv/bin/python scripts/compare_recipes.py            the bundled model, recipes that it can do, held-out tasks
    .venv/bin/python scripts/compare_recipes.py --base Qwen/CodeQwen1.5-7B --benchmark humaneval+ --seeds 1 \\
        --recipes selfcodealign-fast oss-instruct evol-instruct distill      as in the paper, on GPUs

Each recipe makes data with the base model, which is then tuned on each set, and all are evaluated alike. Sets are of
one size (--budget rows), or what as many tokens bought of each, read and written, as the cheapest run took (--budget
tokens). Killed, it goes on where it was.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))


def main() -> None:
    """Parse the command line and compare."""
    from self_alignment.experiment import Experiment
    from self_alignment.recipes import DEMO_WAYS, Way, compare

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("build/recipes"), help="gets data, models and scores")
    parser.add_argument("--budget", choices=["tokens", "rows"], default="tokens", help="what is equal (tokens)")
    parser.add_argument("--seeds", type=int, default=3, help="repetitions")
    parser.add_argument("--tasks", type=int, default=400, help="held-out tasks")
    parser.add_argument("--base", metavar="ID|FOLDER", help="base model (demo)")
    parser.add_argument("--recipes", nargs="+", metavar="NAME|FILE", help="needs --base")
    parser.add_argument("--benchmark", metavar="NAME", help="in place of held-out tasks; needs --base")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="the benchmark's files")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change the recipes that have it"
    )
    parser.add_argument("--train-set", action="append", default=[], metavar="KEY=VALUE", help="change the training")
    given = parser.parse_args()
    if len({given.base is None, given.recipes is None, given.benchmark is None}) > 1:
        parser.error("give --base, --recipes and --benchmark together, or none of them for the demo")
    experiment = Experiment(given.out, range(1, given.seeds + 1), tasks=given.tasks)
    ways: tuple[Way, ...] = DEMO_WAYS
    if given.base is not None:
        experiment = replace(
            experiment, base=given.base, settings=(), training=(), benchmark=given.benchmark, data_dir=given.data_dir
        )
        ways = tuple(Way(Path(recipe).stem, recipe) for recipe in given.recipes)
    settings, training = [*experiment.settings, *given.set], [*experiment.training, *given.train_set]
    print(compare(replace(experiment, settings=settings, training=training), ways, given.budget))


if __name__ == "__main__":
    main()
