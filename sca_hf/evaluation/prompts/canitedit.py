"""CanItEdit: a program and an instruction to change it.

`base`: headings, and stops at them. `instruct`: a system sentence and one shot, as in the paper (its authors dropped
the shot in 2025); the first fenced block is the answer. `sca`: the same request without system sentence and shot,
which SelfCodeAlign's template has no place for; the reply is begun with a fence.
"""

from typing import Any

from sca_hf.benchmarks.canitedit import EditTask
from sca_hf.evaluation.prompts.asking import Asked, Complete, Format, conversation

FORMATS: tuple[Format, ...] = ("sca", "instruct", "base")

_MAX_TOKENS = 2048
_STOPS = ("## Code After:", "## Instruction:", "## Code Before:", "## Test Case:", "## Explanation:")
_SYSTEM = (
    "You are PythonEditGPT. You will be provided the original code snippet and an instruction that specifies the "
    "changes you need to make. You will produce the changed code, based on the original code and the instruction "
    "given. Only produce the code, do not include any additional prose."
)
_SHOT_INSTRUCTION = (
    'Add a "sub" function that subtracts two numbers. Also write docstrings for both functions and change a,b to x,y.'
)
_SHOT_ANSWER = '''\
## Code After
```py
def add(x, y):
    """Adds two numbers."""
    return x + y

def sub(x, y):
    """Subtracts two numbers."""
    return x - y
```'''


async def answer(how: Format, task: EditTask, tokenizer: Any, complete: Complete) -> str:
    """Ask once. Returns the program after the change."""
    if how == "base":
        prompt = f"## Code Before:\n{task.before}\n## Instruction:\n{task.instruction}\n## Code After:\n"
        return await complete(Asked(prompt, _STOPS, _MAX_TOKENS))
    request = _request(task.before, task.instruction)
    if how == "sca":
        text = conversation(tokenizer, ("user", request), reply="```python\n")
        return await complete(Asked(text, ("\n```",), _MAX_TOKENS))
    text = conversation(
        tokenizer,
        ("system", _SYSTEM),
        ("user", _request("def add(a, b):\n    return a + b", _SHOT_INSTRUCTION)),
        ("assistant", _SHOT_ANSWER),
        ("user", request),
    )
    return first_block(await complete(Asked(text, (), _MAX_TOKENS)))


def first_block(text: str) -> str:
    """Return the lines of the first fenced block, closed or not; "" where there is none."""
    lines = text.split("\n")
    fences = [number for number, line in enumerate(lines) if line.startswith("```")]
    if not fences:
        return ""
    end = fences[1] if len(fences) > 1 else len(lines)
    return "".join(f"{line}\n" for line in lines[fences[0] + 1 : end])


def _request(before: str, instruction: str) -> str:
    return f"## Code Before\n```py\n{before}\n```\n\n## Instruction\n{instruction}".strip()
