"""The picture of a card: how many rows are left after each stage, why the last stage rejected the others, and what
became of those that it executed."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

from sca_hf.store.lineage import Step

_REASONS_SHOWN = 8
_KEPT, _KEPT_BEFORE, _REJECTED, _TRACK = "#2a6f6b", "#8fbcb6", "#d0743c", "#eeece6"
_INK, _MUTED = "#23282b", "#6d7478"
_ROW = 0.34  # inches per bar
_WIDTH = 8.0  # inches
_FONT = 10.5  # points
_BARS_BEGIN, _BARS_WIDTH, _MARGIN = 0.305, 0.50, 0.03  # of the width; the bars are narrower where numbers need the room
_PASSED = "passed"


def draw_funnel(dataset: str, funnel: Sequence[Step], statuses: Mapping[str, int]) -> bytes:
    """A PNG, 1,600 pixels wide, on white. `funnel`: `stage`, `judged`, `kept`, `rejected` of each stage, this one last.
    `statuses`: how many rows of this stage have which status of their program; empty if it executes none.

    The same counts give the same bytes: fonts come with matplotlib, and no date or program name is written.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    step = funnel[-1]
    reasons = _top(step.rejected, "other reasons")
    blocks = [("Rows kept, stage by stage", _stage_bars(funnel))]
    if reasons:
        total = sum(step.rejected.values())
        blocks.append((f"Why {step.stage} rejected {total:,} of {step.judged:,}", reasons))
    if statuses:
        passed = statuses.get(_PASSED, 0) / sum(statuses.values())
        blocks.append((f"What became of the programs: {passed:.0%} passed", _top(statuses, "other statuses")))
    gap = 0.50  # inches above each block of bars, for its heading
    height = 0.75 + sum(gap + _ROW * len(bars) for _, bars in blocks)
    with rc_context({"font.family": "DejaVu Sans", "font.size": _FONT, "text.parse_math": False}):
        figure = Figure(figsize=(_WIDTH, height), dpi=200, facecolor="white")
        FigureCanvasAgg(figure)
        figure.text(0.035, 1 - 0.40 / height, dataset, fontsize=15, fontweight="bold", color=_INK, va="center")
        top = height - 0.62
        numbers = max(_inches(text) for _, bars in blocks for *_, text in bars) / _WIDTH
        width = min(_BARS_WIDTH, 1 - _BARS_BEGIN - numbers - _MARGIN)
        for heading, bars in blocks:
            figure.text(0.035, (top - gap / 2) / height, heading, color=_MUTED, va="center")
            size = _ROW * len(bars)
            axes = figure.add_axes((_BARS_BEGIN, (top - gap - size) / height, width, size / height))
            _draw_bars(axes, bars)
            top -= gap + size
        picture = BytesIO()
        figure.savefig(picture, format="png", metadata={"Software": None})
    return picture.getvalue()


Bar = tuple[str, int, int, str, str]
"""Name, rows, rows of the track behind it, color, and the text next to it."""


def _stage_bars(funnel: Sequence[Step]) -> list[Bar]:
    bars = []
    for step in funnel:
        color = _KEPT if step is funnel[-1] else _KEPT_BEFORE
        share = f" of {step.judged:,}" if step.judged != step.kept else ""
        bars.append((step.stage, step.kept, step.judged, color, f"{step.kept:,}{share}"))
    return bars


def _top(counts: Mapping[str, int], others_name: str) -> list[Bar]:
    ordered = sorted(counts.items(), key=lambda reason: (-reason[1], reason[0]))
    shown = ordered if len(ordered) <= _REASONS_SHOWN else ordered[: _REASONS_SHOWN - 1]
    others = ordered[len(shown) :]
    if others:
        shown = [*shown, (f"{len(others)} {others_name}", sum(count for _, count in others))]
    return [(name, count, 0, _KEPT if name == _PASSED else _REJECTED, f"{count:,}") for name, count in shown]


def _inches(text: str) -> float:
    """Return how wide a text is."""
    from matplotlib.textpath import TextPath

    return float(TextPath((0, 0), text, size=_FONT).get_extents().width) / 72


def _draw_bars(axes: Any, bars: Sequence[Bar]) -> None:
    """Horizontal bars, first on top, as long as their rows; names to the left, numbers to the right of them."""
    longest = max([1, *(max(rows, track) for _, rows, track, _, _ in bars)])
    for row, (name, rows, track, color, text) in enumerate(bars):
        axes.barh(row, track, height=0.62, color=_TRACK)
        axes.barh(row, rows, height=0.62, color=color)
        last = color != _KEPT_BEFORE
        axes.text(-0.018 * longest, row, _shortened(name), ha="right", va="center", color=_INK if last else _MUTED)
        axes.text(max(rows, track) + 0.018 * longest, row, text, ha="left", va="center", color=_INK if last else _MUTED)
    axes.set_xlim(0, longest)
    axes.set_ylim(len(bars) - 0.5, -0.5)
    axes.set_axis_off()


def _shortened(name: str) -> str:
    return name if len(name) <= 24 else f"{name[:23]}…"
