"""Close the loop on the bundled model: it writes data, is tuned on them, and is asked what neither had in them.

    make loop
    .venv/bin/python scripts/loop.py --out build/loop --seeds 3

For each seed the demo recipe runs as a whole; then the model is tuned on as many passing, random and failing responses,
and every model answers the same held-out tasks, of families (operations and result) that no row to train on is from,
with names that are in none. Prints pass@1 with 95 % intervals over tasks, and paired differences from the base model.
Killed, it goes on where it was.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))


def main() -> None:
    """Parse the command line and run the loop."""
    from self_alignment.experiment import Experiment
    from self_alignment.loop import close_loop

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("build/loop"), help="gets data, models and scores")
    parser.add_argument("--seeds", type=int, default=3, help="repetitions")
    parser.add_argument("--tasks", type=int, default=400, help="held-out tasks")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change the recipe")
    parser.add_argument("--train-set", action="append", default=[], metavar="KEY=VALUE", help="change the training")
    given = parser.parse_args()
    experiment = Experiment(given.out, range(1, given.seeds + 1), tasks=given.tasks)
    print(
        close_loop(
            replace(
                experiment,
                settings=[*experiment.settings, *given.set],
                training=[*experiment.training, *given.train_set],
            )
        )
    )


if __name__ == "__main__":
    main()
