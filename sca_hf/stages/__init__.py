"""The stages: one file each, with the stage's settings, its function and its declaration, `STAGE`."""

from importlib import import_module
from typing import Any

from sca_hf.errors import RecipeError, one_line
from sca_hf.stage import Stage

BUNDLED = (
    "seeds",
    "excerpts",
    "unused",
    "judge",
    "concepts",
    "instructions",
    "oss_instruct",
    "evolve",
    "responses",
    "chat_responses",
    "chat_tests",
    "repair",
    "execute",
    "mutants",
    "cross",
    "unmastered",
    "select",
    "sft",
    "preferences",
)


def __getattr__(name: str) -> Any:
    """Return the module of a stage, imported when it is first asked for."""
    if name not in BUNDLED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(f"{__name__}.{name}")


def stage(name: str) -> Stage:
    """Return a bundled stage by its name, or any other by `module:NAME`. Raises RecipeError if there is none."""
    if name in BUNDLED:
        declaration: Any = import_module(f"{__name__}.{name}").STAGE
        return declaration  # type: ignore[no-any-return]
    module, colon, attribute = name.partition(":")
    if not colon:
        raise RecipeError(f"stages: there is no stage {name!r}; give one of {', '.join(BUNDLED)}, or module:NAME")
    try:
        declaration = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise RecipeError(
            f"stages: {name!r} can't be imported ({one_line(error)}); give module:NAME of a module on Python's path"
        ) from error
    if not isinstance(declaration, Stage):
        raise RecipeError(f"stages: {name!r} is a {type(declaration).__name__}; give a Stage")
    return declaration
