"""The paper's choices against their alternatives, at any scale: one table, the paper's figures beside ours.

    make ablations                       the bundled model and held-out tasks, an hour or so on two cores
    .venv/bin/python scripts/ablations.py --base Qwen/CodeQwen1.5-7B --recipe selfcodealign-fast \\
        --benchmark humaneval+ --seeds 1 --other org/another-model       as in the paper, on GPUs

Responses: all, a random subset, failures only, passes only. Seeds: with the paper's rules, or with none ("random
seeds"). With and without `mutants`, where the recipe has them. Own data, or another model's (by default, for the demo,
right answers to tasks of its grammar). All sets but "all responses" are of one size. Killed, it goes on where it was.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))


def main() -> None:
    """Parse the command line and run the ablations."""
    from self_alignment.ablations import ablate
    from self_alignment.experiment import Experiment

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("build/ablations"), help="gets data, models and scores")
    parser.add_argument("--seeds", type=int, default=3, help="repetitions")
    parser.add_argument("--tasks", type=int, default=400, help="held-out tasks")
    parser.add_argument("--base", metavar="ID|FOLDER", help="base model (demo)")
    parser.add_argument("--recipe", metavar="NAME|FILE", help="needs --base")
    parser.add_argument("--benchmark", metavar="NAME", help="in place of held-out tasks; needs --base")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="the benchmark's files")
    parser.add_argument("--other", metavar="ID|FOLDER", help="the model whose data are another's; needed with --base")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change the recipe")
    parser.add_argument("--train-set", action="append", default=[], metavar="KEY=VALUE", help="change the training")
    given = parser.parse_args()
    if len({given.base is None, given.recipe is None, given.benchmark is None, given.other is None}) > 1:
        parser.error("give --base, --recipe, --benchmark and --other together, or none of them for the demo")
    experiment = Experiment(given.out, range(1, given.seeds + 1), tasks=given.tasks)
    if given.base is not None:
        experiment = replace(
            experiment,
            base=given.base,
            recipe=given.recipe,
            settings=(),
            training=(),
            benchmark=given.benchmark,
            data_dir=given.data_dir,
        )
    settings, training = [*experiment.settings, *given.set], [*experiment.training, *given.train_set]
    print(ablate(replace(experiment, settings=settings, training=training), given.other))


if __name__ == "__main__":
    main()
