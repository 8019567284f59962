"""Cells of rows that somebody else wrote, as the stages declare them; or why a row can't be read.

A reason is "<column>-<what is wrong with it>", with the column's name in the file: `output-null`, `tests-without-code`.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from datasets import List, Value

from sca_hf.stage import Column, Unreadable

Reader = Callable[[Any], Any]


def cell_reader(column: Column, needed: bool, shape: Reader | None = None) -> Reader:
    """Return the function from a cell to the value of a `column`.

    It raises Unreadable for a cell of another type and, if the column is `needed`, for one with nothing in it. A list
    that is missing is empty. `shape`: how a stage wants the value (see `Stage.reads`).
    """

    def read(cell: Any) -> Any:
        value = _typed(column.parse(_unpacked(cell, column.feature)) if column.parse else cell, column.feature)
        if needed and value is None:
            raise Unreadable("null")
        if needed and (not value.strip() if isinstance(value, str) else value == []):
            raise Unreadable("empty")
        return shape(value) if shape and value is not None else value

    return read


def said(role: str) -> Reader:
    """Return the function from a conversation of one turn to what `role` says in it; a text is what it says."""

    def read(cell: Any) -> Any:
        if not isinstance(cell, list):
            return cell
        messages = [message for message in cell if isinstance(message, Mapping) and message.get("role") == role]
        if len(messages) != 1:
            raise Unreadable(f"with-{len(messages) or 'no'}-{role}-message{'s' if len(messages) > 1 else ''}")
        return messages[0].get("content")

    return read


def from_json(cell: Any) -> Any:
    """Return what the JSON in a text means. Raises Unreadable if it is none."""
    if not isinstance(cell, str):
        return cell
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        raise Unreadable("not-json") from None


def _unpacked(cell: Any, feature: Any) -> Any:
    """What a text means that stands for a list or a struct, as in CSV."""
    is_packed = isinstance(cell, str) and cell.lstrip().startswith(("[", "{"))
    return cell if isinstance(feature, Value) or not is_packed else from_json(cell)


def _typed(cell: Any, feature: Any) -> Any:
    if isinstance(feature, List):
        cell = _unpacked(cell, feature)
        if cell is not None and not isinstance(cell, list):
            raise Unreadable("not-a-list")
        if None in (cell or ()):
            raise Unreadable("with-null")
        return [_typed(each, feature.feature) for each in cell or ()]
    if isinstance(feature, dict):
        cell = _unpacked(cell, feature)
        if cell is not None and not isinstance(cell, Mapping):
            raise Unreadable("not-a-struct")
        return None if cell is None else {name: _typed(cell.get(name), inner) for name, inner in feature.items()}
    return cell if cell is None or not isinstance(feature, Value) else _scalar(cell, feature.dtype)


def _scalar(cell: Any, dtype: str) -> Any:
    if dtype == "string":
        if not isinstance(cell, str):
            raise Unreadable("not-text")
        return cell
    if dtype == "bool":
        if not isinstance(cell, bool):
            raise Unreadable("not-true-or-false")
        return cell
    if dtype.startswith(("int", "uint", "float")):
        if isinstance(cell, bool) or not isinstance(cell, int | float):
            raise Unreadable("not-a-number")
        if dtype.startswith("float"):
            return float(cell)
        if isinstance(cell, float) and not cell.is_integer():  # nan and inf too
            raise Unreadable("not-an-integer")
        if int(cell).bit_length() >= int(dtype.lstrip("uint")):
            raise Unreadable("too-large")
        return int(cell)
    return cell
