"""Modules that tests use and that nobody imported: small models write `pytest.raises` without `import pytest`."""

import ast
import re
import sys
from collections.abc import Iterator

from sca_hf.prompts.code_blocks import blocks_of, code_blocks, markdown_tokens
from sca_hf.prompts.syntax import Function, parsed

_ATTRIBUTES = re.compile(r"\b(\w+)\.")
_MODULES = sys.stdlib_module_names | {"pytest"}


def with_forgotten_imports(response: str, tests: str) -> tuple[str, tuple[str, ...]]:
    """Return `tests` with the imports that they forgot below their first fence, and the modules that these import.

    A module counts as forgotten if the tests read one of its attributes and its name is bound nowhere, neither in them
    nor in the response. Only the standard library and pytest are known. Nothing is added for the response's own code:
    an answer that forgets an import is wrong.
    """
    if _MODULES.isdisjoint(_ATTRIBUTES.findall(tests)):
        return tests, ()
    modules = _forgotten("\n".join(code_blocks(response)), "\n".join(code_blocks(tests)))
    lines = tests.split("\n")
    first = next((block.line for block in blocks_of(markdown_tokens(tests)) if block.is_python), None)
    if not modules or first is None or not lines[first].startswith(("```", "~~~")):
        return tests, ()
    lines[first + 1 : first + 1] = [f"import {module}" for module in modules]
    return "\n".join(lines), modules


def _forgotten(code: str, tests: str) -> tuple[str, ...]:
    trees = [parsed(code), parsed(tests)]
    if None in trees:
        return ()
    bound = {name for tree in trees if tree for node in ast.walk(tree) for name in _bound(node)}
    if "*" in bound:
        return ()
    read = {
        node.value.id
        for node in ast.walk(trees[1] or ast.Module([], []))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    return tuple(sorted(_MODULES & read - bound))


def _bound(node: ast.AST) -> Iterator[str]:
    """The names that a node binds, in whatever scope; "*" for all of a module's."""
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()) | ast.arg(arg=name):
            yield name
        case ast.alias(name=name, asname=other):
            yield other or name.partition(".")[0]
        case ast.ClassDef(name=name):
            yield name
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            yield name
        case ast.MatchMapping(rest=str(name)):
            yield name
        case _ if isinstance(node, Function):
            yield node.name
