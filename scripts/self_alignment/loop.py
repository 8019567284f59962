"""The loop: a base model, its own data, and the models that were tuned on passing, random and failing responses."""

from self_alignment.choices import EQUAL, Row, choices
from self_alignment.experiment import Experiment, equal_sizes
from self_alignment.table import named, score_table


def close_loop(experiment: Experiment) -> str:
    """Run all of it. Returns the table as Markdown."""
    models: dict[str, list[str]] = {}
    sizes, seen, paths = [], list[Row](), []
    for seed in experiment.seeds:
        store = experiment.run_pipeline(seed, "loop", experiment.base)
        found = choices(store, "loop", seed)
        sets = equal_sizes({choice: found[choice] for choice in EQUAL})
        sizes.append(len(sets[EQUAL[0]]))
        seen += [row for rows in sets.values() for row in rows]
        for choice, path in experiment.tune(sets, seed).items():
            models.setdefault(choice, []).append(str(path))
            paths.append(path)
    base, *tuned = experiment.scores(paths, seen)
    table = score_table(base, named(experiment.base, models, tuned))
    counted = ", ".join(map(str, sizes))
    return f"{len(base.graded)} tasks, {len(sizes)} seeds, rows to train on: {counted}\n\n{table}"
