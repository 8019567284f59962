"""EvoEval (Xia et al. 2024): HumanEval's tasks made harder, and told in other words, in seven sets.

`evoeval-difficult`, `-creative`, `-subtle`, `-combine`, `-tool-use`: 100 tasks each. `evoeval-verbose`, `-concise`:
HumanEval's 164 with HumanEval+'s inputs; their published scores are those of the base tests. Expected values come from
prompt, newline and reference; a call has max(1 s, 4 x the reference's), here of CPU time. Greedy, 512 tokens.

Known defects, counted as published: HumanEval/32 of verbose and concise can't pass. One difference: where an answer
changes its arguments, the published oracles of EvoEval/26 and /30 of creative look at what it left of them, and this
one at the inputs as they were.
"""

import ast
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sca_hf.benchmarks.data import Source, load_rows, need
from sca_hf.benchmarks.evalplus import expressions
from sca_hf.benchmarks.evoeval_rules import first_wrong, has_oracle
from sca_hf.benchmarks.function_tasks import LIMITS, FunctionGrader, FunctionTask, Part, Wrong

MD5: Mapping[str, str] = {
    "difficult": "5888868439a2392c01bbcf078c7ee810",
    "creative": "90d893e36f0394828dbc9e25e2fbd6b5",
    "subtle": "e19fe547d76cb2e2d590198f61c9af08",
    "combine": "0136ba257467478eab47e317105c67a9",
    "tool_use": "f391a4d8acd67353fb1187047892a3a6",
    "verbose": "3053e0b07d6d511856b2bee6c9fdea9d",
    "concise": "0f4ac48f140b270a9160da84ec951002",
}
"""Of the sets' unpacked files, release v0.1.0."""
_RELEASE = "https://github.com/evo-eval/evoeval_release/releases/download/v0.1.0"
SOURCES: Mapping[str, Source] = {
    f"evoeval-{name.replace('_', '-')}": Source(
        (f"evoeval/EvoEval_{name}.jsonl.gz",), url=f"{_RELEASE}/EvoEval_{name}.jsonl.gz", md5=md5
    )
    for name, md5 in MD5.items()
}
CANNOT_PASS: Mapping[str, frozenset[str]] = {
    "evoeval-verbose": frozenset(("HumanEval/32",)),
    "evoeval-concise": frozenset(("HumanEval/32",)),
}

_LEAST_SECONDS = 1.0


class EvoEval(FunctionGrader):
    """One of the seven sets, by its name in SOURCES."""

    limits = LIMITS

    def __init__(self, name: str, folder: Path | None = None) -> None:
        self.name = name
        self.set = name.removeprefix("evoeval-").replace("-", "_")
        loaded = load_rows(name, SOURCES[name], folder)
        need(name, loaded.rows, ("task_id", "prompt", "entry_point", "canonical_solution"))
        self.revision = loaded.revision
        self.tasks = {row["task_id"]: self._task(row) for row in loaded.rows}
        self.defective = dict.fromkeys(CANNOT_PASS.get(name, ()), "nothing can pass")
        super().__init__(name, self.tasks, self._rule_of_evoeval, _LEAST_SECONDS)

    @property
    def task_ids(self) -> list[str]:
        """In the order of the file."""
        return list(self.tasks)

    def _rule_of_evoeval(self, task: FunctionTask, cases: Iterable[tuple[Any, Any, Any]]) -> Wrong | None:
        return first_wrong(self.set, task.id, cases)

    def _task(self, row: Mapping[str, Any]) -> FunctionTask:
        values: dict[Part, list[Any]] = {}
        inputs: dict[Part, list[str]]
        if "inputs" in row:
            inputs = {"base": [f"[{arguments}]" for arguments in row["inputs"]]}
            if has_oracle(self.set, row["task_id"]):
                values = {"base": [ast.literal_eval(text) for text in inputs["base"]]}
        else:
            need(self.name, [dict(row)], ("base_input", "plus_input"))
            inputs = {"base": expressions(row["base_input"]), "plus": expressions(row["plus_input"] or [])}
        return FunctionTask(
            id=row["task_id"],
            prompt=row["prompt"],
            entry=row["entry_point"],
            reference=f"{row['prompt']}\n{row['canonical_solution']}",
            inputs=inputs,
            values=values,
        )
