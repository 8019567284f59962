"""Train the bundled demo model from scratch, or measure it.

    python scripts/train_demo_model.py train build/demo-model
    python scripts/train_demo_model.py measure sca_hf/demo/model

The data are generated: the same seed gives the same texts on every machine with the same Python version. The weights
are the same only on the same kind of processor and the same build of torch.
"""

import argparse
from dataclasses import replace
from pathlib import Path


def main() -> None:
    """Parse the command line and run one command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train", help="train a model into a folder")
    train.add_argument("folder", type=Path, help="gets checkpoints, log.jsonl and at last model/")
    train.add_argument("--steps", type=int, help="optimizer steps, the decay included")
    train.add_argument("--decay", type=int, help="last steps, in which the rate falls to zero")
    train.add_argument("--resume", type=Path, help="checkpoint to go on from")
    measure = commands.add_parser("measure", help="run the demo recipe on a model and print the card's figures")
    measure.add_argument("model", help="folder of the model")
    measure.add_argument("--steps", type=int, help="steps of its training, to know what it has seen")
    measure.add_argument("--seeds", type=int, default=320, help="seeds of the run")
    given = parser.parse_args()

    from demo_model.training import Training

    changes = {name: getattr(given, name, None) for name in ("steps", "decay")}
    settings = replace(Training(), **{name: value for name, value in changes.items() if value is not None})
    if given.command == "train":
        from demo_model.training import train as train_model

        train_model(settings, given.folder, given.resume)
    else:
        from demo_model.measuring import measure as measure_model

        print(measure_model(given.model, settings.steps, given.seeds))


if __name__ == "__main__":
    main()
