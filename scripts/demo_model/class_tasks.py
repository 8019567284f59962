"""Tasks that ask for a small class."""

import builtins
import random

from demo_model.phrasing import describe_steps, in_one_sentence, third_person
from demo_model.pipelines import draw_body, draw_pipeline
from demo_model.sources import ADJECTIVES, draw_literal, draw_source
from demo_model.task import CATEGORIES, Task, empty_result, equals, finished_task, spec_checks, steps_for, with_imports

_CLASS_WORDS = (
    *("Tracker", "Box", "Store", "Log", "Board", "Counter", "Keeper", "Register", "Basket", "Queue", "Shelf"),
    *("Ledger", "Bag", "Archive", "Monitor", "Pool", "Batch", "Folder", "Journal", "Vault"),
)


def class_task(rng: random.Random, difficulty: str) -> Task:
    source = draw_source(rng, ("list",))
    attribute = rng.choice((source.nouns, "values", "items", "_" + source.nouns))
    length = steps_for(rng, difficulty)
    pipeline = draw_pipeline(rng, source, max(1, length - 1) if rng.random() < 0.6 else length)
    name = rng.choice(ADJECTIVES).capitalize() + source.noun.capitalize() + rng.choice(_CLASS_WORDS)
    add = rng.choice(("add", "put", "store", "record", "push"))
    method = rng.choice(
        (pipeline.result.verbs[0], "_".join((rng.choice(pipeline.result.verbs), source.nouns)), "report", "result")
    )
    method = f"get_{method}" if method in (add, attribute, "size", "clear", *dir(builtins)) else method
    extra = rng.choice(("size", "clear", "")) if difficulty == "easy" else rng.choice(("size", "clear"))

    phrases = describe_steps(rng, pipeline)
    write = rng.choice(("Write", "Implement", "Create", "Define"))
    texts = (
        (
            f"{write} a class `{name}` with a method `{add}({source.noun})` that stores one {source.noun}. "
            f"A method `{method}()` should {in_one_sentence(rng, phrases)}."
        ),
        (
            f"{write} a class `{name}` for {source.nouns}: `{add}({source.noun})` keeps a {source.noun}, and "
            f"`{method}()` {in_one_sentence(rng, [third_person(phrase) for phrase in phrases])}."
        ),
        (
            f"Design a class `{name}` that collects {source.nouns} through `{add}({source.noun})`, one at a time. "
            f"Its method `{method}()` must {in_one_sentence(rng, phrases)}."
        ),
    )
    instruction = rng.choice(texts)
    notes = {
        "size": (
            "`size()` returns how many were stored.",
            f"Add a method `size()` with the number of stored {source.nouns}.",
        ),
        "clear": ("`clear()` removes everything.", "Add a method `clear()` that empties it."),
        "": ("",),
    }
    instruction = f"{instruction} {rng.choice(notes[extra])}".strip()

    body = draw_body(rng, pipeline, f"self.{attribute}")
    lines = [f"class {name}:"]
    if rng.random() < 0.3:
        lines += [f'    """Stores {source.nouns}."""', ""]
    lines += ["    def __init__(self):", f"        self.{attribute} = []", ""]
    lines += [f"    def {add}(self, {source.noun}):", f"        self.{attribute}.append({source.noun})", ""]
    if extra == "size":
        lines += ["    def size(self):", f"        return len(self.{attribute})", ""]
    if extra == "clear":
        lines += ["    def clear(self):", f"        self.{attribute} = []", ""]
    lines += [f"    def {method}(self):", *("        " + line for line in body)]

    literal = draw_literal(rng, source, pipeline.numbers(), pipeline.letters())
    thing = rng.choice(("thing", "box", "store"))
    checks = [
        f"{source.nouns} = {literal}",
        f"{thing} = {name}()",
        f"for {source.noun} in {source.nouns}:",
        f"    {thing}.{add}({source.noun})",
    ]
    checks += spec_checks(rng, pipeline, f"{thing}.{method}()", source.nouns)
    last = [f"assert {equals(f'{name}().{method}()', empty_result(pipeline))}"]
    if extra == "size":
        last.append(f"assert {thing}.size() == {rng.choice((f'len({source.nouns})', str(literal.count(',') + 1)))}")
    if extra == "clear":
        last += [f"{thing}.clear()", f"assert {equals(f'{thing}.{method}()', empty_result(pipeline))}"]
    return finished_task(
        rng,
        CATEGORIES[1],
        difficulty,
        instruction,
        with_imports("\n".join(lines)),
        pipeline,
        checks + last,
        "class",
        name,
    )
