"""What to do where nearly all rows of a stage are rejected for one reason."""

import textwrap
from collections.abc import Callable, Mapping
from typing import Any

from sca_hf.pipeline.outcome import NEARLY_ALL
from sca_hf.reporting.reasons import loosened_by, meaning
from sca_hf.stages.progress import Progress
from sca_hf.wording import counted

FIRST_ROWS = 200
"""A stage is judged by its first rows, while most of a long run can still be saved."""

_EXAMPLE_CHARACTERS = 300


def warning(stage: str, progress: Progress, look: Callable[[str], str]) -> str | None:
    """Return a warning if nearly all of a stage's first rows were rejected for one reason; else None.

    `look(reason)`: the command that shows rows rejected for it.
    """
    reasons = list(progress.rejected.items())
    reason, count = max(reasons, key=lambda pair: pair[1], default=("", 0))
    if progress.judged < FIRST_ROWS or count < NEARLY_ALL * progress.judged:
        return None
    lines = [
        f"warning: {stage} rejected {count:,} of its first {counted(progress.judged, 'row')} as {reason}",
        meaning(reason),
    ]
    lines.append(_example(progress.examples[reason]))
    lines += [loosen(stage, reason), f"more of them, when the stage is done: {look(reason)}"]
    return "\n  ".join(filter(None, lines))


def loosen(stage: str, reason: str) -> str:
    """Return which setting to loosen so that fewer rows are rejected for a reason; empty where none does that."""
    setting = loosened_by(stage, reason)
    section = setting.partition(".")[0]
    return f"to loosen: --set {setting}=… (--settings {section} says what it takes)" if setting else ""


def _example(row: Mapping[str, Any]) -> str:
    """A row, and the last text in it: what its stage wrote."""
    texts = [value for name, value in row.items() if isinstance(value, str) and value and not name.endswith("id")]
    text = textwrap.shorten(texts[-2] if len(texts) > 1 else "", _EXAMPLE_CHARACTERS)  # the last one is the reason
    return f"for example row {row['id']}: {text}"
