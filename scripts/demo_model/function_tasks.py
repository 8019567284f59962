"""Tasks that ask for a function."""

import random
from dataclasses import dataclass, replace

from demo_model.checks import draw_checks, guard_checks
from demo_model.phrasing import capital, constant_words, describe_steps, in_one_sentence, plain_steps, third_person
from demo_model.pipelines import Pipeline, draw_body, draw_pipeline
from demo_model.sources import Source, draw_source
from demo_model.task import CATEGORIES, Task, finished_task, function_name, steps_for, with_imports

_CONTEXTS = (
    *("A shop", "A school", "A library", "A small farm", "A game", "A team", "A museum", "A bakery", "A lab"),
    *("A weather station", "A band", "A garden club", "A hotel", "A city", "A reader", "An app", "A teacher"),
)
_GUARDS = ("raise", "none", "minus")


@dataclass(frozen=True)
class FunctionTask:
    """A task with what its tests are made of. `extra`: what goes after the first argument of a call (', 3'), or ''.

    `guard`: what the empty list does in place of the pipeline's own, '' for nothing.
    """

    task: Task
    pipeline: Pipeline
    name: str
    extra: str
    guard: str


def function_task(rng: random.Random, difficulty: str) -> Task:
    return draw_function(rng, difficulty).task


def draw_function(rng: random.Random, difficulty: str) -> FunctionTask:
    """A task at random."""
    source = draw_source(rng)
    guard = (
        rng.choice(_GUARDS) if source.form == "list" and rng.random() < (0.35 if difficulty == "hard" else 0.12) else ""
    )
    pipeline = draw_pipeline(rng, source, max(1, steps_for(rng, difficulty) - (1 if guard else 0)))
    name = function_name(rng, pipeline)
    shown, limit, value = _with_limit(rng, pipeline) if rng.random() < 0.2 else (pipeline, "", "")
    default = value if limit and rng.random() < 0.4 else ""
    parameters = source.parameter + (f", {limit}={default}" if default else f", {limit}" if limit else "")
    call = f", {value}" if limit and not default else ""

    notes = []
    if limit:
        notes.append(
            f"`{limit}` is {constant_words(rng, default)} by default."
            if default
            else f"`{limit}` is the second argument."
        )
    if guard:
        notes.append(_guard_note(rng, guard, source))
    instruction = _function_instruction(rng, f"{name}({parameters})", name, shown, notes)
    code = _function_code(rng, name, parameters, source, shown, guard)
    checks = guard_checks(rng, guard, name, call) if guard else []
    checks = draw_checks(rng, pipeline, name, call, checks, checks_empty=not guard)
    task = finished_task(rng, CATEGORIES[0], difficulty, instruction, code, shown, checks, "function", name)
    return FunctionTask(task, pipeline, name, call, guard)


def _with_limit(rng: random.Random, pipeline: Pipeline) -> tuple[Pipeline, str, str]:
    """The pipeline with one number made a parameter, the parameter's name and the number; names '' if there is none."""
    for place, step in enumerate(pipeline.steps):
        if step.operation.constant in ("k", "m"):
            name = rng.choice(
                ("limit", "bound", "cutoff", "k") if step.operation.constant == "k" else ("width", "k", "factor")
            )
            steps = [*pipeline.steps]
            steps[place] = replace(step, constant=name)
            return replace(pipeline, steps=tuple(steps)), name, step.constant
    return pipeline, "", ""


def _guard_note(rng: random.Random, guard: str, source: Source) -> str:
    when = rng.choice((f"If `{source.parameter}` is empty", "For an empty list"))
    return {"raise": f"{when}, raise a `ValueError`.", "none": f"{when}, return None.", "minus": f"{when}, return -1."}[
        guard
    ]


def _function_instruction(rng: random.Random, signature: str, name: str, pipeline: Pipeline, notes: list[str]) -> str:
    phrases = describe_steps(rng, pipeline)
    one, thirds = in_one_sentence(rng, phrases), in_one_sentence(rng, [third_person(phrase) for phrase in phrases])
    source = pipeline.source.phrase
    write = rng.choice(("Write", "Implement", "Create", "Define"))
    sentences = [
        capital(phrases[0]) + ".",
        *(f"{rng.choice(('Then', 'Next', 'After that'))}, {phrase}." for phrase in phrases[1:-1]),
    ]
    texts = (
        f"{write} a function `{name}` that takes {source}. It should {one}.",
        f"{write} `{signature}`. Given {source}, {one}.",
        f"{write} a function named `{name}` that accepts {source}. {' '.join(sentences)} Finally, {phrases[-1]}.",
        f"{write} a function `{signature}` that {thirds}. The argument is {source}.",
        f"Given {source}, {write.lower()} a function `{name}` to {one}.",
        f"We need a function `{name}` for {source}: {one}.",
        f"Your task is to {write.lower()} `{signature}`, which takes {source}, {thirds}.",
    )
    text = rng.choice(texts)
    if rng.random() < 0.2:
        context, verb = rng.choice(_CONTEXTS), rng.choice(("records", "collects", "keeps", "works with"))
        text = f"{context} {verb} {pipeline.source.nouns}. {text}"
    return " ".join([text, *notes])


def _function_code(
    rng: random.Random, name: str, parameters: str, source: Source, pipeline: Pipeline, guard: str
) -> str:
    head = f"def {name}({parameters}):"
    if rng.random() < 0.3:
        head = head.replace(f"({source.parameter}", f"({source.parameter}: {source.hint}", 1)
    lines = [head]
    if rng.random() < 0.2:
        lines.append(f'    """{capital(", ".join(plain_steps(pipeline)))}."""')
    if guard:
        test = rng.choice((f"if not {source.parameter}:", f"if len({source.parameter}) == 0:"))
        action = {"raise": f'raise ValueError("no {source.nouns}")', "none": "return None", "minus": "return -1"}[guard]
        lines += [f"    {test}", f"        {action}"]
    lines += ["    " + line for line in draw_body(rng, pipeline, source.values)]
    return with_imports("\n".join(lines))
