"""Pipelines: conditions and changes in a row with their constants, as expressions and as statements in many styles."""

import random
import re
from dataclasses import dataclass

from demo_model.operations import CHANGES, CONDITIONS, INT, Change, Condition, Result
from demo_model.results import results_for
from demo_model.sources import MARKS, SEPARATORS, Source

_SLOT = re.compile(r"\{([xkgsevn])\}")
_COMPARISON = re.compile(r" (>|<|>=|<=|==|!=|in|not in) [^{]*$|$")
_STOP_LETTERS = "aeorstnl"


@dataclass(frozen=True)
class Step:
    """One condition or change with the source of its constant, '' when it has none."""

    operation: Condition | Change
    constant: str

    @property
    def is_condition(self) -> bool:
        return isinstance(self.operation, Condition)


@dataclass(frozen=True)
class Pipeline:
    """Steps on the values of a source and the result that they end in."""

    source: Source
    steps: tuple[Step, ...]
    result: Result
    constant: str

    def numbers(self) -> tuple[int, ...]:
        """The integer constants, for inputs that lie around them."""
        constants = (*(step.constant for step in self.steps), self.constant)
        return tuple(int(constant) for constant in constants if constant.isdigit())

    def letters(self) -> str:
        """The letters that the steps look for."""
        return "".join(step.constant[1:2] for step in self.steps if step.operation.constant == "c")


def fill(template: str, **slots: str) -> str:
    """Put sources into a template's slots; parentheses go around a compound `x` or `e` where they are needed."""

    def put(match: re.Match[str]) -> str:
        name = match[1]
        if name not in slots:
            return match[0]
        content = slots[name]
        if name not in "xe" or re.fullmatch(r"[\w.]+|[\w.]*\([^()]*\)", content):
            return content
        before, after = template[: match.start()], template[match.end() :]
        alone = (before == "" or before[-1] in "([{,=" or before.endswith("return ")) and (
            after == "" or after[0] in ",):}" or after.startswith((" for ", ": "))
        )
        compared = before == "" and _COMPARISON.match(after) and " if " not in content
        return content if alone or compared else f"({content})"

    return _SLOT.sub(put, template)


def draw_constant(rng: random.Random, kind: str) -> str:
    """The source of a constant of one of the kinds listed in operations.py."""
    if kind in ("k", "m", "d", "z"):
        low, high = {"k": (1, 15), "m": (2, 6), "d": (0, 9), "z": (0, 1)}[kind]
        return str(rng.randint(low, high))
    letters = {"c": _STOP_LETTERS, "t": MARKS, "p": tuple(SEPARATORS)}
    return f'"{rng.choice(letters[kind])}"' if kind else ""


def draw_pipeline(rng: random.Random, source: Source, length: int) -> Pipeline:
    """A pipeline of `length` steps at random; no operation comes twice and no two conditions stand side by side."""
    steps: list[Step] = []
    kind = source.kind
    while len(steps) < length:
        wants_condition = rng.random() < 0.5 and not (steps and steps[-1].is_condition)
        pool: tuple[Condition | Change, ...] = CONDITIONS if wants_condition else CHANGES
        used = [step.operation for step in steps]
        operation = rng.choice([choice for choice in pool if choice.takes == kind and choice not in used])
        if "{x}[0]" in operation.expression and steps:
            continue
        steps.append(Step(operation, draw_constant(rng, operation.constant)))
        kind = operation.gives if isinstance(operation, Change) else kind
    result = rng.choice(results_for(kind))
    return Pipeline(source, tuple(steps), result, draw_constant(rng, result.constant))


def fused(pipeline: Pipeline, variable: str, values: str, as_list: bool = False) -> str | None:
    """The whole pipeline as one expression over `values`, or None when its result needs the values twice."""
    element, conditions = _fuse(pipeline.steps, variable)
    clause = f"for {variable} in {values}" + (f" if {' and '.join(conditions)}" if conditions else "")
    result = pipeline.result
    if "for {v} in {s}" in result.expression and result.expression.count("{s}") == 1:
        template = result.expression.replace("for {v} in {s}", clause)
        return fill(template, e=element, v=variable, k=pipeline.constant)
    if result.expression.count("{s}") > 1 or "{v}" in result.expression:
        return None
    generator = values if clause == f"for {variable} in {values}" and element == variable else f"{element} {clause}"
    if "," in result.expression.split("{g}")[-1] and generator != values:
        generator = f"({generator})"
    if as_list or "{s}" in result.expression:
        generator = f"[{element} {clause}]"
    return fill(result.expression, g=generator, s=generator, k=pipeline.constant)


def kept(pipeline: Pipeline, variable: str, values: str) -> str:
    """The list that the steps leave, as a comprehension."""
    element, conditions = _fuse(pipeline.steps, variable)
    return f"[{element} for {variable} in {values}" + (f" if {' and '.join(conditions)}]" if conditions else "]")


def over(pipeline: Pipeline, name: str, variable: str) -> str:
    """The result's expression over the list called `name`."""
    return fill(pipeline.result.expression, g=name, s=name, v=variable, e=variable, k=pipeline.constant)


def _fuse(steps: tuple[Step, ...], variable: str) -> tuple[str, list[str]]:
    element, conditions = variable, []
    for step in steps:
        expression = fill(step.operation.expression, x=element, k=step.constant)
        if step.is_condition:
            conditions.append(expression)
        else:
            element = expression
    return element, conditions


def draw_body(rng: random.Random, pipeline: Pipeline, values: str) -> list[str]:
    """Statements that compute the pipeline over `values` and return its result, in a style at random."""
    variable = rng.choice((pipeline.source.noun, pipeline.source.noun, "x"))
    if variable in ("c", "d", "i", "a", "b", "n", "item") or variable == pipeline.source.parameter:
        variable = "value" if pipeline.source.kind == INT else "w"
    names = rng.choice((("kept", "result"), ("chosen", "changed")))
    styles = [
        _one_line,
        _one_line,
        _comprehension,
        _comprehension,
        _loop,
        _loop,
        _stepwise,
        _stepwise,
        _lambdas,
        _generator,
    ]
    lines = rng.choice(styles)(rng, pipeline, values, variable, names)
    return lines or _comprehension(rng, pipeline, values, variable, names)


def _one_line(rng: random.Random, pipeline: Pipeline, values: str, variable: str, names: tuple[str, str]) -> list[str]:
    expression = fused(pipeline, variable, values)
    return [f"return {expression}"] if expression else []


def _comprehension(
    rng: random.Random, pipeline: Pipeline, values: str, variable: str, names: tuple[str, str]
) -> list[str]:
    return [f"{names[0]} = {kept(pipeline, variable, values)}", f"return {over(pipeline, names[0], variable)}"]


def _stepwise(rng: random.Random, pipeline: Pipeline, values: str, variable: str, names: tuple[str, str]) -> list[str]:
    lines, current = [], values
    for step in pipeline.steps:
        name = names[0] if step.is_condition else names[1]
        expression = fill(step.operation.expression, x=variable, k=step.constant)
        inner = (
            f"{variable} for {variable} in {current} if {expression}"
            if step.is_condition
            else f"{expression} for {variable} in {current}"
        )
        lines.append(f"{name} = [{inner}]")
        current = name
    return [*lines, f"return {over(pipeline, current, variable)}"]


def _loop(rng: random.Random, pipeline: Pipeline, values: str, variable: str, names: tuple[str, str]) -> list[str]:
    start, body, end = pipeline.result.loop or (f"{names[1]} = []", names[1] + ".append({e})", "")
    lines = [start] if start else []
    lines.append(f"for {variable} in {values}:")
    depth, element = 1, variable
    for step in pipeline.steps:
        expression = fill(step.operation.expression, x=element, k=step.constant)
        if not step.is_condition:
            if rng.random() < 0.5 or step is pipeline.steps[-1]:
                element = expression
            else:
                name = "new" if element != "new" else "newer"
                lines.append(f"{'    ' * depth}{name} = {expression}")
                element = name
        elif rng.random() < 0.3:
            lines += [f"{'    ' * depth}if not ({expression}):", f"{'    ' * depth}    continue"]
        else:
            lines.append(f"{'    ' * depth}if {expression}:")
            depth += 1
    if body.count("{e}") > 1 and element != variable:
        lines.append(f"{'    ' * depth}{names[1]} = {element}")
        element = names[1]
    lines.append("    " * depth + fill(body, e=element))
    return [*lines, f"return {end or over(pipeline, names[1], variable)}"]


def _lambdas(rng: random.Random, pipeline: Pipeline, values: str, variable: str, names: tuple[str, str]) -> list[str]:
    if len(pipeline.steps) > 2:
        return []
    lines, current = [], values
    for step in pipeline.steps:
        name, builtin = (names[0], "filter") if step.is_condition else (names[1], "map")
        expression = fill(step.operation.expression, x=variable, k=step.constant)
        lines.append(f"{name} = list({builtin}(lambda {variable}: {expression}, {current}))")
        current = name
    return [*lines, f"return {over(pipeline, current, variable)}"]


def _generator(rng: random.Random, pipeline: Pipeline, values: str, variable: str, names: tuple[str, str]) -> list[str]:
    lines = ["def stream():", f"    for {variable} in {values}:"]
    depth, element = 2, variable
    for step in pipeline.steps:
        expression = fill(step.operation.expression, x=element, k=step.constant)
        if step.is_condition:
            lines.append(f"{'    ' * depth}if {expression}:")
            depth += 1
        else:
            element = expression
    lines.append(f"{'    ' * depth}yield {element}")
    expression = pipeline.result.expression
    if expression.count("{s}") == 0:
        return [*lines, f"return {fill(expression, g='stream()', k=pipeline.constant)}"]
    return [*lines, f"{names[0]} = list(stream())", f"return {over(pipeline, names[0], variable)}"]
