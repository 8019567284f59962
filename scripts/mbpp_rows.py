"""Write MBPP's 374 training tasks (ids 601 to 974) as rows that `python -m sca_hf.train` takes as they are.

    python scripts/mbpp_rows.py mbpp.jsonl mbpp-train.jsonl
    python -m sca_hf.train --data mbpp-train.jsonl --model SmolLM2-135M --out smol-mbpp --set batch_size=16 \\
        --set learning_rate=1e-4 --set epochs=2 --set micro_batch=4 --set gradient_checkpointing=false

The first file is MBPP's own, from google-research (974 JSON lines). A prompt is in the published format for base
models: a docstring of the task's text and its first assertion; the completion is the reference.
"""

import json
import sys
from pathlib import Path
from typing import Any

TRAINING_IDS = range(601, 975)


def row(task: dict[str, Any]) -> dict[str, str]:
    """Return the task's prompt and completion."""
    code = task["code"].replace("\r\n", "\n").strip()
    return {"prompt": f'"""\n{task["text"]}\n{task["test_list"][0]}\n"""\n', "completion": f"{code}\n"}


def main() -> None:
    """Read the tasks and write the rows."""
    source, target = map(Path, sys.argv[1:])
    tasks = [json.loads(line) for line in source.read_text(encoding="utf-8").splitlines()]
    rows = [row(task) for task in tasks if task["task_id"] in TRAINING_IDS]
    target.write_text("".join(json.dumps(each) + "\n" for each in rows), encoding="utf-8")
    print(f"{target}: {len(rows)} rows")


if __name__ == "__main__":
    main()
