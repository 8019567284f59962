"""Write what a run came to as a page of Markdown: what each stage took and kept, and rows of every kind.

    .venv/bin/python scripts/show_run.py STORE [DATASET[/FINGERPRINT]] --title "160 seeds" > page.md

Of the last version that the run led to it shows kept rows, and of each stage behind the seeds the rows rejected for
each reason, `--rows` of either. (Seeds that were rejected are other people's functions, often for their license.) The
hours are those of the model's calls at the speed of a stage's last start; loading the model isn't in them.
"""

import argparse
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from sca_hf.reporting.figures import costs
from sca_hf.reporting.reasons import meaning
from sca_hf.reporting.runs import Run, run_named
from sca_hf.reporting.samples import REJECT_REASON, kept_rows
from sca_hf.store import Store
from sca_hf.wording import counted, first_lines

_SHOWN = ("instruction", "response", "tests", "concepts", "exception", "other_names", "benchmark_row")
_LINES = 40


def main() -> None:
    """Print the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path)
    parser.add_argument("dataset", nargs="?", help="default: the newest version")
    parser.add_argument("--title", default="A run")
    parser.add_argument("--rows", type=int, default=5, metavar="N", help="of each kind (default: %(default)s)")
    options = parser.parse_args()
    run = run_named(Store(options.store), options.dataset)
    for line in page(run, options.title, options.rows):
        print(line)


def page(run: Run, title: str, count: int) -> Iterator[str]:
    """Yield the lines of the page."""
    yield f"# {title}"
    yield ""
    yield from table(run)
    yield from section("Kept", kept_rows(run.step("select") or run.last, count))
    for step in run.steps[1:]:
        for reason, total in sorted(step.counts["rejected"].items(), key=lambda pair: -pair[1]):
            rows = step.where(REJECT_REASON, [reason], "rejected")
            yield from section(f"{step.stage}: {reason}, {total:,}", islice(rows, count), meaning(reason))


def table(run: Run) -> Iterator[str]:
    """Yield a table of what each stage took."""
    yield "| stage | rows in | judged | kept | tokens read | tokens written | hours |"
    yield "|---|---|---|---|---|---|---|"
    hours, written = 0.0, 0
    for step, took in zip(run.steps, costs(run), strict=True):
        counts = step.counts
        of_model = "| | | "
        if took.completion_tokens:
            hours, written = hours + took.whole_seconds / 3600, written + took.completion_tokens
            of_model = f"| {took.prompt_tokens:,} | {took.completion_tokens:,} | {took.whole_seconds / 3600:.2f} "
        yield f"| {step.stage} | {counts['rows_in']:,} | {counts['judged']:,} | {counts['kept']:,} {of_model}|"
    if rows := run.last.counts["kept"]:
        yield ""
        yield (
            f"{written / rows:,.0f} tokens written and {60 * hours / rows:.1f} minutes a row, "
            f"for {counted(rows, 'row')}; {hours:.1f} hours in all."
        )


def section(title: str, rows: Iterable[Mapping[str, Any]], about: str = "") -> Iterator[str]:
    """Yield a heading and the texts of rows."""
    yield ""
    yield f"## {title}"
    if about:
        yield ""
        yield about
    for row in rows:
        yield ""
        yield f"**Row {row['id'][:12]}**" + (f", license {row['license']}" if row.get("license") else "")
        for name in _SHOWN:
            value = row.get(name)
            text = ", ".join(value) if isinstance(value, list) else value
            if text:
                yield ""
                yield f"*{name}*"
                yield ""
                yield textwrap.indent(first_lines(text.strip("\n"), _LINES), "    ", lambda line: True)


if __name__ == "__main__":
    main()
