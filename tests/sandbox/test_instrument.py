"""Instrumented source runs as it is written: whatever it is, and with the same lines, names and docstrings."""

import inspect
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

import pytest

from sca_hf.sandbox.jail.assertions import prepare

STANDARD = Path(sysconfig.get_path("stdlib"))
SOURCES = sorted(
    path
    for path in (*STANDARD.glob("*.py"), *STANDARD.glob("asyncio/*.py"), *STANDARD.glob("unittest/*.py"))
    if path.stat().st_size < 40_000
)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_any_source_is_the_same_but_for_what_it_says(path: Path) -> None:
    source = path.read_text(encoding="utf-8", errors="replace")
    plain = compile(source, "plain", "exec", dont_inherit=True)
    prepared = prepare(source, source)
    for part in (prepared.code, prepared.tests):
        assert shapes_of(part) == shapes_of(plain)


def shapes_of(code: CodeType) -> list[tuple[object, ...]]:
    """What can be told of every function and class, but for what it does."""
    functions = [one for one in all_of(code) if not one.co_name.startswith("<")]
    return sorted((one.co_firstlineno, one.co_name, inspect.getargs(one), docstring_of(one)) for one in functions)


def all_of(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from all_of(constant)


def docstring_of(code: CodeType) -> str | None:
    first = code.co_consts[0] if code.co_consts else None
    return first if isinstance(first, str) else None
