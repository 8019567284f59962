"""HumanEval+ and MBPP+ (Liu et al. 2023), graded from evalplus' release files as evalplus 0.3.1 does.

The expected values come from running the reference in a jail of its own; an answer's jail holds the answer and the
inputs alone, and values are compared outside. What is kept of evalplus: base and plus inputs in a run of their own
each, every call's time max(4 s, 4 x the reference's), 60 s a run, 4 GiB, the first failure ends it, "plus" needs base
too. What is not: times are CPU times, so a busy machine fails nothing; and files can be opened in the jail.

Known defects of the data, counted as published: HumanEval+ before v0.1.10 had 1,056 bad inputs of HumanEval/1 and /28;
MBPP+ v0.2.0's references of Mbpp/102, /459 and /559 are wrong, so a right answer to them fails; MBPP+ v0.1.0 has 21
more tasks, and scores about 4 points lower. Mbpp/599's reference takes 26 s of CPU. evalplus 0.3.1 itself fails every
answer to HumanEval/32, the reference too, as it doesn't count the inputs that its own rule holds for: here that task is
judged by the rule, as earlier versions did.

Of the Hub's datasets `evalplus/humanevalplus` and `evalplus/mbppplus`, another format, which evalplus doesn't grade,
nothing is used: in it HumanEval/32's oracle has its arguments swapped, Mbpp/737, /787 and /794 assert nothing, and
nine tests hold the reference beside the answer.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sca_hf.benchmarks.calls import literal
from sca_hf.benchmarks.data import Source, load_rows, need
from sca_hf.benchmarks.evalplus_rules import first_wrong
from sca_hf.benchmarks.function_tasks import LIMITS, FunctionGrader, FunctionTask, Part, Wrong
from sca_hf.benchmarks.mbpp_inputs import restore

_RELEASES = "https://github.com/evalplus/{repo}/releases/download/{tag}/{file}"
_HUMANEVAL, _MBPP = "humanevalplus_release", "mbppplus_release"


def _release(folder: str, repo: str, tag: str, file: str, local: str, md5: str) -> Source:
    return Source((f"{folder}/{local}",), url=_RELEASES.format(repo=repo, tag=tag, file=file), md5=md5)


SOURCES: Mapping[str, Source] = {
    "humaneval+": _release(
        *("humanevalplus", _HUMANEVAL, "v0.1.10", "HumanEvalPlus.jsonl.gz", "HumanEvalPlus.jsonl.gz"),
        "fe585eb4df8c88d844eeb463ea4d0302",
    ),
    "humaneval+@v0.1.9": _release(
        *("humanevalplus", _HUMANEVAL, "v0.1.9", "HumanEvalPlus.jsonl.gz", "HumanEvalPlus-v0.1.9.jsonl.gz"),
        "84f4b93a1270b492e4c54d5212da7a5b",
    ),
    "mbpp+": _release(
        *("mbppplus", _MBPP, "v0.2.0", "MbppPlus.jsonl.gz", "MbppPlus.jsonl.gz"),
        "ee43ecabebf20deef4bb776a405ac5b1",
    ),
    "mbpp+@v0.1.0": _release(
        *("mbppplus", _MBPP, "v0.1.0", "MbppPlus.jsonl.gz", "MbppPlus-v0.1.0.jsonl.gz"),
        "ebe95df0d5220f00cedd6f4bddea35e4",
    ),
    # EvalPerf's: without the inputs that take longest.
    "humaneval+@noextreme": _release(
        *(
            "humanevalplus",
            _HUMANEVAL,
            "v0.1.10",
            "HumanEvalPlus-NoExtreme.jsonl.gz",
            "HumanEvalPlus-NoExtreme.jsonl.gz",
        ),
        "413980104ee0339c147ac09653cee3db",
    ),
    "mbpp+@noextreme": _release(
        *("mbppplus", _MBPP, "v0.2.0", "MbppPlus-NoExtreme.jsonl.gz", "MbppPlus-NoExtreme.jsonl.gz"),
        "85d8d7a406c0686e80353e676189bfee",
    ),
}
WRONG_REFERENCES = ("Mbpp/102", "Mbpp/459", "Mbpp/559")

_LEAST_SECONDS = 4.0


class EvalPlus(FunctionGrader):
    """HumanEval+ or MBPP+ in one of its versions, by its name in SOURCES."""

    limits = LIMITS

    def __init__(self, name: str, folder: Path | None = None) -> None:
        self.name = name
        self.dataset = "mbpp" if name.startswith("mbpp") else "humaneval"
        loaded = load_rows(name, SOURCES[name], folder)
        need(name, loaded.rows, ("task_id", "prompt", "entry_point", "canonical_solution", "base_input", "plus_input"))
        self.revision = loaded.revision
        self.tasks = {row["task_id"]: self._task(row) for row in loaded.rows}
        self.defective = {task: "its reference is wrong" for task in WRONG_REFERENCES if task in self.tasks}
        super().__init__(name, self.tasks, self._rule_of_evalplus, _LEAST_SECONDS)

    @property
    def task_ids(self) -> list[str]:
        """In the order of the file."""
        return list(self.tasks)

    def _rule_of_evalplus(self, task: FunctionTask, cases: Iterable[tuple[Any, Any, Any]]) -> Wrong | None:
        return first_wrong(self.dataset, task.entry, task.atol, cases)

    def _task(self, row: Mapping[str, Any]) -> FunctionTask:
        inputs: dict[Part, list[list[Any]]] = {"base": row["base_input"], "plus": row["plus_input"] or []}
        if self.dataset == "mbpp":
            inputs = {part: restore(row["task_id"], values) for part, values in inputs.items()}
        return FunctionTask(
            id=row["task_id"],
            prompt=row["prompt"],
            entry=row["entry_point"],
            reference=row["prompt"] + row["canonical_solution"],
            inputs={part: expressions(values) for part, values in inputs.items()},
            values=inputs,
            atol=row.get("atol") or 0,
        )


def expressions(inputs: list[list[Any]]) -> list[str]:
    """Each as JSON where that holds all: it is read faster than Python."""
    return [f"loads({json.dumps(arguments)!r})" if _is_json(arguments) else literal(arguments) for arguments in inputs]


def _is_json(value: Any) -> bool:
    if type(value) is list:
        return all(map(_is_json, value))
    if type(value) is dict:
        return all(type(key) is str and _is_json(part) for key, part in value.items())
    return value is None or type(value) in (bool, int, float, str)
