"""The picture of a training: the loss of every step, and its moving average."""

from collections.abc import Sequence
from io import BytesIO

_LINE, _FAINT, _INK, _MUTED = "#2a6f6b", "#8fbcb6", "#23282b", "#6d7478"


def draw_loss(name: str, losses: Sequence[tuple[int, float]]) -> bytes:
    """Return a PNG, 1,600 pixels wide, on white. `losses`: step and loss, in order. The same losses, the same bytes."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    steps, values = [step for step, _ in losses], [loss for _, loss in losses]
    window = max(1, len(values) // 20)
    with rc_context({"font.family": "DejaVu Sans", "font.size": 10.5, "text.parse_math": False}):
        figure = Figure(figsize=(8, 4), dpi=200, facecolor="white", layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        axes.plot(steps, values, color=_FAINT if window > 1 else _LINE, linewidth=0.9, marker=".", label="each step")
        if window > 1:
            means = [sum(values[max(0, end - window) : end]) / min(end, window) for end in range(1, len(values) + 1)]
            axes.plot(steps, means, color=_LINE, linewidth=1.8, label=f"mean of the last {window} steps")
            axes.legend(frameon=False, labelcolor=_MUTED)
        axes.set_title(name, loc="left", fontsize=15, fontweight="bold", color=_INK)
        axes.set_xlabel("step", color=_MUTED)
        axes.set_ylabel("loss", color=_MUTED)
        axes.tick_params(colors=_MUTED)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#eeece6")
        picture = BytesIO()
        figure.savefig(picture, format="png", metadata={"Software": None})
    return picture.getvalue()
