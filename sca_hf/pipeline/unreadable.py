"""Rows of the input that can't be read: they pass by the first stage, and are rejected rows of its version."""

from typing import Any

from datasets import Dataset, concatenate_datasets

from sca_hf.identity import row_id
from sca_hf.stage import REJECT_REASON, Stage


def parted(rows: Dataset) -> tuple[Dataset, Dataset | None]:
    """Return the rows that can be read, and those that can't with their `reject_reason`; None if all can."""
    if REJECT_REASON not in rows.column_names:
        return rows, None
    reasons = rows.with_format("arrow")[REJECT_REASON][:].to_pylist()
    readable = [number for number, reason in enumerate(reasons) if reason is None]
    unreadable = [number for number, reason in enumerate(reasons) if reason is not None]
    return rows.select(readable).remove_columns(REJECT_REASON), rows.select(unreadable)


def with_unreadable(stage: Stage, judged: Dataset, unreadable: Dataset | None) -> Dataset:
    """Return the judged rows of a stage and the unreadable ones after them, null where they have no value."""
    if not unreadable:
        return judged

    def as_judged(row: dict[str, Any], number: int) -> dict[str, Any]:
        made_from = row.get("id", number)
        parent = {stage.parent_id: made_from} if stage.parent_id else {}
        made = {"id": row_id("unreadable", stage.name, made_from)} if parent or "id" not in row else {}
        values: dict[str, Any] = {name: row.get(name) for name in judged.column_names}
        return values | parent | made

    rows = unreadable.map(
        as_judged,
        with_indices=True,
        remove_columns=[name for name in unreadable.column_names if name not in judged.column_names],
        features=judged.features,
        load_from_cache_file=False,
        desc="unreadable",
    )
    return concatenate_datasets([judged, rows])
