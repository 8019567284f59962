"""Tasks that ask for a program: parse a text, compute something, report it."""

import random

from demo_model.phrasing import capital, describe_steps, in_one_sentence, third_person
from demo_model.pipelines import draw_body, draw_pipeline
from demo_model.sources import ADJECTIVES, SEPARATORS, draw_literal, draw_source
from demo_model.task import (
    CATEGORIES,
    Task,
    empty_result,
    equals,
    finished_task,
    function_name,
    spec_checks,
    steps_for,
    with_imports,
)


def program_task(rng: random.Random, difficulty: str) -> Task:
    source = draw_source(rng, ("numbers", "split"))
    pipeline = draw_pipeline(rng, source, steps_for(rng, difficulty))
    parse = rng.choice(("parse", "read", "load", "split")) + "_" + source.nouns
    compute = function_name(rng, pipeline)
    entry = (
        rng.choice(("report", "run", "describe", "present", "main")) + "_" + rng.choice(ADJECTIVES) + "_" + source.nouns
    )
    label = capital(rng.choice((pipeline.result.verbs[0], "result", "answer", source.nouns, "output")))
    text = source.parameter
    whole = "integers" if source.form == "numbers" else "strings"

    phrases = describe_steps(rng, pipeline)
    write = rng.choice(("Write", "Implement", "Create", "Build"))
    marks = SEPARATORS[source.separator]
    texts = (
        (
            f"{write} a program. `{parse}({text})` splits a string at {marks} into a list of {whole}. "
            f"`{compute}({source.nouns})` must {in_one_sentence(rng, phrases)}. "
            f"`{entry}({text})` returns '{label}: ' and that result."
        ),
        (
            f"{write} a program: `{parse}({text})` makes a list of {whole} from {source.nouns} separated by {marks}, "
            f"`{compute}({source.nouns})` {in_one_sentence(rng, [third_person(phrase) for phrase in phrases])}, and "
            f"`{entry}({text})` returns '{label}: ' and the result."
        ),
    )
    instruction = rng.choice(texts)

    body = draw_body(rng, pipeline, source.nouns)
    lines = [f"def {parse}({text}):", f"    return {source.values}", "", ""]
    lines += [f"def {compute}({source.nouns}):", *("    " + line for line in body), "", "", f"def {entry}({text}):"]
    if rng.random() < 0.5:
        lines.append(f'    return f"{label}: {{{compute}({parse}({text}))}}"')
    else:
        lines += [f"    {source.nouns} = {parse}({text})", f'    return "{label}: " + str({compute}({source.nouns}))']

    literal = draw_literal(rng, source, pipeline.numbers(), pipeline.letters())
    checks = [f"{text} = {literal}", f"{source.nouns} = {parse}({text})"]
    parsed = f"len({source.nouns}) == {literal.count(source.separator) + 1}"
    checks.append(
        f"assert {rng.choice((parsed, f'isinstance({source.nouns}, list)', f'{source.nouns} == {source.values}'))}"
    )
    checks += spec_checks(rng, pipeline, f"{compute}({source.nouns})", source.nouns)
    checks.append(f'assert {entry}({text}) == "{label}: " + str({compute}({source.nouns}))')
    checks.append(f"assert {equals(f'{compute}([])', empty_result(pipeline))}")
    return finished_task(
        rng, CATEGORIES[2], difficulty, instruction, with_imports("\n".join(lines)), pipeline, checks, "program", entry
    )
