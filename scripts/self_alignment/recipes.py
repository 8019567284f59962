"""Ways to make data against each other: one base model, tuned on what each recipe made for the same budget."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from self_alignment.choices import Row, choices
from self_alignment.experiment import Experiment
from self_alignment.table import score_table

from sca_hf.recipe import load_recipe
from sca_hf.store import Store
from sca_hf.store.lineage import TokenCounts

Budget = Literal["tokens", "rows"]

PAPER: Mapping[str, str] = {
    "selfcodealign": "67.1",
    "selfcodealign-fast": "67.1",
    "oss-instruct": "61.6",
    "evol-instruct": "59.1",
    "distill": "65.9",
    "selfcodealign-s2i": "59.8",
}
"""HumanEval+ of CodeQwen1.5-7B on 74k pairs, S→I on 37k seeds (METHOD.md, section 7)."""


@dataclass(frozen=True)
class Way:
    """A recipe by the `name` that the table has it under, with what to change of it."""

    name: str
    recipe: str
    changes: Sequence[str] = ()


def _demo(name: str, stages: str, *changes: str) -> Way:
    return Way(name, "demo", (f"stages=[seeds, {stages}, execute, mutants, select]", *changes))


DEMO_WAYS = (
    _demo("selfcodealign", "concepts, instructions, responses"),
    _demo("selfcodealign-s2i", "oss_instruct, responses", "oss_instruct.shots=1", "oss_instruct.max_tokens=160"),
    _demo("self-repair", "concepts, instructions, responses, repair", "repair.shots=0", "repair.max_tokens=384"),
)
"""What the bundled model, which knows no layouts but its own, can do of the recipes."""


def compare(experiment: Experiment, ways: Sequence[Way], budget: Budget) -> str:
    """Run all of it. Returns the table as Markdown, with the paper's figures beside ours.

    With a budget of "rows", each set has as many as the smallest; of "tokens", what as many tokens bought of it, read
    and written, as the cheapest run took.
    """
    models: dict[str, list[str]] = {}
    costs, seen, paths = list[str](), list[Row](), []
    for seed in experiment.seeds:
        rows, spent = dict[str, list[Row]](), dict[str, TokenCounts]()
        for way in ways:
            own = replace(experiment, recipe=way.recipe, settings=settings_of(experiment, way))
            store = own.run_pipeline(seed, way.name, experiment.base)
            rows[way.name] = choices(store, way.name, seed, experiment.benchmark is None)["passes only"]
            spent[way.name] = _spent(store, way)
        costs += [cost_row(name, seed, len(rows[name]), spent[name]) for name in rows]
        sets = within(rows, {name: of.prompt + of.completion for name, of in spent.items()}, budget)
        seen += [row for of_way in sets.values() for row in of_way]
        for name, path in experiment.tune(sets, seed).items():
            models.setdefault(name, []).append(str(path))
            paths.append(path)
    base, *tuned = experiment.scores(paths, seen)
    by_model = {result.made.model: result for result in tuned}
    results = {name: [by_model[path] for path in of_name] for name, of_name in models.items()}
    table = score_table(base, results, {name: PAPER.get(name, "") for name in results})
    return "\n".join([f"Equal in {budget}; {len(base.graded)} tasks.", "", table, "", _COSTS, *costs])


_COSTS = (
    "| recipe | seed | rows made | tokens read | written | read a row | written a row |\n|---|---|---|---|---|---|---|"
)


def cost_row(name: str, seed: int, rows: int, spent: TokenCounts) -> str:
    """Return a line of the table of costs: of all completions, those of rejected rows included."""
    counts = (spent.prompt, spent.completion)
    of_row = [f"{count / rows:,.0f}" if rows else "none made" for count in counts]
    return f"| {name} | {seed} | {rows:,} | {counts[0]:,} | {counts[1]:,} | {' | '.join(of_row)} |"


def within(rows: Mapping[str, list[Row]], tokens: Mapping[str, int], budget: Budget) -> dict[str, list[Row]]:
    """Return the rows of each way that the budget pays for: shuffled ones, so the first are any.

    Rows are taken to cost the same each, which leaves out that duplicates become more frequent with more of them.
    """
    if budget == "rows":
        fewest = min(map(len, rows.values()))
        return {name: of_way[:fewest] for name, of_way in rows.items()}
    least = min(tokens.values())
    return {name: of_way[: len(of_way) * least // tokens[name]] for name, of_way in rows.items()}


def settings_of(experiment: Experiment, way: Way) -> list[str]:
    """Return the experiment's settings of sections that the recipe has, and the changes of the way."""
    sections = {stage.name for stage in load_recipe(way.recipe, way.changes).chain} | {"engine", "run"}
    keys = {each: each.partition("=")[0] for each in experiment.settings}
    fitting = [each for each, key in keys.items() if "." not in key or key.partition(".")[0] in sections]
    return [*fitting, *way.changes]


def _spent(store: Store, way: Way) -> TokenCounts:
    """Return the tokens of all completions of a run."""
    stages = [stage.name for stage in load_recipe(way.recipe, way.changes).chain]
    versions = [store.latest(f"{way.name}-{stage}") for stage in stages]
    spent = [version.lineage.tokens for version in versions if version is not None]
    return TokenCounts(prompt=sum(each.prompt for each in spent), completion=sum(each.completion for each in spent))
