"""Modules that are read while this package's files can be seen, and made when all else has been imported.

What an import makes then lies side by side in memory (`heap.Holes`), not in the gaps that earlier ones left.
"""

import marshal
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from types import ModuleType
from typing import Any, cast


class Late:
    """While entered, these modules of this package can be imported without their files. Raises OSError, SyntaxError."""

    def __init__(self, *names: str) -> None:
        self._packed = {f"{__package__}.{name}": _read(name) for name in names}

    def __enter__(self) -> None:
        sys.meta_path.append(self)

    def __exit__(self, *_: object) -> None:
        sys.meta_path.remove(self)

    def find_spec(self, name: str, _path: Sequence[str] | None = None, _target: object = None) -> ModuleSpec | None:
        return ModuleSpec(name, cast(Any, self)) if name in self._packed else None

    def create_module(self, _spec: ModuleSpec) -> None:
        """The usual one."""

    def exec_module(self, module: ModuleType) -> None:
        exec(marshal.loads(self._packed[module.__name__]), module.__dict__)


def _read(name: str) -> bytes:
    path = os.path.join(os.path.dirname(__file__), f"{name}.py")
    return marshal.dumps(SourceFileLoader(name, path).get_code(name))
