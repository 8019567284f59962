"""The texts that the demo model is trained on."""

import asyncio
import hashlib
import os
import random
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
from demo_model.corpus import END, KINDS, draw_texts, response_completion
from demo_model.novelty import normalised
from demo_model.stdlib import renamed
from demo_model.task import CATEGORIES, DIFFICULTIES, Task
from demo_model.tasks import draw_task

from sca_hf.prompts.answers import parse_answer
from sca_hf.prompts.code_blocks import code_blocks
from sca_hf.sandbox import Jails, Program, Verdict

SCRIPTS = Path(__file__).parents[2] / "scripts"
DIGEST = """
import hashlib, sys
from itertools import islice
from demo_model.corpus import draw_texts
texts = list(islice(draw_texts("I->R", "check"), 100))
print(hashlib.sha256(repr(texts).encode()).hexdigest())
"""


def tasks(count: int) -> list[Task]:
    return [draw_task(random.Random(f"test-{place}")) for place in range(count)]


def verdicts(pairs: list[tuple[Task, Task]]) -> list[Verdict]:
    """The verdict on the first task's response under the second one's tests, for each pair."""

    async def run() -> list[Verdict]:
        async with Jails(2) as jails:
            programs = [
                Program(code="\n\n".join(code_blocks(one.response)), tests="\n\n".join(code_blocks(other.tests)))
                for one, other in pairs
            ]
            return await asyncio.gather(*(jails.run(program) for program in programs))

    return asyncio.run(run())


def test_the_same_seed_gives_the_same_texts_in_another_process() -> None:
    texts = list(islice(draw_texts("I->R", "check"), 100))
    ours = hashlib.sha256(repr(texts).encode()).hexdigest()
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": str(SCRIPTS)}
    theirs = subprocess.run([sys.executable, "-c", DIGEST], env=environment, capture_output=True, text=True, check=True)
    assert theirs.stdout.strip() == ours
    assert len({text.completion for text in texts}) == 100


@pytest.mark.jail
def test_every_generated_response_passes_its_own_tests() -> None:
    drawn = tasks(150)
    failed = [
        (task.instruction, verdict)
        for task, verdict in zip(drawn, verdicts([(task, task) for task in drawn]), strict=True)
        if verdict.status != "passed"
    ]
    assert failed == []


@pytest.mark.jail
def test_tests_reject_the_response_to_another_task() -> None:
    drawn = tasks(40)
    passed = [verdict.status == "passed" for verdict in verdicts(list(zip(drawn[1:], drawn, strict=False)))]
    assert sum(passed) == 0


@pytest.mark.jail
def test_tests_reject_a_result_that_is_off_by_one() -> None:
    drawn = [task for task in tasks(900) if "return sum(" in task.response and "/ max(" not in task.response][:20]
    wrong = [replace(task, response=task.response.replace("return sum(", "return 1 + sum(")) for task in drawn]
    assert len(drawn) == 20
    assert all(verdict.status != "passed" for verdict in verdicts(list(zip(wrong, drawn, strict=True))))


def test_categories_and_difficulties_come_up_as_the_recipes_ask_for_them() -> None:
    drawn = tasks(600)
    categories = Counter(task.category for task in drawn)
    assert set(categories) == set(CATEGORIES)
    assert {task.difficulty for task in drawn} == set(DIFFICULTIES)
    assert 0.4 < categories["function implementation"] / len(drawn) < 0.6
    assert all(1 <= len(task.concepts) <= 6 for task in drawn)


def test_completions_are_what_the_response_stage_takes_apart() -> None:
    for task in tasks(50):
        answer = parse_answer(response_completion(task), "stop", infer_tests=True, cut_tests=False)
        assert (answer.response, answer.tests, answer.reject_reason) == (task.response, task.tests, None)


def test_texts_end_where_generation_stops() -> None:
    for kind in KINDS:
        for text in islice(draw_texts(kind, "ends"), 20):
            assert text.completion.endswith(END)
            assert text.completion.count("### Example") == 1
            assert text.prompt.endswith("]\n")


def test_normalised_instructions_differ_in_structure_alone() -> None:
    one = "Write a function `sum_daily_prices` that takes a list `prices`. Keep the prices above 3, joined by '-'."
    two = "Write a function `total_old_ages` that takes a list `ages`. Keep the ages above eleven, joined by '!'."
    three = two.replace("above", "below")
    assert normalised(one) == normalised(two) != normalised(three)


def test_the_space_of_instructions_is_far_larger_than_the_training() -> None:
    # Birthday bound: few pairs among 8,000 draws that agree mean a space of many millions.
    drawn = [normalised(draw_task(random.Random(f"space-{place}")).instruction) for place in range(8_000)]
    assert len(set(drawn)) > 7_800


@pytest.mark.parametrize("seed", range(5))
def test_renaming_keeps_what_the_code_does(seed: int) -> None:
    code = "def area(width, height=2):\n    result = width * height\n    return max(result, 0)\n"
    other = renamed(random.Random(seed), code)
    space: dict[str, object] = {}
    exec(other, space)
    function = next(value for name, value in space.items() if name != "__builtins__")
    assert callable(function)
    assert function(3) == 6
    assert function(-1) == 0
