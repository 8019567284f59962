"""Pipelines in words: the steps in the imperative or the third person, with nouns and constants of many forms."""

import random

from demo_model.operations import Change
from demo_model.pipelines import Pipeline, Step, fill
from demo_model.sources import NUMBER_WORDS

_IRREGULAR = {"has": "has", "multiply": "multiplies"}


def third_person(phrase: str) -> str:
    """`double each one and add` → `doubles each one and adds`: every verb that begins a part of the phrase."""
    parts: list[str] = []
    for part in phrase.split(" and "):
        verb, _, rest = part.partition(" ")
        is_verb = not parts or verb in ("add", "return", "join")
        parts.append(f"{_IRREGULAR.get(verb, verb + 's') if is_verb else verb} {rest}".rstrip())
    return " and ".join(parts)


def constant_words(rng: random.Random, constant: str) -> str:
    """How a text names a constant: `3`, `three`, `'a'` or a parameter's name in backticks."""
    if constant.isdigit():
        number = int(constant)
        return NUMBER_WORDS[number] if number < len(NUMBER_WORDS) and rng.random() < 0.2 else constant
    if constant.startswith('"'):
        return f"'{constant[1:-1]}'"
    return f"`{constant}`"


def plain_steps(pipeline: Pipeline) -> list[str]:
    """One phrase in the imperative a step, always in the same words: how a response says what its code does."""
    phrases = []
    for place, step in enumerate(pipeline.steps):
        operation, constant = step.operation, _plain_constant(step.constant)
        if isinstance(operation, Change):
            target = f"each {pipeline.source.noun}" if place == 0 else "each one"
            phrases.append(fill(operation.phrasings[0], n=target, k=constant))
        else:
            things = pipeline.source.nouns if place == 0 else "ones"
            phrases.append(f"keep the {things} {fill(operation.keep[0], k=constant)}")
    return [*phrases, fill(pipeline.result.phrasings[0], k=_plain_constant(pipeline.constant))]


def describe_steps(rng: random.Random, pipeline: Pipeline) -> list[str]:
    """One phrase in the imperative a step, the result's last."""
    phrases = [_describe(rng, step, pipeline, place == 0) for place, step in enumerate(pipeline.steps)]
    result = rng.choice(pipeline.result.phrasings)
    return [*phrases, fill(result, k=constant_words(rng, pipeline.constant))]


def _plain_constant(constant: str) -> str:
    return f"'{constant[1:-1]}'" if constant.startswith('"') else constant if constant.isdigit() else f"`{constant}`"


def _describe(rng: random.Random, step: Step, pipeline: Pipeline, is_first: bool) -> str:
    constant = constant_words(rng, step.constant)
    if not step.is_condition:
        target = (
            f"{rng.choice(('each', 'every'))} {pipeline.source.noun}"
            if is_first
            else rng.choice(("each one", "each result"))
        )
        return fill(rng.choice(step.operation.phrasings), n=target, k=constant)  # type: ignore[union-attr]
    things = pipeline.source.nouns if is_first else rng.choice(("results", "ones"))
    if rng.random() < 0.7:
        verb = rng.choice(("keep the", "keep only the", "take the", "select the"))
        clause = rng.choice(step.operation.keep)  # type: ignore[union-attr]
    else:
        verb = rng.choice(("drop the", "ignore the", "skip the"))
        clause = rng.choice(step.operation.drop)  # type: ignore[union-attr]
    return f"{verb} {things} {fill(clause, k=constant)}"


def in_one_sentence(rng: random.Random, phrases: list[str]) -> str:
    """`a, b and c` with varying joints; the phrases are taken as they are."""
    if len(phrases) == 1:
        return phrases[0]
    joint = rng.choice((" and ", ", then ", " and then ", ", and finally "))
    return rng.choice((", ", ", then ")).join(phrases[:-1]) + joint + phrases[-1]


def capital(text: str) -> str:
    """The text with its first letter in upper case."""
    return text[:1].upper() + text[1:]
