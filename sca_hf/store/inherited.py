"""What a version's lineage takes over from those of its parents."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from datasets import Dataset

Lineage = Mapping[str, Any]


def inherited_funnel(parents: Sequence[Lineage]) -> list[Mapping[str, Any]]:
    """Counts of the stages before, first to last, as far as their versions are known."""
    steps = [step for parent in parents for step in parent["funnel"]]
    return list({step["stage"]: step for step in steps}.values())


def inherited_models(parents: Sequence[Lineage], own: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    """The models that wrote what is in the rows: this stage's own and those of the stages before."""
    models = [model for parent in parents for model in parent["models"]]
    return models if own is None or own in models else [*models, own]


def inherited_sources(parents: Sequence[Lineage], own: str | None) -> list[str]:
    """The ready-made datasets and files that the rows go back to; none where they go back to source files alone."""
    sources = [source for parent in parents for source in parent.get("sources", [])]
    return sources if own is None or own in sources else [*sources, own]


def inherited_licenses(parents: Sequence[Lineage], kept: Dataset) -> dict[str, int]:
    """Kept rows per license of their seed; the parents' where the rows don't say."""
    if "license" not in kept.column_names:
        return dict(parents[0]["licenses"]) if parents else {}
    licenses: Counter[str] = Counter()
    for batch in kept.with_format(None).select_columns(["license"]).iter(batch_size=10_000):
        for value in batch["license"]:
            licenses.update([value] if isinstance(value, str) else value or ["unknown"])
    return dict(sorted(licenses.items()))
