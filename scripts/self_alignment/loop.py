"""The loop: a base model, its own data, and the models that were tuned on passing, random and failing responses."""

from pathlib import Path

from self_alignment.choices import EQUAL, Row, choices
from self_alignment.experiment import BASE, Scale, equal_sizes, held_out_scores, run_pipeline, tune
from self_alignment.table import score_table


def close_loop(folder: Path, scale: Scale) -> str:
    """Run all of it in `folder`. Returns the table as Markdown."""
    models: dict[str, list[Path]] = {choice: [] for choice in EQUAL}
    sizes, seen = [], list[Row]()
    for seed in scale.seeds:
        found = choices(run_pipeline(folder, seed, scale), BASE, seed)
        sets = equal_sizes({choice: found[choice] for choice in EQUAL})
        sizes.append(len(sets[EQUAL[0]]))
        seen += [row for rows in sets.values() for row in rows]
        for choice, model in tune(folder, sets, seed, scale).items():
            models[choice].append(model)
    base, *tuned = held_out_scores(folder, [path for paths in models.values() for path in paths], seen, scale)
    count = len(scale.seeds)
    by_choice = {choice: tuned[place * count : (place + 1) * count] for place, choice in enumerate(models)}
    said = f"{len(base.graded)} held-out tasks, {count} seeds, rows to train on: {', '.join(map(str, sizes))}"
    return f"{said}\n\n{score_table(base, by_choice)}"
