"""The tests of a function task: the instruction said again over tiny inputs, and what must always hold."""

import random

from demo_model.operations import INT
from demo_model.pipelines import Pipeline, fused, kept, over
from demo_model.sources import draw_literal

_ORDER_FREE = ("sum({g})", "len({s})", "sorted({g})", "set({g})", "len(set({g}))", "math.prod({g})")
_ADDITIVE = ("sum({g})", "len({s})", "sum(len({e}) for {v} in {s})", "{s}")


def guard_checks(rng: random.Random, guard: str, name: str, extra: str) -> list[str]:
    """What the empty list must do under a guard: raise, or return None or -1."""
    if guard == "raise":
        return [
            "try:",
            f"    {name}([]{extra})",
            "    raised = False",
            "except ValueError:",
            "    raised = True",
            "assert raised",
        ]
    return [f"assert {name}([]{extra}) is None" if guard == "none" else f"assert {name}([]{extra}) == -1"]


def draw_checks(
    rng: random.Random, pipeline: Pipeline, name: str, extra: str, guards: list[str], checks_empty: bool
) -> list[str]:
    """Assertions about `name`; `extra` goes after the first argument of every call (', 3'), '' for none."""
    source = pipeline.source
    variable = rng.choice(("x", source.noun)) if source.parameter != "n" else "x"
    literal = draw_literal(rng, source, pipeline.numbers(), pipeline.letters())
    call = f"{name}({source.parameter}{extra})"
    spec = fused(pipeline, variable, source.values)
    properties = _properties(pipeline, name, extra, call)
    if spec and (not properties or rng.random() < 0.3):
        second = draw_literal(rng, source, pipeline.numbers(), pipeline.letters())
        lines = [f"for {source.parameter} in [{literal}, {second}]:", f"    assert {call} == {spec}"]
    elif spec:
        lines = [f"{source.parameter} = {literal}", f"assert {call} == {spec}"]
    else:
        lines = [f"{source.parameter} = {literal}", f"kept = {kept(pipeline, variable, source.values)}"]
        lines.append(f"assert {call} == {over(pipeline, 'kept', variable)}")
    lines += rng.sample(properties, min(len(properties), rng.choice((1, 1, 2))))
    if checks_empty and source.empty:
        empty = pipeline.result.empty.replace("{k}", pipeline.constant)
        sign = "is" if empty in ("None", "True", "False") else "=="
        lines.append(f"assert {name}({source.empty}{extra}) {sign} {empty}")
    lines += guards
    if rng.random() < 0.2:
        test = f"test_{name}"
        return [f"def {test}():", *("    " + line for line in lines), "", "", f"{test}()"]
    return lines


def _properties(pipeline: Pipeline, name: str, extra: str, call: str) -> list[str]:
    source, result = pipeline.source, pipeline.result
    python_type = {
        "number": "int",
        "float": "(int, float)",
        "list": "list",
        "sorted": "list",
        "bool": "bool",
        "dict": "dict",
        "text": "str",
        "set": "set",
    }
    checks = []
    if result.kind in python_type:
        checks.append(f"assert isinstance({call}, {python_type[result.kind]})")
    if result.kind == "sorted":
        checks.append(f"assert {call} == sorted({call})")
    if source.form == "list":
        values = source.parameter
        if result.expression in _ORDER_FREE:
            checks.append(f"assert {name}({values}[::-1]{extra}) == {call}")
        if result.expression in _ADDITIVE:
            checks.append(f"assert {name}({values} + {values}{extra}) == {call} * 2")
        if result.kind == "set":
            checks.append(f"assert {name}({values} * 2{extra}) == {call}")
        if result.kind in ("list", "sorted", "set", "dict"):
            checks.append(f"assert len({call}) <= len({values})")
    if source.form == "range" and result.expression in ("len({s})", "sum({g})") and source.kind == INT:
        checks.append(f"assert isinstance({name}(1{extra}), int)")
    return checks
