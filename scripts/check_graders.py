"""Grade what is known: every reference, and thousands of wrong answers to every benchmark. Prints a table.

    .venv/bin/python scripts/check_graders.py ../shared/data [benchmark …] [--store DIR]

References must pass but for those that the benchmark's file names. Wrong answers (empty bodies, another task's answer,
mutants of the reference that return something else) must not pass, but for RIGHT_BY_CHANCE. One that passes is printed.
"""

import argparse
import ast
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sca_hf.benchmarks import NAMES, Answer, load_benchmark
from sca_hf.benchmarks.classeval import NOT_PASSING
from sca_hf.benchmarks.evoeval import CANNOT_PASS
from sca_hf.errors import InputError
from sca_hf.evaluation.evaluator import Evaluator
from sca_hf.evaluation.results import Made

RIGHT_BY_CHANCE = {
    # The first duplicate is the second most frequent text in all three assertions.
    ("mbpp-all", "829"): "second_frequent = find_first_duplicate",
}
"""How wrong answers end that do what the tests of their task ask."""

# ClassEval's other strategies ask otherwise, and are graded alike.
_DEFAULT = [name for name in NAMES if not name.startswith("classeval-")]
_OTHERS = 2
_MUTANTS = 3


def main() -> int:
    """The exit code: 1 where something came out otherwise than it must."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("benchmarks", nargs="*", default=_DEFAULT)
    parser.add_argument("--store", type=Path, default=Path("store/graders"))
    parser.add_argument("--jails", type=int, default=2)
    given = parser.parse_args()
    print("| benchmark | references that pass | wrong answers that pass | seconds |\n|---|---|---|---:|")
    wrong = False
    with Evaluator(given.store, given.jails) as evaluator:
        for name in given.benchmarks:
            try:
                benchmark = load_benchmark(name, given.data)
            except InputError as error:
                print(f"left out: {error}", file=sys.stderr)
                continue
            started = time.monotonic()
            references = {task: reference_of(benchmark.tasks[task]) for task in benchmark.task_ids}
            answers = [Answer(task, 0, solution=text) for task, text in references.items()]
            graded = evaluator.grade(benchmark, answers, Made("references")).graded
            failed = {one.answer.task for one in graded if not one.grade.passed}
            lacking = {one.answer.task for one in graded if "ModuleNotFoundError" in one.grade.reason}
            unexpected = failed - exceptions_of(name) - lacking
            known = list(wrong_answers(references, benchmark.tasks))
            passed = [
                one
                for one in evaluator.grade(benchmark, known, Made("wrong")).graded
                if one.grade.passed and not _by_chance(name, one.answer)
            ]
            print(
                f"| {name} | {len(answers) - len(failed)} / {len(answers)} | {len(passed)} / {len(known)} "
                f"| {time.monotonic() - started:.0f} |",
                flush=True,
            )
            for one in passed:
                print(f"passes: {name} {one.answer.task}:\n{one.answer.solution}", file=sys.stderr)
            if lacking:
                print(f"{name}: {len(lacking)} references need modules that are not installed", file=sys.stderr)
            for one in graded:
                if one.answer.task in unexpected:
                    print(f"fails: {name} {one.answer.task}: {one.grade.reason}", file=sys.stderr)
            wrong = wrong or bool(unexpected or passed)
    return int(wrong)


def _by_chance(name: str, answer: Answer) -> bool:
    ending = RIGHT_BY_CHANCE.get((name, answer.task))
    return ending is not None and answer.text.rstrip().endswith(ending)


def reference_of(task: Any) -> str:
    """The program that its authors wrote."""
    tested = getattr(task, "tested", None)
    text: str = tested.reference if tested is not None else getattr(task, "reference", "") or task.solution
    return text


def exceptions_of(name: str) -> set[str]:
    """References that are known not to pass."""
    return set(NOT_PASSING) if name == "classeval" else set(CANNOT_PASS.get(name, ()))


def wrong_answers(references: dict[str, str], tasks: Any) -> Iterator[Answer]:
    """An empty body, other tasks' answers and mutants, by task."""
    ids = list(references)
    for task, reference in references.items():
        chance = random.Random(task)
        texts = [without_bodies(reference)]
        entry = getattr(tasks[task], "entry", "")
        others = [other for other in chance.sample(ids, _OTHERS + 1) if other != task]
        texts += [renamed(references[other], getattr(tasks[other], "entry", ""), entry) for other in others]
        texts += mutants(reference, chance)
        # A program that returns nothing has no such mutant, and some tasks share their reference.
        own = plain(reference)
        for sample, text in enumerate(texts):
            if plain(text) != own:
                yield Answer(task, sample, solution=text)


def plain(source: str) -> str:
    """The program without comments and layout."""
    return ast.unparse(ast.parse(source))


def without_bodies(source: str) -> str:
    """Every function does nothing."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.body = [ast.Pass()]
    return ast.unparse(tree)


def renamed(source: str, old: str, new: str) -> str:
    """The function `old` under the name `new`."""
    return f"{source}\n{new} = {old}\n" if old and new else source


def mutants(source: str, chance: random.Random) -> Iterator[str]:
    """Returned values replaced by ones that no task expects everywhere."""
    for value in chance.sample(["None", "-98765", "'wrong'", "[None]", "object()"], _MUTANTS):
        tree = ast.parse(source)
        for node in ast.walk(tree):
            if isinstance(node, ast.Return):
                node.value = ast.parse(value, mode="eval").body
        yield ast.unparse(tree)


if __name__ == "__main__":
    sys.exit(main())
