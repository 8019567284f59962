"""The training texts: prompts of the three steps, made by the product's own functions, with their completions."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from demo_model.labels import concept_labels
from demo_model.stdlib import renamed, stdlib_functions
from demo_model.task import Task
from demo_model.tasks import draw_task

from sca_hf.prompts.build import TESTS_LABEL, concepts_prompt, instruction_prompt, response_prompt
from sca_hf.prompts.few_shot import FewShot, Property, load_few_shot

KINDS = ("I->R", "C->I", "S->C")
END = "\n\n### Example "


@dataclass(frozen=True)
class Text:
    """One training text: what is given, and what the model has to write up to and with the next heading."""

    prompt: str
    completion: str


def draw_texts(kind: str, seed: str) -> Iterator[Text]:
    """An endless stream of texts of one kind; the same for the same seed."""
    place = 0
    while True:
        yield draw_text(kind, random.Random(f"{seed}/{kind}/{place}"))
        place += 1


def draw_text(kind: str, rng: random.Random) -> Text:
    """One text of a kind out of KINDS. Raises KeyError for another kind."""
    return {"I->R": _response_text, "C->I": _instruction_text, "S->C": _concepts_text}[kind](rng, _few_shot())


def response_completion(task: Task) -> str:
    """What the model should write for a task: the response, then the tests."""
    return f"{task.response}\n\n{TESTS_LABEL}\n{task.tests}"


def task_property(rng: random.Random, task: Task) -> Property:
    """The property that a task is asked for by: some of its concepts in any order, often with foreign ones.

    At run time the concepts come from real functions, so most of them are foreign to these tasks.
    """
    own = rng.sample(task.concepts, rng.randint(0 if rng.random() < 0.2 else 1, len(task.concepts)))
    foreign = rng.choice(_stdlib_labels())
    concepts = [
        *own,
        *rng.sample(foreign, min(len(foreign), rng.choice((0, 0, 1, 1, 2)) if own else rng.randint(2, 4))),
    ]
    rng.shuffle(concepts)
    return Property(task.category, "Python", task.difficulty, tuple(dict.fromkeys(concepts))[:5])


@cache
def _few_shot() -> FewShot:
    return load_few_shot("demo")


@cache
def _stdlib_labels() -> tuple[tuple[str, ...], ...]:
    return tuple(concept_labels(code) for code in stdlib_functions())


def _response_text(rng: random.Random, few_shot: FewShot) -> Text:
    task = draw_task(rng)
    return Text(response_prompt(few_shot, (), task.instruction), response_completion(task) + END)


def _instruction_text(rng: random.Random, few_shot: FewShot) -> Text:
    task = draw_task(rng)
    shot = rng.choice(few_shot.exemplars)
    return Text(instruction_prompt(few_shot, (shot,), task_property(rng, task)), task.instruction + END)


def _concepts_text(rng: random.Random, few_shot: FewShot) -> Text:
    real = rng.random() < 0.75
    code = renamed(rng, rng.choice(stdlib_functions())) if real else draw_task(rng).code
    shot = rng.choice(few_shot.exemplars)
    return Text(concepts_prompt(few_shot, (shot,), code), ", ".join(concept_labels(code)) + END)
