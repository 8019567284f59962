"""Small conversations for trainings that take seconds, and what a trainer is told to be fast."""

import json
from pathlib import Path
from typing import Any

from sca_hf.identity import row_id

WORDS = ("apple", "river", "stone", "cloud", "horse", "table", "green", "seven")

FAST = (
    "batch_size=4",
    "micro_batch=2",
    "max_length=128",
    "learning_rate=2e-3",
    "optimizer=adamw_torch",
    "gradient_checkpointing=false",
)


def conversation(word: str) -> list[dict[str, str]]:
    return [
        {"role": "user", "content": f"Return the word {word}."},
        {"role": "assistant", "content": f'```python\ndef {word}():\n    return "{word}"\n```'},
    ]


def sft_row(word: str) -> dict[str, Any]:
    """What trainers need of a row of the SFT stage."""
    messages = conversation(word)
    return {
        "id": row_id("sft", word),
        "instruction": messages[0]["content"],
        "response": messages[1]["content"],
        "tests": f'```python\nassert {word}() == "{word}"\n```',
        "failed_response": f"```python\ndef {word}():\n    return 0\n```",
        "pass_rate": 0.5,
        "seed": f"def {word}s():\n    return []",
        "sha1": f"sha1 of {word}",
        "concepts": ["strings", word],
        "messages": messages,
    }


def write_jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def set_options(*settings: str) -> list[str]:
    return [part for setting in (*FAST, *settings) for part in ("--set", setting)]
