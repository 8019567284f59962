"""What selection makes of several suites a response."""

from typing import Any

import pytest
from datasets import Dataset

from sca_hf.prompts.code_blocks import fenced
from sca_hf.stages import select
from sca_hf.stages.context import Context

Row = dict[str, Any]
CODE = "def double(x):\n    return 2 * x"


def attempt(number: int, suite: int, status: str, **more: Any) -> Row:
    """Suite `suite` of sample `number` of four."""
    row: Row = {
        "id": f"{number}-{suite}",
        "instruction_id": "task",
        "instruction": "Double a number.",
        "status": status,
    }
    row |= {
        "sample": number,
        "suite": suite,
        "samples_drawn": 4,
        "tests": fenced(f"assert double({suite}) == {2 * suite}"),
    }
    return row | {"response": f"Answer {number}:\n\n{fenced(CODE)}"} | more


def selected(*rows: Row) -> dict[str, Row]:
    made = select.select(Dataset.from_list(list(rows)), select.SelectSettings(), Context())
    return {row["id"]: row for row in made.to_list()}


def test_a_sample_passes_once_however_many_of_its_suites_do() -> None:
    rows = selected(
        *(attempt(0, suite, "passed") for suite in range(3)),
        *(attempt(1, suite, "passed" if suite else "failed") for suite in range(3)),
        *(attempt(2, suite, "failed") for suite in range(3)),
    )
    assert {row["pass_rate"] for row in rows.values()} == {0.5}
    kept = [name for name, row in rows.items() if row["reject_reason"] is None]
    assert len(kept) == 1


@pytest.mark.parametrize("order", [1, -1])
def test_a_response_that_passes_with_another_suite_is_no_failure(order: int) -> None:
    rows = [attempt(0, 0, "passed"), attempt(1, 0, "failed"), attempt(1, 1, "passed"), attempt(1, 2, "failed")]
    both = selected(*rows[::order])
    (kept,) = [row for row in both.values() if row["reject_reason"] is None]
    assert kept["failed_response"] is None
    rows.append(attempt(2, 0, "failed"))
    assert all("Answer 1" not in (row["failed_response"] or "") for row in selected(*rows[::order]).values())


def test_rows_that_tell_of_no_samples_count_each_for_itself() -> None:
    bare = [{**attempt(0, suite, "passed" if suite else "failed"), "samples_drawn": None} for suite in range(4)]
    assert {row["pass_rate"] for row in selected(*bare).values()} == {1.0}, "four suites of one sample"
    unnumbered = [{**row, "sample": None} for row in bare]
    assert {row["pass_rate"] for row in selected(*unnumbered).values()} == {0.75}
