"""The command that measures models: draws or reads answers, grades them in jails, prints scores with intervals."""

import argparse
import sys
from pathlib import Path

from sca_hf.console.arguments import positive
from sca_hf.console.start import start
from sca_hf.errors import InputError

EXAMPLES = """\
examples:
  python -m sca_hf.evaluate --benchmark humaneval+ --samples answers.jsonl --results graded.jsonl
      grade answers made elsewhere: task_id with solution (a whole program) or completion (what follows the prompt)
  python -m sca_hf.evaluate --benchmark humaneval+ mbpp+ --model Qwen/Qwen2.5-Coder-0.5B-Instruct --prompt evalplus
      draw answers, greedily, in evalplus' chat format, and grade them
  python -m sca_hf.evaluate --benchmark canitedit --model my-model --url http://127.0.0.1:8000 --n 20 --temperature 0.2
      twenty answers a task from servers that run the model already
  python -m sca_hf.evaluate --benchmark humaneval+ --samples base.jsonl tuned.jsonl
      compare: paired differences with intervals

An evaluation that was killed goes on where it was: start it again.
Exit codes: 0 done, 2 an error that you can fix, 130 interrupted.
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    from sca_hf.benchmarks import NAMES
    from sca_hf.evaluation.prompts import FORMATS
    from sca_hf.recipe import usable_cores

    made = argparse.ArgumentParser(
        prog="python -m sca_hf.evaluate",
        description="Measure models on benchmarks of code, as published.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--benchmark", nargs="+", required=True, metavar="NAME", help=", ".join(NAMES))
    what = made.add_mutually_exclusive_group(required=True)
    what.add_argument("--model", nargs="+", metavar="ID|FOLDER", help="Hub ids, folders, or 'demo'")
    what.add_argument("--samples", nargs="+", type=Path, metavar="FILE", help="answers made elsewhere, JSON lines")
    made.add_argument("--url", nargs="+", default=[], metavar="URL", help="servers that run the model")
    made.add_argument("--server", choices=("openai", "tgi"), default="openai", help="what they speak (openai)")
    made.add_argument("--tokenizer", metavar="ID|FOLDER", help="of the model, where a server knows it by another name")
    made.add_argument("--data-dir", type=Path, metavar="DIR", help="the benchmarks' files, in place of the network")
    made.add_argument(
        "--prompt",
        choices=FORMATS,
        help="prompt format (sca for a model that this project tuned, evalplus "
        "or instruct for another with a chat template, base for one without)",
    )
    made.add_argument("--n", type=positive, default=1, metavar="N", help="answers a task (1); more need --temperature")
    made.add_argument("--temperature", type=float, default=0.0, help="0 draws greedily (the default)")
    made.add_argument("--top-p", type=float, default=0.95, help="for a temperature above 0 (0.95)")
    made.add_argument("--k", type=positive, nargs="+", default=[1], help="pass@k (1)")
    made.add_argument("--limit", type=positive, metavar="N", help="the first N tasks of each benchmark")
    made.add_argument("--max-model-len", type=positive, default=2048, help="tokens of prompt and answer (2048)")
    made.add_argument("--results", type=Path, metavar="FILE", help="grades as JSON lines")
    made.add_argument("--answers", type=Path, metavar="FILE", help="drawn answers as JSON lines, for --samples")
    made.add_argument(
        "--card", type=Path, metavar="FILE", help="scores for a model's card: `versions card --results FILE`"
    )
    made.add_argument("--store", type=Path, default=Path("store"), metavar="DIR", help="journal and versions (./store)")
    made.add_argument("--jails", type=positive, default=usable_cores(), help="programs at once (usable cores)")
    return made


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return the exit code."""
    given = parser().parse_args(arguments)
    from sca_hf.console.exit_code import exit_code

    return exit_code(lambda: _evaluate(given))


def _evaluate(given: argparse.Namespace) -> None:
    from sca_hf.evaluation.command import evaluate

    if given.n > 1 and not given.temperature:
        raise InputError(f"--n {given.n} greedy answers are all the same; give --temperature, 0.2 say")
    evaluate(given)


if __name__ == "__main__":
    start()
    sys.exit(main())
