"""Files of rows: their formats, by the endings of their names, and what is wrong with one that can't be read."""

import json
from io import BufferedReader
from pathlib import Path
from typing import Any, cast

import pyarrow as pa

_PACKED = ("", ".gz", ".zst")
FORMATS = {f".{kind}{packed}": "json" for packed in _PACKED for kind in ("jsonl", "json")} | {".parquet": "parquet"}
"""By the ending of a file's name, the format by which `datasets` loads it."""


def ending_of(path: Path) -> str | None:
    """Return the ending of a name, such as ".jsonl.gz"; None if it has no suffix. Case doesn't matter."""
    suffixes = path.suffixes[-2:] if path.suffix.lower() in _PACKED else path.suffixes[-1:]
    return "".join(suffixes).lower() or None


def bad_line(path: Path) -> str:
    """Return what is wrong with the first line of a JSON Lines file that is no JSON object; "" if it is something
    else."""
    if not (ending_of(path) or "").startswith(".jsonl"):
        return ""
    try:
        with BufferedReader(cast(Any, pa.input_stream(path))) as file:
            for number, line in enumerate(file, start=1):
                if wrong := _wrong(line):
                    return f"line {number} {wrong}"
    except (OSError, pa.ArrowException):
        return ""
    return ""


def _wrong(line: bytes) -> str:
    try:
        text = line.decode("utf-8-sig").strip()
        row = json.loads(text, object_pairs_hook=_once_each) if text else {}
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeDecodeError:
        return "is not UTF-8"
    except UnicodeEncodeError:
        return "has half of a surrogate pair, which is no character"
    except json.JSONDecodeError as error:
        return f"is not JSON ({error.msg} at character {error.pos + 1})"
    except _Twice as error:
        return f"has the key {error.args[0]!r} twice"
    except RecursionError:
        return "is nested too deeply"
    return "" if isinstance(row, dict) else "is not a JSON object"


class _Twice(Exception):
    """A key of a JSON object that is there twice."""


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for key, value in pairs:
        if key in row:
            raise _Twice(key)
        row[key] = value
    return row
