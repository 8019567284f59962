"""What the commands that run an experiment are given."""

import argparse
from dataclasses import replace
from pathlib import Path

from self_alignment.experiment import Experiment


def command_line(description: str | None, folder: str) -> argparse.ArgumentParser:
    """Return a command line with the arguments of all of them. `folder`: what they write to by default."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(folder), help="gets data, models and scores")
    parser.add_argument("--seeds", type=int, default=3, help="repetitions")
    parser.add_argument("--tasks", type=int, default=400, help="held-out tasks")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change the recipe, or those that have it"
    )
    parser.add_argument("--train-set", action="append", default=[], metavar="KEY=VALUE", help="change the training")
    return parser


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of those that take any model, and not the bundled one alone."""
    parser.add_argument("--base", metavar="ID|FOLDER", help="base model (demo)")
    parser.add_argument("--benchmark", metavar="NAME", help="in place of held-out tasks; needs --base")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="the benchmark's files")


def experiment_of(given: argparse.Namespace) -> Experiment:
    """Return the experiment that was asked for: with the demo's settings, unless another model is given."""
    experiment = Experiment(given.out, range(1, given.seeds + 1), tasks=given.tasks)
    if getattr(given, "base", None) is not None:
        experiment = replace(
            experiment,
            base=given.base,
            settings=(),
            training=(),
            benchmark=given.benchmark,
            data_dir=given.data_dir,
        )
    return replace(
        experiment,
        settings=[*experiment.settings, *given.set],
        training=[*experiment.training, *given.train_set],
    )
