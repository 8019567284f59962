"""Rows of the SFT stage in the shapes that trainers take: one function a shape, all from one selection.

Conversations are lists of messages. A base model has no chat template for them: `sca_hf/prompts/chat_template.jinja` is
one, and lies in each version.
"""

import ast
from collections.abc import Mapping
from typing import Any

from datasets import Features, List, Value

from sca_hf.prompts.code_blocks import code_blocks
from sca_hf.prompts.syntax import parsed
from sca_hf.stage import Format

Row = Mapping[str, Any]

MESSAGES = List({"role": Value("string"), "content": Value("string")})


def messages(row: Row) -> dict[str, Any]:
    """Return the conversation of a row."""
    return {"id": row["id"], "messages": row["messages"]}


def prompt_completion(row: Row) -> dict[str, Any]:
    """Return the conversation parted into what is asked and what is learnt."""
    return {"id": row["id"], "prompt": row["messages"][:-1], "completion": row["messages"][-1:]}


def preference(row: Row) -> dict[str, Any] | None:
    """Return the row's response and the one that failed; None if there is none.

    The prompt is the bare instruction: each response was written for that, with tests of its own.
    """
    if row["failed_response"] is None:
        return None
    return {
        "id": row["id"],
        "prompt": [{"role": "user", "content": row["instruction"]}],
        "chosen": [{"role": "assistant", "content": row["response"]}],
        "rejected": [{"role": "assistant", "content": row["failed_response"]}],
    }


def reinforcement(row: Row) -> dict[str, Any] | None:
    """Return the row's prompt, its tests as a program, the name that they test, and how often a response passed.

    None if it has no tests.
    """
    if not row["tests"]:
        return None
    tests = "\n".join(code_blocks(row["tests"]))
    return {
        "id": row["id"],
        "prompt": row["messages"][:-1],
        "tests": tests,
        "entry_point": entry_point("\n".join(code_blocks(row["response"])), tests),
        "pass_rate": row.get("pass_rate"),
    }


def reference(row: Row) -> dict[str, Any]:
    """Return a row in the columns of the reference's final dataset (`bigcode/self-oss-instruct-sc2-exec-filter-50k`).

    As there, `instruction` is what trainers read, sometimes with tests. `prompt`, there the few-shot prompt that was
    sent, is the bare instruction that the response was written for. `id` is the number that the first 15 digits of the
    row's id are, `fingerprint` always null.
    """
    return {
        "fingerprint": None,
        "sha1": row["sha1"],
        "seed": row["seed"],
        "response": row["response"],
        "concepts": row["concepts"],
        "prompt": row["instruction"],
        "instruction": row["messages"][-2]["content"],
        "id": int(row["id"][:15], 16),
    }


def entry_point(code: str, tests: str) -> str | None:
    """Return the first function or class of `code` that `tests` use, in the tests' order; None if there is none."""
    tree, used = parsed(code), parsed(tests)
    if tree is None or used is None:
        return None
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    defined = {node.name for node in tree.body if isinstance(node, kinds)}
    names = [node for node in ast.walk(used) if isinstance(node, ast.Name) and node.id in defined]
    return min(names, key=lambda name: (name.lineno, name.col_offset)).id if names else None


def _features(**columns: Any) -> Features:
    return Features({"id": Value("string"), **columns})


FORMATS = (
    Format(
        "messages",
        _features(messages=MESSAGES),
        messages,
        "the conversation, for TRL, axolotl and LLaMA-Factory (in TRL set `assistant_only_loss=True`)",
    ),
    Format(
        "prompt-completion",
        _features(prompt=MESSAGES, completion=MESSAGES),
        prompt_completion,
        "the same in two parts; TRL's `SFTTrainer` takes the loss of the completion alone",
    ),
    Format(
        "dpo",
        _features(prompt=MESSAGES, chosen=MESSAGES, rejected=MESSAGES),
        preference,
        "for `DPOTrainer`: the response, and one to the same instruction that failed its own tests by an exception, "
        "never by a limit of time or memory",
        needs=("failed_response",),
    ),
    Format(
        "rl",
        _features(prompt=MESSAGES, tests=Value("string"), entry_point=Value("string"), pass_rate=Value("float64")),
        reinforcement,
        "a prompt, the tests that reward an answer, the name that they use, and the share of the base model's samples "
        "that passed",
        needs=("tests",),
    ),
    Format(
        "reference",
        Features(
            {
                "fingerprint": Value("null"),
                "sha1": Value("string"),
                "seed": Value("string"),
                "response": Value("string"),
                "concepts": List(Value("string")),
                "prompt": Value("string"),
                "instruction": Value("string"),
                "id": Value("int64"),
            }
        ),
        reference,
        "the columns and types of the reference's final dataset, so that the two can be concatenated; `prompt` is the "
        "bare instruction, `id` the first 15 digits of ours as a number",
        needs=("sha1", "seed", "concepts"),
    ),
)
