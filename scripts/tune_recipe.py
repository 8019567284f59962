"""Try settings of a recipe on a model of your own, on the same seeds, and say which give most rows an hour.

    .venv/bin/python scripts/tune_recipe.py --recipe laptop --model ./qwen --out tuned \\
        --vary responses.parts=separate,together --vary responses.shots=1,2,4 --vary responses.temperature=0.2,0.7,1.0

The recipe as it is is the first cell. Each `--vary` gives one more cell for each of its values, all else being as in
the recipe; with `--product` each combination is a cell. Stages that two cells have in common are made once. A run that
was ended goes on where it was.

OUT gets `table.md`, `table.svg`, and `rows.jsonl`, the kept rows of all cells with `right: null`. A kept row may well
be wrong. Read them, write true or false, and run the same command again: the criterion is then right rows an hour.
Hours are those of the stages that ask the model, without loading it; a stage that took part of its calls from an ended
run has its time scaled to all of them. Intervals are Wilson's, of 95 %, over the seeds: with 16 of these only large
differences show.
"""

import argparse
import itertools
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sca_hf.pipeline.outcome import NoRowsLeft, Outcome
from sca_hf.pipeline.pipeline import Pipeline
from sca_hf.recipe import Recipe, load_recipe
from sca_hf.reporting.figures import cost
from sca_hf.reporting.runs import Step
from sca_hf.settings.options import parse
from sca_hf.store import Store

_95_PERCENT = 1.96
_LOOKED_AT = ["instruction", "response", "tests"]

Labels = dict[tuple[str, ...], bool]


@dataclass(frozen=True)
class Cell:
    """What became of one set of changes. `right`: of the `labelled` rows among those `kept`."""

    changes: tuple[str, ...]
    seeds: int
    attempts: int
    executed: int
    kept: int
    labelled: int
    right: int
    hours: float
    tokens: int

    @property
    def name(self) -> str:
        """The changes, or what stands for none."""
        return " ".join(change.split(".", 1)[-1] for change in self.changes) or "as the recipe"

    def per_hour(self, share: float) -> float:
        """Return rows an hour if this share of the seeds becomes rows, as many of them right as of the labelled."""
        right = self.right / self.labelled if self.labelled else 1.0
        return share * right * self.seeds / self.hours if self.hours else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Rows an hour, the least and the most that fit the seeds."""
        low, high = wilson(self.kept, self.seeds)
        return self.per_hour(low), self.per_hour(high)


def main() -> None:
    """Run the cells and write the table."""
    options = parser().parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    fixed = [*options.changes, *([f"model={options.model}"] if options.model else [])]
    labels = read_labels(options.out / "rows.jsonl")
    cells, rows = [], []
    for changes in cells_of(options.vary, options.product):
        recipe = load_recipe(options.recipe, [*fixed, *changes])
        outcomes = outcomes_of(recipe, Store(options.out / "store"), options.seeds)
        kept = kept_rows(outcomes)
        cells.append(cell_of(changes, outcomes, kept, labels))
        rows += [{"cell": cells[-1].name, "right": labels.get(looked_at(row)), **row} for row in kept]
        print(f"{cells[-1].name}: {cells[-1].kept} rows of {cells[-1].seeds} seeds", flush=True)
        (options.out / "table.md").write_text(table(cells), encoding="utf-8")
    # All at once, at the end: a run that is ended must not lose labels.
    (options.out / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    plot(cells, options.out / "table.svg")
    print(table(cells))


def parser() -> argparse.ArgumentParser:
    """Return the options of the command."""
    command = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    command.add_argument("--recipe", required=True)
    command.add_argument("--model", help="a Hub id or a folder, in place of the recipe's")
    command.add_argument("--seeds", type=int, default=16, metavar="N", help="at most N seeds (16)")
    command.add_argument("--vary", action="append", default=[], metavar="KEY=VALUE,VALUE", help="repeatable")
    command.add_argument("--product", action="store_true", help="each combination of the values is a cell")
    command.add_argument(
        "--set", action="append", default=[], dest="changes", metavar="KEY=VALUE", help="for all cells"
    )
    command.add_argument("--out", type=Path, default=Path("tuned"), metavar="DIR", help="./tuned")
    return command


def cells_of(vary: Sequence[str], product: bool) -> list[tuple[str, ...]]:
    """Return the changes of each cell: none first, then one at a time, or all combinations."""
    axes = []
    for each in vary:
        key, _ = parse(each, "responses.shots=1,2,4")
        axes.append([f"{key}={value}" for value in each.partition("=")[2].split(",")])
    if product:
        return [(), *itertools.product(*axes)] if axes else [()]
    return [(), *((change,) for axis in axes for change in axis)]


def outcomes_of(recipe: Recipe, store: Store, seeds: int) -> list[Outcome]:
    """Run a recipe up to its selection; a cell that keeps nothing ends where it does."""
    pipeline = Pipeline(recipe, store, limit=seeds, last="select")
    try:
        return pipeline.run(lambda stage, version: print(f"  {stage.name}", flush=True))
    except NoRowsLeft as error:
        return list(error.outcomes)


def kept_rows(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Return what to look at of the selected rows."""
    last = outcomes[-1]
    if last.stage.name != "select" or not last.version.counts.kept:
        return []
    rows: list[dict[str, Any]] = last.version.load().select_columns(_LOOKED_AT).to_list()
    return rows


def cell_of(
    changes: tuple[str, ...], outcomes: Sequence[Outcome], kept: Sequence[Mapping[str, Any]], labels: Labels
) -> Cell:
    """Sum a run up."""
    counts = {outcome.stage.name: outcome.version.counts for outcome in outcomes}
    asking = [outcome.version for outcome in outcomes if outcome.stage.needs == "engine"]
    judged = [labels[looked_at(row)] for row in kept if looked_at(row) in labels]
    responses = counts.get("responses")
    return Cell(
        changes=changes,
        seeds=counts[outcomes[0].stage.name].kept,
        attempts=responses.judged if responses else 0,
        executed=responses.kept if responses else 0,
        kept=len(kept),
        labelled=len(judged),
        right=sum(judged),
        hours=math.fsum(cost(Step(version)).whole_seconds for version in asking) / 3600,
        tokens=sum(version.lineage.tokens.completion for version in asking),
    )


def read_labels(path: Path) -> Labels:
    """Return the labels that somebody wrote."""
    if not path.exists():
        return {}
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {looked_at(row): row["right"] for row in rows if row["right"] is not None}


def looked_at(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what a label is about; cells may share it."""
    return tuple(row[name] for name in _LOOKED_AT)


def wilson(hits: int, total: int) -> tuple[float, float]:
    """Return Wilson's interval of a share."""
    if not total:
        return 0.0, 1.0
    share, z = hits / total, _95_PERCENT
    middle = share + z * z / (2 * total)
    spread = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return max(0.0, (middle - spread) / (1 + z * z / total)), min(1.0, (middle + spread) / (1 + z * z / total))


def table(cells: Iterable[Cell]) -> str:
    """Return the table in Markdown, the best cell first."""
    lines = [
        "| settings | attempts | executed | rows | looked at, right | tokens per executed | rows an hour | 95 % |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for cell in sorted(cells, key=lambda cell: -cell.per_hour(cell.kept / cell.seeds)):
        rate, (low, high) = cell.per_hour(cell.kept / cell.seeds), cell.interval
        looked = f"{cell.labelled}, {cell.right}" if cell.labelled else "-"
        each = f"{cell.tokens / cell.executed:,.0f}" if cell.executed else "-"
        lines.append(
            f"| {cell.name} | {cell.attempts} | {cell.executed} | {cell.kept} of {cell.seeds} seeds | {looked} "
            f"| {each} | {rate:.1f} | {low:.1f} to {high:.1f} |"
        )
    return "\n".join(lines) + "\n"


def plot(cells: Sequence[Cell], path: Path) -> None:
    """Draw rows an hour with their intervals."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    ordered = sorted(cells, key=lambda cell: cell.per_hour(cell.kept / cell.seeds))
    middles = [cell.per_hour(cell.kept / cell.seeds) for cell in ordered]
    errors = [
        [middle - cell.interval[0] for middle, cell in zip(middles, ordered, strict=True)],
        [cell.interval[1] - middle for middle, cell in zip(middles, ordered, strict=True)],
    ]
    figure, axes = plt.subplots(figsize=(7, 1 + 0.4 * len(cells)), layout="constrained")
    axes.errorbar(middles, range(len(ordered)), xerr=errors, fmt="o", capsize=3)
    axes.set_yticks(range(len(ordered)), [cell.name for cell in ordered])
    axes.set_xlabel("right rows an hour" if any(cell.labelled for cell in cells) else "rows an hour")
    axes.set_xlim(left=0)
    figure.savefig(path)


if __name__ == "__main__":
    main()
