"""Measure the docstring judge on functions that were labelled by hand: by its word, and by its score.

    .venv/bin/python scripts/judge_precision.py --model ./qwen [--shots 4] [--journal FILE]

The functions are those of tests/data/judged_functions.jsonl. Of each way to decide, the table says how many functions
it keeps, how many of these are good (precision), how many of the good ones it keeps (recall), and on how many it agrees
with the labels. AUC is the probability that a good function's score is above that of one that isn't: 0.5 is chance. A
run that was ended goes on where it was, with the same journal.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from datasets import Dataset
from rich.console import Console
from rich.table import Table

from sca_hf import Context
from sca_hf.engines.registry import make_engine
from sca_hf.engines.settings import EngineSettings
from sca_hf.pipeline.journal import Journal, JournaledEngine
from sca_hf.stages.judge import JudgeSettings, judge, reject_reason

ROWS = Path(__file__).parent.parent / "tests" / "data" / "judged_functions.jsonl"
SHARES = (0.1, 0.25, 0.5, 0.75, 0.9)


def main() -> None:
    """Ask the judge and print the table."""
    command = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    command.add_argument("--model", required=True, help="a Hub id, or a folder")
    command.add_argument("--shots", type=int, default=8, help="exemplars a prompt (8)")
    command.add_argument("--journal", type=Path, help="a file that keeps the calls")
    options = command.parse_args()
    labelled = [json.loads(line) for line in ROWS.read_text(encoding="utf-8").splitlines()]
    functions = Dataset.from_list(
        [{"id": f"{number:020x}", "seed": row["function"]} for number, row in enumerate(labelled)]
    )
    with tempfile.TemporaryDirectory() as scratch:
        engine = JournaledEngine(
            make_engine(options.model, EngineSettings(max_model_len=4096, max_num_seqs=16)),
            Journal(options.journal or Path(scratch) / "journal.sqlite"),
        )
        try:
            settings = JudgeSettings(shots=options.shots, threshold=0.0)
            answers = judge(functions, settings, Context(engine=engine, concurrency=16)).to_list()
        finally:
            engine.close()
    show([row["verdict"] == "Yes" for row in labelled], answers)


def show(good: Sequence[bool], answers: Sequence[dict[str, object]]) -> None:
    """Print what each way to decide makes of the functions."""
    if any(answer["judge_score"] is None for answer in answers):
        raise SystemExit("the model says neither word to some function, so it has no score; give more --shots")
    scores = [float(str(answer["judge_score"])) for answer in answers]
    ways = {"its word": [reject_reason(str(answer["verdict"])) is None for answer in answers]}
    # Where a model's scores lie can't be known before; 0 is where the function makes no difference.
    for threshold in sorted({0.0, *(sorted(scores)[int(share * len(scores))] for share in SHARES)}):
        ways[f"score above {threshold:.2f}"] = [score > threshold for score in scores]
    table = Table("decided by", "keeps", "precision", "recall", "agrees")
    for name, kept in ways.items():
        hits = sum(a and b for a, b in zip(kept, good, strict=True))
        agrees = sum(a == b for a, b in zip(kept, good, strict=True))
        table.add_row(
            name, str(sum(kept)), f"{hits} of {sum(kept)}", f"{hits} of {sum(good)}", f"{agrees} of {len(good)}"
        )
    console = Console(width=100)
    console.print(table)
    console.print(f"AUC {auc(scores, good):.2f}")


def auc(scores: Sequence[float], good: Sequence[bool]) -> float:
    """Return the probability that a good one's score is above another's; equal scores count half."""
    rows = list(zip(scores, good, strict=True))
    above, below = [score for score, is_good in rows if is_good], [score for score, is_good in rows if not is_good]
    wins = sum((a > b) + (a == b) / 2 for a, b in product(above, below))
    return wins / (len(above) * len(below))


if __name__ == "__main__":
    main()
