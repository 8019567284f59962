"""SelfCodeAlign on Hugging Face datasets: a base model writes its own instruction data, execution checks it.

    from sca_hf import Pipeline, Store, load_recipe

    outcomes = Pipeline(load_recipe("demo"), Store(Path("store"))).run()

The names below are imported when they are first asked for, so that `import sca_hf` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sca_hf import stages
    from sca_hf.pipeline.pipeline import Pipeline
    from sca_hf.recipe import load_recipe
    from sca_hf.sandbox import Jails, Program
    from sca_hf.stages.context import Context
    from sca_hf.store import Store
    from sca_hf.store.hub.hub import Hub

__version__ = "0.1.0"

__all__ = ["Context", "Hub", "Jails", "Pipeline", "Program", "Store", "load_recipe", "stages"]

_MODULES = {
    "Context": "stages.context",
    "Hub": "store.hub.hub",
    "Jails": "sandbox",
    "Pipeline": "pipeline.pipeline",
    "Program": "sandbox",
    "Store": "store",
    "load_recipe": "recipe",
}


def __getattr__(name: str) -> Any:
    if name == "stages":
        return import_module("sca_hf.stages")
    if name not in _MODULES:
        raise AttributeError(f"module 'sca_hf' has no attribute {name!r}")
    return getattr(import_module(f"sca_hf.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
