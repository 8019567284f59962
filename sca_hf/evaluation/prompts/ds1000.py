"""DS-1000: what is missing from a piece of code behind a question.

`base`: the question as it is, with the authors' stops. `instruct`, `sca`: as in SelfCodeAlign's evaluation, what stands
before the last "A:" is the request and the code behind it the beginning of the reply, which ends at a fence. Published:
40 samples, T 0.2, top-p 0.95, 1,024 tokens.
"""

from typing import Any

from sca_hf.benchmarks.ds1000 import DataTask
from sca_hf.evaluation.prompts.asking import Asked, Complete, Format, conversation

FORMATS: tuple[Format, ...] = ("sca", "instruct", "base")

_MAX_TOKENS = 1024
_STOPS = ("</code>", "# SOLUTION END", "\nEND SOLUTION")
_PLOT = "# SOLUTION START"


async def answer(how: Format, task: DataTask, tokenizer: Any, complete: Complete) -> str:
    """Ask once. Returns what goes where the context says."""
    if how == "base":
        return await complete(Asked(task.prompt, _STOPS, _MAX_TOKENS))
    request, reply = split_prompt(task.prompt)
    text = conversation(tokenizer, ("user", request), reply=reply)
    return (await complete(Asked(text, ("```",), _MAX_TOKENS))).partition("```")[0]


def split_prompt(prompt: str) -> tuple[str, str]:
    """Return the request and the beginning of the reply, an open fence that ends where the solution begins."""
    if _PLOT in prompt:
        code = prompt[: prompt.rindex(_PLOT)].strip()
        return f"Write a solution to the following problem:\n```python\n{code}\n```", f"```python\n{code}\n# Solution\n"
    request, _, given = prompt.rpartition("A:")
    request = request.strip().removeprefix("Problem:").strip()
    lines = given.strip().split("\n")
    if "### BEGIN SOLUTION" in prompt:
        # A function's body. Its last lines: two comments that say what it returns, and the mark.
        *given_lines, _, _, mark = lines
        solution = mark.replace("###", "#").replace("BEGIN SOLUTION", "Solution")
        reply = "\n".join([*given_lines, f"{solution}\n"])
    else:
        while lines and lines[-1].strip() in ("<code>", "BEGIN SOLUTION", "</code>", ""):
            lines.pop()
        code, _, told = "\n".join(lines).partition("</code>")
        asked = [f"# {line.strip()}" for line in told.split("\n") if line.strip() not in ("", "<code>", "</code>")]
        reply = "\n".join([code.removesuffix("\n"), *asked, "# Solution\n"])
    return _fenced(request), _fenced(reply.lstrip())


def _fenced(text: str) -> str:
    return text.replace("<code>", "```python").replace("</code>", "```")
