"""LiveCodeBench: a problem of a contest, which reads stdin or fills in a class.

`base`: one solved problem of the kind in front, and all of the completion. `instruct`: the authors' generic chat
format; the program is what lies between the last two fences. `sca`: CodeLlama's request for APPS, as it was made of
StarCoder2-Instruct; the reply is begun with a fence, and cut at the next. Published: 10 samples, T 0.2, top-p 0.95,
2,000 tokens.
"""

import json
from functools import cache
from importlib.resources import files
from typing import Any

from sca_hf.benchmarks.livecodebench import Problem
from sca_hf.evaluation.prompts.asking import Asked, Complete, Format, conversation

FORMATS: tuple[Format, ...] = ("sca", "instruct", "base")

_MAX_TOKENS, _STOP = 2000, "###"
_SYSTEM = (
    "You are an expert Python programmer. You will be given a question (problem specification) and will generate a "
    "correct Python program that matches the specification and passes all tests."
)
_WITH_STARTER = (
    "You will use the following starter code to write the solution to the problem and enclose your code within "
    "delimiters."
)
_WITHOUT_STARTER = (
    "Read the inputs from stdin solve the problem and write the answer to stdout (do not directly test on the sample "
    "inputs). Enclose your code within delimiters as follows. Ensure that when the python program runs, it reads the "
    "inputs, runs the algorithm and writes output to STDOUT."
)
_APPS = (
    "Write a python code to solve the following coding problem that obeys the constraints and passes the example test "
    "cases. The output code needs to {guide}. Please wrap your code answer using ```:\n{question}\n{starter}"
)


async def answer(how: Format, task: Problem, tokenizer: Any, complete: Complete) -> str:
    """Ask once. Returns the program."""
    if how == "base":
        return (await complete(Asked(_one_shot(task), (_STOP,), _MAX_TOKENS))).strip()
    if how == "sca":
        guide = "use the provided function signature" if task.starter else "read from and write to standard IO"
        request = _APPS.format(guide=guide, question=task.question, starter=f"{task.starter}\n" if task.starter else "")
        text = conversation(tokenizer, ("user", request), reply="```python\n")
        return (await complete(Asked(text, ("```",), _MAX_TOKENS))).partition("```")[0]
    text = conversation(tokenizer, ("system", _SYSTEM), ("user", _request(task)))
    return last_block(await complete(Asked(text, (_STOP,), _MAX_TOKENS)))


def last_block(text: str) -> str:
    """Return the lines between the last two that hold a fence; "" where there are not two."""
    lines = text.split("\n")
    fences = [number for number, line in enumerate(lines) if "```" in line]
    return "\n".join(lines[fences[-2] + 1 : fences[-1]]) if len(fences) > 1 else ""


def _request(task: Problem) -> str:
    form, code = (_WITH_STARTER, task.starter) if task.starter else (_WITHOUT_STARTER, "# YOUR CODE HERE")
    return (
        f"### Question:\n{task.question}\n\n### Format: {form}\n```python\n{code}\n```\n\n"
        "### Answer: (use the provided format with backticks)\n\n"
    )


def _one_shot(task: Problem) -> str:
    shot = _shots()["function" if task.starter else "stdin"]
    solved = _question(shot["question"], shot.get("starter", "")) + f"{shot['answer']}\n\n"
    return solved + _question(task.question, task.starter)


def _question(question: str, starter: str) -> str:
    code = f"### Starter Code\n{starter}\n\n" if starter else ""
    return f"### Question\n{question}\n\n{code}### Answer\n\n"


@cache
def _shots() -> dict[str, dict[str, str]]:
    """The authors' solved problems (MIT, Copyright (c) 2024 LiveCodeBench)."""
    text = (files("sca_hf.evaluation.prompts") / "livecodebench_shots.json").read_text(encoding="utf-8")
    shots: dict[str, dict[str, str]] = json.loads(text)
    return shots
