"""Rows of the SFT stage in the shapes that trainers take: one function a shape, all from one selection.

`messages`: TRL, axolotl, LLaMA-Factory. `prompt-completion`: TRL, with the loss on the completion alone. `dpo`: a passing
and a failing answer. `rl`: a prompt and the tests that reward an answer. All conversations are lists of messages; a base
model has no chat template for them: `sca_hf/prompts/chat_template.jinja` is one.
"""

import ast
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from datasets import Features, List, Value

from sca_hf.identity import row_random
from sca_hf.prompts.code_blocks import code_blocks

Row = Mapping[str, Any]

_MESSAGES = List({"role": Value("string"), "content": Value("string")})
_ID = {"id": Value("string")}

FORMATS = {
    "messages": Features({**_ID, "messages": _MESSAGES}),
    "prompt-completion": Features({**_ID, "prompt": _MESSAGES, "completion": _MESSAGES}),
    "dpo": Features({**_ID, "prompt": _MESSAGES, "chosen": _MESSAGES, "rejected": _MESSAGES}),
    "rl": Features(
        {
            **_ID,
            "prompt": _MESSAGES,
            "tests": Value("string"),
            "entry_point": Value("string"),
            "pass_rate": Value("float64"),
        }
    ),
}
"""Columns of each format, by the name of its config."""

# An attempt that ran into a limit of the machine says nothing about the answer, and one without assertions nothing
# at all.
_WRONG = frozenset({"failed", "syntax-error"})


def messages(row: Row) -> dict[str, Any]:
    """Return the conversation of a row of the SFT stage."""
    return {"id": row["id"], "messages": row["messages"]}


def prompt_completion(row: Row) -> dict[str, Any]:
    """Return the conversation parted into what is asked and what is learnt."""
    return {"id": row["id"], "prompt": row["messages"][:-1], "completion": row["messages"][-1:]}


def preference(row: Row, attempts: Iterable[Row], seed: int) -> dict[str, Any] | None:
    """Return the row's response and a wrong attempt at its instruction; None if there is none.

    `attempts`: rows of the execute stage with this `instruction_id`. A wrong attempt ended with an exception or is not
    Python; one that ran out of time or memory is never taken. Which one is uniform by `seed` and the row's id, and
    independent of the attempts' order. The prompt is the bare instruction: each attempt was written for that, with
    tests of its own.
    """
    wrong = sorted(
        (attempt["id"], attempt["response"])
        for attempt in attempts
        if attempt["status"] in _WRONG and attempt["response"] != row["response"]
    )
    if not wrong:
        return None
    _, rejected = row_random(seed, "rejected", row["id"]).choice(wrong)
    return {
        "id": row["id"],
        "prompt": [{"role": "user", "content": row["instruction"]}],
        "chosen": [{"role": "assistant", "content": row["response"]}],
        "rejected": [{"role": "assistant", "content": rejected}],
    }


def reinforcement(row: Row, attempts: Sequence[Row]) -> dict[str, Any]:
    """Return the row's prompt, its tests as a program, the name that they test, and how often an attempt passed.

    `attempts`: rows of the execute stage with this `instruction_id`; without any, the pass rate is null.
    """
    tests = "\n".join(code_blocks(row["tests"]))
    passes = [attempt["status"] == "passed" for attempt in attempts]
    return {
        "id": row["id"],
        "prompt": row["messages"][:-1],
        "tests": tests,
        "entry_point": entry_point("\n".join(code_blocks(row["response"])), tests),
        "pass_rate": sum(passes) / len(passes) if passes else None,
    }


def entry_point(code: str, tests: str) -> str | None:
    """Return the first function or class of `code` that `tests` use, in the tests' order; None if there is none."""
    try:
        defined = {
            node.name
            for node in ast.parse(code).body
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        }
        names = [node for node in ast.walk(ast.parse(tests)) if isinstance(node, ast.Name) and node.id in defined]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return min(names, key=lambda name: (name.lineno, name.col_offset)).id if names else None
