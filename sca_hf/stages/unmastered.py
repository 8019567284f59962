"""Tasks that the model has mastered go: what it nearly always solves teaches it nothing (for a second round)."""

from collections import defaultdict

from datasets import Dataset
from pydantic import Field

from sca_hf.settings import Settings
from sca_hf.stage import REJECT_REASON, Stage
from sca_hf.stages.context import Context, Row
from sca_hf.stages.pass_rules import PASSED
from sca_hf.stages.reading import rows_of


class UnmasteredSettings(Settings):
    """Which tasks stay. `max_pass_rate`: share of the attempts at a task that passed, at most; `min_attempts`: of fewer
    attempts the share tells nothing, and their task stays."""

    max_pass_rate: float = Field(default=0.75, ge=0.0, le=1.0)
    min_attempts: int = Field(default=2, ge=1)


def unmastered(attempts: Dataset, settings: UnmasteredSettings, context: Context) -> Dataset:
    """Return all attempts. Reason: `mastered`, of every attempt at an instruction that the model has mastered."""
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for attempt in rows_of(attempts, ["instruction_id", "status"]):
        counts[attempt["instruction_id"]][attempt["status"] == PASSED] += 1

    def is_mastered(name: str) -> bool:
        others, passed = counts[name]
        total = others + passed
        return total >= settings.min_attempts and passed / total > settings.max_pass_rate

    def judged(batch: Row) -> Row:
        return {REJECT_REASON: ["mastered" if is_mastered(name) else None for name in batch["instruction_id"]]}

    return context.map_batches(STAGE, attempts, judged)


STAGE = Stage(
    name="unmastered",
    version=1,
    title="Tasks that the model nearly always solves are left out.",
    uses=("id", "instruction_id", "status"),
    adds=(),
    settings=UnmasteredSettings,
    run=unmastered,
)
