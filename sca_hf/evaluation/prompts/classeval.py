"""ClassEval: a class at once (holistic), method after method (incremental), or method by method (compositional).

The request is the authors' own. `base`: in their Alpaca-like text, for a model without chat template. `instruct` and
`sca`: by the model's chat template, which for `sca` is Alpaca-like too. Prompt and answer have 2,048 tokens together.
"""

import re
from collections.abc import Sequence
from typing import Any

from sca_hf.benchmarks.classeval import ClassTask, Method
from sca_hf.evaluation.prompts.asking import Asked, Complete, Format, conversation

FORMATS: tuple[Format, ...] = ("sca", "instruct", "base")

_ALL_TOKENS = 2048
_ALPACA = (
    "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Response:\n"
)
_HEADING = re.compile(r"### Response:|@@ Response:|\[/INST\]")
_BLOCKS = tuple(
    re.compile(pattern, re.DOTALL)
    for pattern in (r"```python(.*?)```", r"```python()", r"```(.*?)```", r"\[PYTHON\](.*?)\[/PYTHON\]")
)
_METHOD_BLOCKS = (_BLOCKS[0], _BLOCKS[3])
_INDENT = 4


async def answer(how: Format, task: ClassTask, tokenizer: Any, complete: Complete) -> str:
    """Ask for the class by the task's strategy. Returns its source."""

    async def ask(instruction: str) -> str:
        if how == "base":
            text = _ALPACA.format(instruction=instruction)
        else:
            text = conversation(tokenizer, ("user", instruction))
        room = _ALL_TOKENS - len(tokenizer(text).input_ids)
        return await complete(Asked(text, (), room)) if room > 0 else ""

    if task.strategy == "holistic":
        return class_code(await ask(f"Please complete the class {task.name} in the following code.\n{task.skeleton}"))
    begun = f"{task.imports}\n{_described(task)}"
    written: list[str] = []
    for method in task.methods:
        if task.strategy == "incremental":
            shown = begun + "".join(f"\n\n{code}" for code in written)
        else:
            shown = begun + "".join(_stub(other) for other in task.methods if other.name != method.name)
        request = f"please complete {method.name} method in the following class {task.name}\n\n"
        written.append(method_code(await ask(f"{request}{shown}\n\n    {method.description}"), method.name))
    start = begun if task.strategy == "incremental" else f"{task.imports}\n{task.constructor}"
    return class_code(start + "".join(f"\n\n{code}" for code in written))


def class_code(text: str) -> str:
    """Return the class of a completion: a fenced block, else what is left from the first import or class on.

    An unclosed python fence yields nothing, as published.
    """
    text = _HEADING.split(text.rstrip())[0]
    for block in _BLOCKS:
        if match := block.search(text):
            return match[1]
    lines = text.split("\n")
    first = next((number for number, line in enumerate(lines) if line.strip().startswith("class")), len(lines))
    prose = {line for line in lines[:first] if not line.strip().startswith(("import", "from"))}
    # As published a line of prose goes wherever it comes again, and a class that is indented is moved to the left.
    lines = [line for line in lines if line not in prose]
    head = next((line for line in lines if line.strip().startswith("class")), "")
    if _indent(head):
        lines = [" " * (_indent(line) - _indent(head)) + line.lstrip() for line in lines]
    return "\n".join(lines)


def method_code(text: str, name: str) -> str:
    """Return the method `name` of a completion, indented by four; "" where it isn't there."""
    text = _HEADING.split(text)[0]
    for block in _METHOD_BLOCKS:
        if match := block.search(text):
            text = match[1]
            break
    lines = text.split("\n")
    start = next((number for number, line in enumerate(lines) if f"def {name}(" in line), None)
    if start is None:
        return ""
    lines = ["" if line in ("```", "\r") else line for line in lines[start:]]
    if len(lines) > 1 and _indent(lines[1]) - _indent(lines[0]) > _INDENT:
        lines[0] = " " * _INDENT + lines[0]  # the prompt had its indentation
    base = _indent(lines[0])
    end = next((number for number, line in enumerate(lines) if number and line and _indent(line) <= base), len(lines))
    lines = [" " * (_INDENT - base) + line for line in lines[:end]]
    if "self" not in lines[0] and "cls" not in lines[0]:
        lines.insert(0, " " * _INDENT + "@staticmethod")
    if sum(line in (" " * 8 + '"""', " " * 4 + '"""') for line in lines) % 2:
        lines += [" " * 8 + '"""', " " * 8 + "pass"]  # a docstring that was cut off
    return "\n".join(lines).rstrip() + "\n"


def _described(task: ClassTask) -> str:
    """The constructor, with the class's description below its first line."""
    first, *rest = task.constructor.split("\n")
    return "\n".join([f"{first} \n{task.description}", *rest])


def _stub(method: Method) -> str:
    heads: Sequence[str] = [part for part in method.description.split("):") if f"def {method.name}(" in part]
    return (f"    {heads[0]}):" if heads else "") + "\n        pass\n\n"


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
