"""HumanEval (Chen et al. 2021): 164 functions, each with a docstring to complete and a `check` of assertions.

Program: prompt + completion; pass: `check(entry_point)` raises nothing within 3 s, here of CPU time. An answer gets the
arguments of the checks' calls alone (see `replay`). Codex: 200 samples, top-p 0.95. All 164 references pass.

Known defects, counted as published: some docstrings and checks disagree (HumanEval/47's docstring expects 15.0 of a
median of 8), and many wrong answers pass: see HumanEval+.
"""

from pathlib import Path

from sca_hf.benchmarks.asserted import AssertedGrader, AssertedTask
from sca_hf.benchmarks.calls import MOST_HANDED_OUT
from sca_hf.benchmarks.data import Source, load_rows, need
from sca_hf.benchmarks.replay import Tested
from sca_hf.sandbox import Limits

SOURCE = Source(
    ("humaneval.jsonl", "HumanEval.jsonl.gz", "HumanEval.jsonl"),
    repo="openai/openai_humaneval",
    revision="7dce6050a7d6d172f3cc5c32aa97f52fa1a2e544",
)

_SECONDS = 3.0
_LIMITS = Limits(cpu_seconds=20.0, wall_seconds=60.0, memory_mb=4096, kept_bytes=MOST_HANDED_OUT)


class HumanEval(AssertedGrader):
    """The 164 tasks."""

    def __init__(self, name: str = "humaneval", folder: Path | None = None) -> None:
        self.name = name
        loaded = load_rows(name, SOURCE, folder)
        need(name, loaded.rows, ("task_id", "prompt", "entry_point", "canonical_solution", "test"))
        self.revision = loaded.revision
        super().__init__(
            {
                row["task_id"]: AssertedTask(
                    row["task_id"],
                    row["prompt"],
                    Tested(
                        reference=row["prompt"] + row["canonical_solution"],
                        tests=f"{row['test']}\ncheck({row['entry_point']})\n",
                        entry=row["entry_point"],
                    ),
                )
                for row in loaded.rows
            },
            _SECONDS,
            _LIMITS,
        )
