"""The report's page: one file of HTML that needs nothing else, neither a network nor a build.

Pictures are shapes that the template writes: some hundred bytes each, in the page's own colors by day and by night,
with text that can be read, searched and selected. A plotting library that embeds itself takes 0.8 to 4.5 MB of a page,
and pictures of matplotlib have one color scheme and letters as outlines.
"""

import base64
import hashlib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from sca_hf.reporting.calls import Calls
from sca_hf.reporting.comparison import compare
from sca_hf.reporting.entries import kept, rejected
from sca_hf.reporting.figures import costs, passes, spreads
from sca_hf.reporting.funnel import bars
from sca_hf.reporting.graph import graph
from sca_hf.reporting.landscape import HEIGHT, WIDTH, landscape
from sca_hf.reporting.runs import Run
from sca_hf.wording import counted


def page(run: Run, journal: Path | None, against: Run | None = None, prompts: str | None = None) -> str:
    """The page of a run. `journal`: of the calls that made it; `prompts`: its exemplars, if they are in a user's file.

    Raises StoreError if versions can't be read.
    """
    with Calls(run, journal, prompts) as calls:
        reasons, rows = rejected(run, calls), kept(run, calls)
    script = Markup(_text("script.js"))
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            run=run,
            lineage=run.last.lineage,
            bars=bars(run.funnel),
            stages=[counts["stage"] for counts in run.funnel],
            reasons=reasons,
            rows=rows,
            passes=passes(run),
            spreads=spreads(run),
            costs=costs(run),
            landscape=landscape(run),
            landscape_size=(WIDTH, HEIGHT),
            graph=graph(run),
            comparison=compare(run, against) if against else None,
            style=Markup(_text("style.css")),
            script=script,
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("sca_hf.reporting", "page"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=True,  # rows are written by models, and may hold any markup
    )
    environment.filters.update(
        number=lambda value: f"{value:,}",
        counted=counted,
        percent=lambda share: f"{100 * share:.1f} %",
        seconds=seconds,
        amount=amount,
        model_name=lambda name: Path(name).name if name.startswith(("/", ".", "~")) else name,
    )
    environment.globals["total"] = total
    return environment


def seconds(value: float) -> str:
    """A span of time: "0.13 s", "37 s", "4 min 05 s", "7 h 12 min"."""
    if value < 9.95:
        return f"{value:.2g} s"
    whole = round(value)  # first, so that no part of it is rounded up to 60
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return "{} min {:02} s".format(*divmod(whole, 60))
    return "{} h {:02} min".format(*divmod(round(whole / 60), 60))


def amount(value: float) -> str:
    """A number in at most three digits or as a whole: "0.00102", "37", "1,536"."""
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


def total(rows: Mapping[str, int] | Any) -> int:
    """The sum of the counts by name."""
    return sum(rows.values())


def _text(name: str) -> str:
    return (files("sca_hf.reporting") / "page" / name).read_text(encoding="utf-8")
