"""The command that tunes a model on a version of the SFT stage."""

import argparse
import sys
from pathlib import Path

from sca_hf.console.start import start

EXAMPLES = """\
examples:
  python -m sca_hf.train --data my-org/cq7b-sft@v-0123456789abcdef
      the model that wrote the data, tuned on them with the paper's settings into ./tuned
  python -m sca_hf.train --data demo-sft --set steps=20 --set batch_size=8 --out tuned-demo
      the demo model on the store's latest version, in a minute
  python -m sca_hf.train --data demo-sft --model Qwen/Qwen2.5-Coder-7B --set lora={} --set learning_rate=1e-4
      an adapter, merged when the training ends
  accelerate launch --num_processes 4 -m sca_hf.train --data … --fsdp
      four GPUs that share the weights; without --fsdp each holds all of them
  python -m sca_hf.train --data demo-sft --model tuned --dpo --out preferred
      on passing and failing answers, after the above
  python -m sca_hf.train --data mbpp.jsonl --model org/model
      a file with `prompt` and `completion`, taken as they are, or with `messages`

A training that was killed goes on from its last checkpoint: start it again.
Exit codes: 0 done, 2 an error that you can fix, 130 interrupted.
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="python -m sca_hf.train",
        description="Tune a model on a version, with TRL and the paper's settings.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument(
        "--data", required=True, metavar="VERSION|REPO@TAG|FILE", help="a version in the store or on the Hub, or a file"
    )
    made.add_argument("--model", metavar="ID|FOLDER", help="what to tune; by default the model that wrote the data")
    made.add_argument("--dpo", action="store_true", help="on pairs of answers, one passing and one failing")
    made.add_argument("--out", type=Path, default=Path("tuned"), metavar="DIR", help="the tuned model (./tuned)")
    made.add_argument("--store", type=Path, default=Path("store"), metavar="DIR", help="where versions lie (./store)")
    made.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="changes",
        help="change a setting; repeatable (sca_hf/training/settings.py says what there is)",
    )
    made.add_argument(
        "--fsdp", action="store_true", help="share the weights among the processes of `accelerate launch`"
    )
    made.add_argument("--license", metavar="ID", help="of the base model, for the card")
    made.add_argument("--hub", metavar="NS/NAME", help="push the tuned model there")
    visibility = made.add_mutually_exclusive_group()
    visibility.add_argument("--private", action="store_true", help="a new repository is private (the default)")
    visibility.add_argument("--public", action="store_true", help="a new repository is public")
    return made


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return the exit code."""
    given = parser().parse_args(arguments)
    from sca_hf.console.exit_code import exit_code

    return exit_code(lambda: _train(given))


def _train(given: argparse.Namespace) -> None:
    from sca_hf.training.data import load_preferences, load_sft
    from sca_hf.training.publish import ModelRepository
    from sca_hf.training.run import train
    from sca_hf.training.settings import PreferenceSettings, SupervisedSettings, load_settings
    from sca_hf.training.trainers import processes

    settings = load_settings(PreferenceSettings if given.dpo else SupervisedSettings, given.changes)
    hub = ModelRepository(given.hub, private=not given.public) if given.hub else None
    data = (load_preferences if given.dpo else load_sft)(given.data, given.store)
    train(given.model or data.written_by(), data, settings, given.out, base_license=given.license, fsdp=given.fsdp)
    if hub is not None and processes().is_main_process:
        print(f"{given.out} is {hub.push(given.out)}")


if __name__ == "__main__":
    start()
    sys.exit(main())
