"""Rewrites the syntax trees of a program so that it tells which of its checks mean something.

The rule: **a check counts if code of the answer ran since the tests began or since the last check that counted, its
form is not always true, and the names of the answer that it uses still hold the answer's own objects.** So each
function of the answer says that it was entered (it stores a flag: 10 ns), each name of the answer that the tests use
says what it held, and each check says that it was reached. Nothing else of the program changes, and no line number.
"""

import ast
from collections import Counter
from collections.abc import Iterable, Iterator, Set
from typing import Any, NamedTuple

from .forms import PURE, is_constant, name_of
from .record import RAN, hook_name

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_DEFINITIONS = (*_FUNCTIONS, ast.ClassDef)
_IMMUTABLE = (ast.Constant, ast.UnaryOp, ast.BinOp, ast.Compare, ast.Tuple)
_REPLACING = ("patch", "ock", "setattr", "globals", "vars", "__dict__", "modules", "__main__", "exec")
_MANY = 1000
_NO_NAME = "no name of a module"
_NOT_SURVEYED = {ast.Constant, ast.Load, ast.Store, type(None), str, int}


class Survey:
    """All nodes of a tree but for its constants, by their types."""

    def __init__(self, tree: ast.AST) -> None:
        self._of: dict[type, list[Any]] = {}
        pending: list[Any] = [tree]
        while pending:
            node = pending.pop()
            self._of.setdefault(node.__class__, []).append(node)
            for field in node._fields:
                value = getattr(node, field, None)
                children = value if value.__class__ is list else (value,)
                pending += [child for child in children if child.__class__ not in _NOT_SURVEYED]

    def of(self, *types: type) -> list[Any]:
        return [node for type_ in types for node in self._of.get(type_, ())]


class Names(NamedTuple):
    """What instrumentation needs to know.

    `defined`: what the answer's own statements bind at the module's level. `steady`: those of its functions which the
    tests can't replace. `modules`: under which names the answer is imported from, by the tests or by a later part of
    itself. `constants`: names of the tests that only ever hold one constant, or a pure function; with "()" behind it,
    one that gives the same when it is called."""

    defined: set[str]
    steady: set[str]
    modules: set[str]
    constants: set[str]


def instrument_answer(tree: ast.Module, tests: Survey, code_text: str, tests_text: str) -> Names:
    """Have every function say that it was entered, and leave out the main guard, unless the tests need a name that it
    binds."""
    bound = _names_bound_by(tests)
    needed = {node.id for node in tests.of(ast.Name)} - bound.keys()
    defined: Counter[str] = Counter()
    functions: set[str] = set()
    modules: set[str] = set()
    for statement in tree.body:
        if isinstance(statement, ast.If) and (guard := _main_guard(statement)):
            if needed.isdisjoint(set(_bound(statement.body)) - defined.keys()):
                guard.comparators[0] = ast.copy_location(ast.Constant(_NO_NAME), guard)
                continue
        elif isinstance(statement, ast.ImportFrom) and _takes_only(statement, defined.keys()):
            modules.add(_make_absolute(statement))
        elif isinstance(statement, ast.FunctionDef) and not statement.decorator_list:
            functions.add(statement.name)
        defined.update(_bound([statement]))
    defined.update(_enter(tree, "lambda" in code_text))
    names = set(defined)
    modules |= _own_modules(tests, names)
    can_replace = bool(modules) or any(word in tests_text for word in _REPLACING)
    steady = {name for name in functions if defined[name] == 1 and name not in bound and not can_replace}
    return Names(names, steady, modules, _constants(tests, names, bound))


def _names_bound_by(tests: Survey) -> Counter[str]:
    """Return how often the tests bind each name; as often as you like where that is not by an assignment."""
    bound = Counter(node.id for node in tests.of(ast.Name) if not isinstance(node.ctx, ast.Load))
    names = [node.arg for node in tests.of(ast.arg)]
    names += [node.name for node in tests.of(*_DEFINITIONS, ast.ExceptHandler)]
    names += [name for node in tests.of(ast.Global, ast.Nonlocal) for name in node.names]
    names += [node.asname or node.name for node in tests.of(ast.alias) if node.name != "math"]
    bound.update(dict.fromkeys(names, _MANY))
    return bound


def is_main_guard(statement: ast.stmt) -> bool:
    """Return whether a statement is `if __name__ == "__main__":`."""
    return isinstance(statement, ast.If) and _main_guard(statement) is not None


def _main_guard(statement: ast.If) -> ast.Compare | None:
    """Return the comparison of `__name__` with "__main__" that an `if` makes, alone or among others, the name first."""
    tests = statement.test.values if isinstance(statement.test, ast.BoolOp) else [statement.test]
    for test in tests:
        if isinstance(test, ast.Compare) and [type(operation) for operation in test.ops] == [ast.Eq]:
            sides = sorted([test.left, *test.comparators], key=lambda side: isinstance(side, ast.Constant))
            found = [getattr(side, "id", getattr(side, "value", None)) for side in sides]
            if found == ["__name__", "__main__"]:
                test.left, test.comparators = sides[0], sides[1:]
                return test
    return None


def _own_modules(tests: Survey, defined: set[str]) -> set[str]:
    """Return the modules of which the tests use nothing but names of the answer: `from solution import add`."""
    modules = {_make_absolute(node) for node in tests.of(ast.ImportFrom) if _takes_only(node, defined)}
    imported = {alias.asname or alias.name: alias.name for node in tests.of(ast.Import) for alias in node.names}
    used: dict[str, set[str]] = {}
    for node in tests.of(ast.Attribute) if imported else ():
        used.setdefault(ast.unparse(node.value), set()).add(node.attr)
    return modules | {module for name, module in imported.items() if used.get(name) and used[name] <= defined}


def _takes_only(statement: ast.ImportFrom, defined: Set[str]) -> bool:
    return bool(defined) and all(alias.name == "*" or alias.name in defined for alias in statement.names)


def _make_absolute(statement: ast.ImportFrom) -> str:
    """Return the module's name. There is no package that a relative import could start from."""
    name = statement.module or "solution"
    statement.level, statement.module = 0, name
    return name


def _constants(tests: Survey, defined: set[str], bound: Counter[str]) -> set[str]:
    constants = set(PURE) - bound.keys() - defined
    for node in reversed(tests.of(ast.Assign)):
        name: str = getattr(node.targets[0], "id", "")
        is_bound_once = bound[name] == 1 and name not in defined
        if is_bound_once and isinstance(node.value, _IMMUTABLE) and is_constant(node.value, constants):
            constants.add(name)
    for node in tests.of(ast.FunctionDef) if tests.of(ast.Return) else ():
        inside = Survey(node)
        own = {argument.arg for argument in inside.of(ast.arg)} | set(_stored(node)) | constants
        if node.name not in defined and all(name.id in own for name in inside.of(ast.Name)):
            constants.add(f"{node.name}()")
    return constants


def bodies_of(statement: ast.AST) -> Iterator[list[ast.stmt]]:
    """Yield the lists of statements directly in a statement."""
    for field in ("body", "orelse", "finalbody"):
        inner = getattr(statement, field, None)
        if isinstance(inner, list):
            yield inner
    for part in (*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
        yield part.body


def docstring_length(body: list[ast.stmt]) -> int:
    """Return 1 if a body begins with a docstring, else 0."""
    first = body[0]
    is_text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and type(first.value.value) is str
    return int(is_text)


def place_of(node: Any) -> dict[str, Any]:
    """Return where a node is, for another one that is to be there."""
    return {
        "lineno": node.lineno,
        "col_offset": node.col_offset,
        "end_lineno": node.end_lineno,
        "end_col_offset": node.end_col_offset,
    }


def call(hook: str, arguments: list[ast.expr], node: ast.AST) -> ast.Call:
    """Return a call of a hook, where `node` is."""
    place = place_of(node)
    return ast.Call(ast.Name(hook_name(hook), ast.Load(), **place), arguments, [], **place)


def _enter(tree: ast.Module, has_lambdas: bool) -> set[str]:
    """Have functions store that they ran. Return the names that they bind at the module's level."""
    globals_bound: set[str] = set()
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        # Numba, which can't store a global, compiles what `jit` decorates.
        if isinstance(node, _FUNCTIONS) and not any("jit" in name_of(one) for one in node.decorator_list):
            at = docstring_length(node.body)
            place = place_of(node.body[min(at, len(node.body) - 1)])
            store = ast.Assign([ast.Name(RAN, ast.Store(), **place)], ast.Constant(True, **place), **place)
            node.body[at:at] = [ast.Global([RAN], **place), store]
        elif isinstance(node, ast.Global):
            globals_bound.update(node.names)
        elif isinstance(node, ast.Lambda):
            # It has no place for a statement. The hook returns None.
            node.body = ast.BoolOp(ast.Or(), [call("ran", [], node.body), node.body], **place_of(node.body))
        if has_lambdas:
            pending.extend(ast.iter_child_nodes(node))
        else:
            for body in bodies_of(node):
                pending.extend(body)
    return globals_bound - {RAN}


def _bound(body: Iterable[ast.stmt]) -> Iterator[str]:
    """Yield names that statements bind where they stand, but for imports."""
    for statement in body:
        if isinstance(statement, _DEFINITIONS):
            yield statement.name
            continue
        for child in ast.iter_child_nodes(statement):
            if isinstance(child, ast.expr | ast.withitem):
                yield from _stored(child)
        for inner in bodies_of(statement):
            yield from _bound(inner)


def _stored(tree: ast.AST) -> list[str]:
    return [node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
