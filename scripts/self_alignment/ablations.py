"""The paper's choices, each against its alternative, by models tuned on as many rows of either."""

import random
from collections.abc import Mapping
from itertools import count
from pathlib import Path

from demo_model.function_tasks import draw_function
from demo_model.task import DIFFICULTIES
from self_alignment.choices import Row, choices, is_open
from self_alignment.experiment import Experiment
from self_alignment.table import named, score_table

from sca_hf.recipe import load_recipe

PAPER: Mapping[str, str] = {
    "all responses": "",
    "random subset": "61.6",
    "failures only": "57.9",
    "passes only": "65.2",
    "random seeds": "64.0",
    "no mutants": "",
    "another's data": "65.9 (GPT-4o; own data 67.1)",
}
"""HumanEval+ of CodeQwen1.5-7B at 37k seeds (METHOD.md, section 7); the last at 74k pairs."""

_RULES_OFF = (
    "seeds.min_args=0",
    "seeds.kinds=[function, method, class]",
    "seeds.forbidden_words=[no-such-word]",
    "seeds.forbidden_imports=[no_such_module]",
    "seeds.type_check=null",
    "seeds.near_duplicates=null",
)


def ablate(experiment: Experiment, other: str | None = None) -> str:
    """Run all of it. `other`: a model whose data are another's; None for right answers to the demo's own tasks.

    Every set but "all responses" has as many rows as the smallest. Returns the table as Markdown.
    """
    models: dict[str, list[str]] = {}
    sizes, seen, paths = [], list[Row](), list[Path]()
    for seed in experiment.seeds:
        sets = _sets(experiment, seed, other)
        fewest = min(map(len, sets.values()))
        sets = {name: rows if name == "all responses" else rows[:fewest] for name, rows in sets.items()}
        sizes.append(f"{fewest} (all responses: {len(sets['all responses'])})")
        seen += [row for rows in sets.values() for row in rows]
        for name, path in experiment.tune(sets, seed).items():
            models.setdefault(name, []).append(str(path))
            paths.append(path)
    base, *tuned = experiment.scores(paths, seen)
    table = score_table(base, named(experiment.base, models, tuned), PAPER)
    return f"{len(base.graded)} tasks, rows to train on, by seed: {', '.join(sizes)}\n\n{table}"


def _sets(experiment: Experiment, seed: int, other: str | None) -> dict[str, list[Row]]:
    held_out = experiment.benchmark is None

    def run(name: str, model: str = experiment.base, *changes: str) -> dict[str, list[Row]]:
        return choices(experiment.run_pipeline(seed, name, model, changes), name, seed, held_out)

    own = run("own")
    stages = [stage.name for stage in load_recipe(experiment.recipe).chain]
    sets = {
        "all responses": own["all"],
        "random subset": own["random"],
        "failures only": own["failures only"],
        "passes only": own["passes only"],
        "random seeds": run("random-seeds", experiment.base, *_RULES_OFF)["passes only"],
        "another's data": run("others", other)["passes only"] if other else _right_answers(len(own["random"]), seed),
    }
    if "mutants" in stages:
        stages.remove("mutants")
        sets["no mutants"] = run("no-mutants", experiment.base, f"stages=[{', '.join(stages)}]")["passes only"]
    return sets


def _right_answers(rows: int, seed: int) -> list[Row]:
    """What a model that knew all of it would write: tasks of the demo's grammar with their solutions."""
    written: list[Row] = []
    for place in count():
        if len(written) == rows:
            break
        task = draw_function(random.Random(f"another/{seed}/{place}"), DIFFICULTIES[place % len(DIFFICULTIES)]).task
        if is_open(task.instruction):
            written.append(
                {
                    "id": f"another-{place}",
                    "instruction": task.instruction,
                    "response": task.response,
                    "tests": task.tests,
                }
            )
    return written
