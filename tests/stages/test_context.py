"""Rows are mapped in order, from scripts and notebooks, with a bounded number in the works."""

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, Features, Value

from sca_hf.parallel.ordered_map import AHEAD
from sca_hf.settings import Settings
from sca_hf.stage import REJECT_REASON, Column, Stage
from sca_hf.stages.context import Context

STAGE = Stage(
    name="twice",
    version=1,
    title="Numbers and their doubles.",
    uses=("number",),
    adds=(Column("twice", Value("int64"), "twice the number"),),
    settings=Settings,
    run=lambda rows, settings, context: doubled(rows, context),
)
FEATURES = Features(
    {"number": Value("int64"), "left over": Value("string"), "twice": Value("int64"), REJECT_REASON: Value("string")}
)


def context(scratch: Path, concurrency: int) -> Context:
    return Context(scratch=scratch, concurrency=concurrency, batch_size=7)


def numbers(count: int) -> Dataset:
    return Dataset.from_dict({"number": list(range(count))})


def doubled(rows: Dataset, context: Context) -> Dataset:
    return context.map_rows(STAGE, rows, twice)


async def twice(row: dict[str, Any]) -> dict[str, Any]:
    await asyncio.sleep(0.002 * (row["number"] % 5))
    return {"twice": 2 * row["number"], REJECT_REASON: None}


@pytest.mark.parametrize("concurrency", [1, 3, 64, 1000])
def test_order_and_columns(tmp_path: Path, concurrency: int) -> None:
    rows = Dataset.from_dict({"number": list(range(200)), "left over": ["x"] * 200})
    made = doubled(rows, context(tmp_path, concurrency))
    assert made.features == FEATURES
    assert made["left over"][:] == ["x"] * 200
    assert made["twice"][:] == list(range(0, 400, 2))


def test_no_rows(tmp_path: Path) -> None:
    rows = Dataset.from_dict({"number": [], "left over": []}, features=Features(list(FEATURES.items())[:2]))
    assert doubled(rows, context(tmp_path, 4)).features == FEATURES


def test_behind_a_slow_row_only_so_many_start(tmp_path: Path) -> None:
    started: list[int] = []
    at_the_end_of_the_slow_one: list[int] = []

    async def slow_first(row: dict[str, Any]) -> dict[str, Any]:
        started.append(row["number"])
        if row["number"] == 0:
            await asyncio.sleep(0.5)
            at_the_end_of_the_slow_one.extend(started)
        return {"twice": 2 * row["number"], REJECT_REASON: None}

    made = context(tmp_path, 4).map_rows(STAGE, numbers(500), slow_first)
    assert len(at_the_end_of_the_slow_one) == 4 * AHEAD
    assert made["number"][:] == list(range(500))


def test_only_so_many_are_in_the_works(tmp_path: Path) -> None:
    in_the_works = 0
    most = 0

    async def counted(row: dict[str, Any]) -> dict[str, Any]:
        nonlocal in_the_works, most
        in_the_works += 1
        most = max(most, in_the_works)
        made = await twice(row)
        in_the_works -= 1
        return made

    context(tmp_path, 5).map_rows(STAGE, numbers(100), counted)
    assert most == 5


@pytest.mark.parametrize("concurrency", [1, 6, 1000])
def test_rows_sent_in_another_order_come_back_in_their_own(tmp_path: Path, concurrency: int) -> None:
    sent: list[int] = []

    async def several(row: dict[str, Any]) -> list[dict[str, Any]]:
        sent.append(row["number"])
        await asyncio.sleep(0.001 * (row["number"] % 3))
        return [{"twice": copy, REJECT_REASON: None} for copy in range(row["number"] % 4)]

    order = random.Random(1).sample(range(100), 100)
    made = context(tmp_path, concurrency).map_rows(STAGE, numbers(100), several, order)
    assert made.remove_columns(REJECT_REASON).to_list() == [
        {"number": n, "twice": copy} for n in range(100) for copy in range(n % 4)
    ]
    assert sent == order


def test_inside_a_running_loop(tmp_path: Path) -> None:
    async def notebook() -> Dataset:
        return doubled(numbers(3), context(tmp_path, 4))

    assert asyncio.run(notebook())["twice"][:] == [0, 2, 4]


def test_an_error_of_the_environment_stops_the_map(tmp_path: Path) -> None:
    async def broken(row: dict[str, Any]) -> dict[str, Any]:
        if row["number"] == 5:
            raise OSError("down")
        await asyncio.sleep(0.01)
        return await twice(row)

    with pytest.raises(OSError, match="down"):
        context(tmp_path, 4).map_rows(STAGE, numbers(50), broken)
