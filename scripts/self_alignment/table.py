"""Scores of several seeds in one table: pass@1 with intervals over tasks, and paired differences from the first row."""

from collections.abc import Mapping, Sequence

from sca_hf.evaluation.grading import passes_of
from sca_hf.evaluation.results import Result
from sca_hf.metrics.pass_at_k import Passes, paired_difference, pass_at_k


def score_table(base: Result, results: Mapping[str, Sequence[Result]], paper: Mapping[str, str] | None = None) -> str:
    """Return a row for the base model and one for each name, whose results are those of its seeds.

    `paper`: the paper's figure by name, for a column of its own. Differences are paired: on the same tasks.

    A task's score is the share of seeds whose model passed it, so intervals are over tasks for these models together.
    """
    first = passes_of(base.graded)
    lines = [
        "| model | pass@1 [95 %] | of each seed | minus base [95 %] | passes only minus it [95 %] |"
        + (" the paper |" if paper else ""),
        "|---|---|---|---|---|" + ("---|" if paper else ""),
        f"| base | {pass_at_k(first, 1).percent()} | | | |" + (" |" if paper else ""),
    ]
    for name, of_seeds in results.items():
        passes = pooled(of_seeds)
        single = ", ".join(f"{100 * pass_at_k(passes_of(one.graded), 1).value:.1f}" for one in of_seeds)
        gain = paired_difference(passes, first, 1).percent()
        behind = "" if name == "passes only" else paired_difference(pooled(results["passes only"]), passes, 1).percent()
        line = f"| {name} | {pass_at_k(passes, 1).percent()} | {single} | {gain} | {behind} |"
        lines.append(line + (f" {paper.get(name, '')} |" if paper else ""))
    return "\n".join(lines)


def named(base: str, models: Mapping[str, Sequence[str]], results: Sequence[Result]) -> dict[str, list[Result]]:
    """Return the results of each name's models, led by the base model's by the chat template if it was asked so."""
    by_model = {result.made.model: result for result in results}
    asked = {"base, by the chat template": [by_model[base]]} if base in by_model else {}
    return asked | {name: [by_model[path] for path in paths] for name, paths in models.items()}


def pooled(results: Sequence[Result]) -> Passes:
    """Return of each task whether the model of each seed passed it."""
    parts = [passes_of(result.graded) for result in results]
    return {task: [passed for part in parts for passed in part[task]] for task in parts[0]}
