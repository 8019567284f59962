"""The command that makes a version again, for its card: the same on every machine."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from sca_hf.recipe import Recipe, load_recipe, recipe_names


def command(recipe: Recipe, stage: str, start: Sequence[str] = ()) -> str | None:
    """Return the command line up to `stage`; None for a recipe that is not bundled.

    What was changed in the recipe is given by `--set`; `start` are arguments of a run that began in the middle. A path
    becomes the name of its file or folder.
    """
    if recipe.name not in recipe_names():
        return None
    bundled, published = load_recipe(recipe.name).published(), recipe.published()
    changes = [f"--set {shlex.quote(f'{key}={_yaml(value)}')}" for key, value in _changes(bundled, published)]
    return " ".join(["python -m sca_hf.run", f"--recipe {recipe.name}", *changes, *start, f"--to {stage}"])


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Settings of `new` that differ from `old`: by dotted keys, or a whole section that is in one of them alone."""
    for name in dict.fromkeys((*new, *old)):
        before, value = old.get(name), new.get(name)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            yield from ((f"{name}.{key}", setting) for key, setting in value.items() if setting != before.get(key))
        elif value != before:
            yield name, value


def _yaml(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, width=1_000_000, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")
