"""A task, and the parts that tasks of every category share."""

import random
from dataclasses import dataclass

from demo_model.labels import concept_labels
from demo_model.phrasing import plain_steps, third_person
from demo_model.pipelines import Pipeline, fused, kept, over
from demo_model.sources import ADJECTIVES

CATEGORIES = ("function implementation", "class implementation", "program implementation")
DIFFICULTIES = ("easy", "medium", "hard")


@dataclass(frozen=True)
class Task:
    """One task with its solution: `code` is the solution alone, `response` and `tests` are Markdown."""

    category: str
    difficulty: str
    instruction: str
    code: str
    response: str
    tests: str

    @property
    def concepts(self) -> tuple[str, ...]:
        """The concepts that static analysis finds in the solution."""
        return concept_labels(self.code)


def steps_for(rng: random.Random, difficulty: str) -> int:
    return {"easy": 1, "medium": 2, "hard": rng.choice((2, 3))}[difficulty]


def function_name(rng: random.Random, pipeline: Pipeline) -> str:
    words = [rng.choice(pipeline.result.verbs), rng.choice(ADJECTIVES), pipeline.source.nouns]
    return "_".join(words)


def spec_checks(rng: random.Random, pipeline: Pipeline, call: str, values: str) -> list[str]:
    """The pipeline said again as one expression over the list called `values`."""
    variable = rng.choice(("x", pipeline.source.noun))
    if spec := fused(pipeline, variable, values):
        return [f"assert {call} == {spec}"]
    return [f"kept = {kept(pipeline, variable, values)}", f"assert {call} == {over(pipeline, 'kept', variable)}"]


def empty_result(pipeline: Pipeline) -> str:
    return pipeline.result.empty.replace("{k}", pipeline.constant)


def equals(call: str, expected: str) -> str:
    return f"{call} is {expected}" if expected in ("None", "True", "False") else f"{call} == {expected}"


def with_imports(code: str) -> str:
    needed = [f"import {module}" for module in ("itertools", "math") if f"{module}." in code]
    return "\n".join(needed) + "\n\n\n" + code if needed else code


def finished_task(
    rng: random.Random, category: str, difficulty: str, instruction: str, code: str, pipeline: Pipeline,
    checks: list[str], thing: str, name: str,
) -> Task:  # fmt: skip
    phrases = plain_steps(pipeline)
    thirds = ", ".join(third_person(phrase) for phrase in phrases)
    opening = rng.choice((f"The {thing} {thirds}.", f"`{name}` {thirds}.", f"We {', '.join(phrases)}."))
    closing = ""
    if rng.random() < 0.15:
        closing = "\n\n" + rng.choice(
            ("The input stays as it was.", "Each step is one line or one condition.", "No step changes the input.",
             "The steps run in the order of the task.")
        )  # fmt: skip
    tests = "\n".join(checks)
    imports = [f"import {module}" for module in ("itertools", "math") if f"{module}." in tests]
    tests = "\n".join([*imports, *([""] if imports else []), tests])
    response = f"{opening}\n\n```python\n{code}\n```{closing}"
    return Task(category, difficulty, instruction, code, response, f"```python\n{tests}\n```")
