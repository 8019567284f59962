"""Vacuous tests are rejected and sound ones kept, by the verdicts on them and on mutants together."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from datasets import Dataset

from sca_hf.prompts.code_blocks import fenced
from sca_hf.recipe import load_recipe
from sca_hf.stage import REJECT_REASON
from sca_hf.stages import execute, mutants, select
from sca_hf.stages.context import Context
from tests.mutation.suites import RESPONSES, SOUND, VACUOUS, Suite


def reasons(suites: Mapping[str, Suite], scratch: Path) -> dict[str, str | None]:
    """Why selection rejects each of the suites, by name; None: it doesn't."""
    recipe = load_recipe("demo", ["execute.cpu_seconds=2.0"])
    rows = [
        {
            "id": name,
            "instruction_id": name,
            "instruction": f"Write it: {name}.",
            "response": f"{name}\n\n{fenced(RESPONSES[suite.response])}",
            "tests": fenced(suite.tests),
        }
        for name, suite in suites.items()
    ]

    async def tried() -> Dataset:
        pools = execute.jails(recipe["execute"], 2), mutants.jails(recipe["mutants"], 2)
        async with pools[0] as executing, pools[1] as mutating:
            executed = execute.execute(
                Dataset.from_list(rows), recipe["execute"], Context(scratch=scratch, jails=executing)
            ).remove_columns(REJECT_REASON)
            return mutants.mutants(executed, recipe["mutants"], Context(scratch=scratch, jails=mutating))

    judged = asyncio.run(tried()).remove_columns(REJECT_REASON)
    selected = select.select(judged, recipe["select"], Context(scratch=scratch))
    return dict(zip(selected["response_id"], selected[REJECT_REASON], strict=True))


def test_vacuous_suites_are_rejected(tmp_path: Path) -> None:
    found = reasons(VACUOUS, tmp_path)
    assert len(found) == 40
    kept = [name for name, reason in found.items() if reason is None]
    assert len(kept) <= 2, kept
    assert {reason for reason in found.values() if reason} <= {"vacuous-tests", "execution-no-assertion", "other-names"}


def test_sound_suites_are_kept(tmp_path: Path) -> None:
    found = reasons(SOUND, tmp_path)
    assert len(found) == 40
    rejected = {name: reason for name, reason in found.items() if reason is not None}
    assert len(rejected) <= 1, rejected
