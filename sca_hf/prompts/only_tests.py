"""Whether a code block of a response is its tests."""

import ast
import re
from collections.abc import Iterable

from sca_hf.prompts.syntax import Function, decorator_names, last_name, parsed, raised_name

_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|\d+")
_TEST_WORDS = {"test", "tests", "check", "checks", "verify"}


def only_tests(code: str) -> bool:
    """Return whether `code` tests something (assertions, test functions, a TestCase) and defines nothing else.

    Imports, values, calls and fixtures may be there beside the tests.
    """
    tree = parsed(code)
    return tree is not None and all(map(_belongs_to_tests, tree.body)) and any(map(_tests, tree.body))


def _tests(node: ast.stmt) -> bool:
    if isinstance(node, ast.ClassDef) or _asserts(node):
        return True
    if isinstance(node, Function):
        return not _is_fixture(node) and (node.name.startswith("test") or any(map(_asserts, ast.walk(node))))
    if isinstance(node, ast.Expr):  # numpy.testing.assert_allclose(…)
        return isinstance(node.value, ast.Call) and last_name(node.value.func).startswith("assert")
    return any(map(_tests, _inner(node)))


def _belongs_to_tests(node: ast.stmt) -> bool:
    if isinstance(node, ast.ClassDef):
        methods = [method.name for method in node.body if isinstance(method, Function)]
        is_test = "Test" in node.name and any(name.startswith("test") for name in methods)
        return is_test or any(last_name(base).endswith("TestCase") for base in node.bases)
    if isinstance(node, Function):
        words = {word.lower() for word in _WORDS.findall(node.name)}
        is_test = bool(words & _TEST_WORDS) or node.name == "main"
        return _is_fixture(node) or (is_test and not _gives_a_value(node))
    if isinstance(node, ast.Assign | ast.AnnAssign):
        return not isinstance(node.value, ast.Lambda)
    return all(map(_belongs_to_tests, _inner(node)))


def _inner(node: ast.AST) -> Iterable[ast.stmt]:
    """The statements of a compound statement."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt):
            yield child
        elif isinstance(child, ast.ExceptHandler | ast.match_case):
            yield from child.body


def _asserts(node: ast.AST) -> bool:
    """Whether a statement is `assert …` or `raise AssertionError`."""
    if isinstance(node, ast.Raise) and node.exc is not None:
        return raised_name(node.exc) == "AssertionError"
    return isinstance(node, ast.Assert)


def _gives_a_value(function: Function) -> bool:
    return any(isinstance(node, ast.Return) and node.value is not None for node in ast.walk(function))


def _is_fixture(function: Function) -> bool:
    return "fixture" in decorator_names(function)
