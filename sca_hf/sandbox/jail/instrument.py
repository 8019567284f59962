"""Instruments assertions by rewriting the tests' syntax tree, and finds which of them touch the code under test.

An assertion touches the code if it mentions a name that `code` defines, or one that such a name has flowed into: a
result, a changed argument, a parameter of a test function. It is judged leniently there and strictly elsewhere:
constants, tuples and `x == x` never count.
"""

import ast
import builtins
import itertools
from collections.abc import Iterable, Iterator

from .assertions import BARE, COUNT, HELD, TESTS

_BUILTINS = frozenset(dir(builtins))
_Function = (ast.FunctionDef, ast.AsyncFunctionDef)


def instrument(tests: str, defined: set[str], imported: set[str]) -> ast.Module:
    """The tests' tree, with every assertion reporting what it found. Raises what parsing raises."""
    tree = ast.parse(tests, TESTS)
    _Instrument(_touching_names(tree, defined, imported), _function_names(tree)).visit_body(tree.body)
    return tree


def _touching_names(tree: ast.Module, defined: set[str], imported: set[str]) -> set[str]:
    """All names of the tests that the code under test has flowed into, by what stands together in one statement."""
    redefined = {
        statement.name
        for statement in tree.body
        if isinstance(statement, (*_Function, ast.ClassDef)) and statement.name in defined
    }
    excluded = _BUILTINS | imported
    touching = defined - redefined
    flows: list[tuple[set[str], set[str]]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            touching.add(node.arg)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            excluded = excluded | {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.stmt):
            flows.append(_flow(node))
    touching -= excluded - defined
    grown = True
    while grown:
        grown = False
        remaining = []
        for uses, targets in flows:
            if touching.isdisjoint(uses):
                remaining.append((uses, targets))
                continue
            before = len(touching)
            touching |= targets - excluded
            grown = grown or len(touching) > before
        flows = remaining
    return touching


def _flow(statement: ast.stmt) -> tuple[set[str], set[str]]:
    """(names it uses, names that receive something when one of those touches the code)."""
    if isinstance(statement, (*_Function, ast.ClassDef)):
        return _names([statement]), {statement.name}
    if isinstance(statement, ast.With | ast.AsyncWith):
        return _names([statement]), _names(statement.items)
    if isinstance(statement, ast.For | ast.AsyncFor):
        return _names([statement.iter]), _names([statement.target, statement.iter])
    if isinstance(statement, ast.Try):
        return _names(statement.body), {handler.name for handler in statement.handlers if handler.name}
    if isinstance(statement, ast.Assert | ast.If | ast.While):
        return set(), set()
    names = _names([statement])
    return names, names


def _names(nodes: Iterable[ast.AST]) -> set[str]:
    return {node.id for root in nodes for node in ast.walk(root) if isinstance(node, ast.Name)}


def _function_names(tree: ast.Module) -> set[str]:
    return {node.name for node in ast.walk(tree) if isinstance(node, _Function)}


class _Instrument:
    """Rewrites assertions in place. Walks statements only; expressions stay as they are."""

    def __init__(self, touching: set[str], own_functions: set[str]) -> None:
        self._touching = touching
        self._own_functions = own_functions

    def visit_body(self, body: list[ast.stmt]) -> None:
        rewritten: list[ast.stmt] = []
        for statement in body:
            rewritten.append(statement)
            if isinstance(statement, ast.Assert):
                counts = self._counts(statement.test)
                statement.test = _call(HELD if counts else BARE, [statement.test], statement)
                continue
            for inner in _bodies(statement):
                self.visit_body(inner)
            if self._checks(statement):
                rewritten.append(ast.copy_location(ast.Expr(_call(COUNT, [], statement)), statement))
        body[:] = rewritten

    def _counts(self, test: ast.expr) -> bool:
        if isinstance(test, ast.Tuple | ast.Constant) or _compares_with_itself(test):
            return False
        if isinstance(test, ast.BoolOp) and any(isinstance(value, ast.Constant) for value in test.values):
            return False
        return not self._touching.isdisjoint(_names([test]))

    def _checks(self, statement: ast.stmt) -> bool:
        """A call like `self.assertEqual(…)` or a block under `assertRaises` or `pytest.raises`, which touches the
        code."""
        if isinstance(statement, ast.With):
            calls = [item.context_expr for item in statement.items]
            touches = not self._touching.isdisjoint(_names([*calls, *statement.body]))
            return touches and any(_function_name(call).startswith(("assert", "raises", "warns")) for call in calls)
        if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Call):
            return False
        call = statement.value
        name = _function_name(call)
        if not name.startswith("assert") or name in self._own_functions:
            return False
        first_two = [ast.dump(argument) for argument in call.args[:2]]
        if len(first_two) == 2 and first_two[0] == first_two[1]:
            return False
        return not self._touching.isdisjoint(_names([*call.args, *call.keywords]))


def _bodies(statement: ast.stmt) -> Iterator[list[ast.stmt]]:
    for field in ("body", "orelse", "finalbody"):
        inner = getattr(statement, field, None)
        if isinstance(inner, list):
            yield inner
    for part in itertools.chain(getattr(statement, "handlers", ()), getattr(statement, "cases", ())):
        yield part.body


def _compares_with_itself(test: ast.expr) -> bool:
    if not isinstance(test, ast.Compare):
        return False
    sides = [ast.dump(side) for side in (test.left, *test.comparators)]
    return len(set(sides)) == 1 and all(isinstance(op, ast.Eq | ast.Is | ast.LtE | ast.GtE) for op in test.ops)


def _function_name(call: ast.expr) -> str:
    function = call.func if isinstance(call, ast.Call) else call
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _call(name: str, arguments: list[ast.expr], place: ast.AST) -> ast.Call:
    function = ast.copy_location(ast.Name(name, ast.Load()), place)
    return ast.copy_location(ast.Call(function, arguments, []), place)
