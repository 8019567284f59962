"""The funnel as a picture: a bar a stage, of which the kept rows flow on and the rejected ones fall away."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WIDTH = 1000.0
_TORN = 4.0  # a first bar that is this many times wider than all others is cut off, or nothing of those would be seen
_ROOM = 1.6  # then the picture is this much wider than the others, so that what was rejected can be seen


@dataclass(frozen=True)
class Part:
    """A stretch of a bar: the rows kept (no `reason`) or those rejected for one reason."""

    reason: str | None
    rows: int
    x: float
    width: float


@dataclass(frozen=True)
class Bar:
    """One stage. `flow`: width of the next stage's bar; `torn`: the bar is longer than the picture is wide."""

    stage: str
    rows_in: int
    judged: int
    kept: int
    parts: Sequence[Part]
    flow: float | None
    torn: bool


def bars(funnel: Sequence[Mapping[str, Any]]) -> list[Bar]:
    """Bars, first stage first, all to one scale."""
    others = max((counts["judged"] for counts in funnel[1:]), default=0)
    torn = bool(others) and funnel[0]["judged"] > _TORN * others
    most = _ROOM * max(1, others, funnel[0]["kept"]) if torn else max(1, *(counts["judged"] for counts in funnel))
    scale = WIDTH / most
    following = [counts["judged"] * scale for counts in funnel[1:]]
    return [
        Bar(
            counts["stage"],
            counts["rows_in"],
            counts["judged"],
            counts["kept"],
            _parts(counts, scale, torn=torn and number == 0),
            following[number] if number < len(following) else None,
            torn and number == 0,
        )
        for number, counts in enumerate(funnel)
    ]


def _parts(counts: Mapping[str, Any], scale: float, torn: bool) -> list[Part]:
    parts = [Part(None, counts["kept"], 0.0, counts["kept"] * scale)]
    x = parts[0].width
    rejected = sum(counts["rejected"].values())
    if torn and rejected:
        scale = (WIDTH - x) / rejected
    for reason, rows in sorted(counts["rejected"].items(), key=lambda pair: (-pair[1], pair[0])):
        parts.append(Part(reason, rows, x, rows * scale))
        x += rows * scale
    return parts
