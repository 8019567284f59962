"""What the stage `seeds` must know of a programming language: one module a language, Python's the first.

The rules that read no syntax (lines, characters, words, licenses, duplicates) hold for all of them.
"""

from collections.abc import Sequence
from importlib import import_module
from typing import Any, Literal, Protocol

from sca_hf.corpus.languages.python.functions import Kind
from sca_hf.corpus.languages.python.salvage import BrokenFunction
from sca_hf.errors import InputError

LanguageName = Literal["python", "javascript"]
_MODULES = {"python": "python.rules", "javascript": "javascript"}
ENDINGS = {"python": (".py",), "javascript": (".js", ".mjs", ".cjs", ".jsx")}


class FoundFunction(Protocol):
    """A documented function. `standalone`: its text, below the imports that it needs if the language infers them."""

    @property
    def name(self) -> str: ...
    @property
    def standalone(self) -> str: ...
    @property
    def arguments(self) -> int: ...
    @property
    def returns_value(self) -> bool: ...


class Language(Protocol):
    """What the module of a language has."""

    def functions(
        self, text: str, kinds: Sequence[Kind]
    ) -> tuple[Sequence[FoundFunction | BrokenFunction], str | None]:
        """Return what of these kinds has a docstring at a file's top level, in order; or why there is nothing."""
        ...

    def own_reason(self, function: Any, forbidden_imports: Sequence[str]) -> str | None:
        """Return why one of its functions is rejected by the rules for this language alone, which come last."""
        ...


def language(name: LanguageName) -> Language:
    """Return the module of a language. Raises InputError when its parser is not installed."""
    try:
        module: Language = import_module(f"sca_hf.corpus.languages.{_MODULES[name]}")
    except ModuleNotFoundError as error:
        raise InputError(
            f"seeds.language {name} needs the package {error.name}; install it: pip install 'sca-hf[{name}]'"
        ) from error
    return module
