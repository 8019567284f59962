"""Finds the checks of the tests, and has each say when it held: assertions, calls of assertion methods, blocks in which
an error is expected, and what fails by hand (`if f(1) != 2: raise AssertionError`)."""

import ast
import copy
from typing import Any

from .forms import (
    fails,
    is_constant,
    is_in_place_of_message,
    is_too_broad,
    name_of,
    raises_by_itself,
    says_nothing,
    truth,
)
from .instrument import Names, Survey, bodies_of, call, docstring_length, is_main_guard, place_of
from .record import CALLED, COMPARED, EXERCISED, Test, hook_name

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_ASKING = frozenset(
    {"isinstance", "issubclass", "callable", "hasattr", "type", "id", "bool", "repr", "str", "print"}
    | {"Mock", "MagicMock", "create_autospec"}
)
"""Calls that tell what an object is, not what it does."""
_INSPECTING = frozenset(
    {"getsource", "getsourcelines", "getdoc", "getmembers", "getfullargspec"}
    | {"get_annotations", "get_type_hints", "signature", "fields"}
)
_EXPECTING = ("assert", "raises", "warns", "deprecated_call")
_ABOUT_CALLS = ("_call", "_await")
_OPERATIONS = {
    "assertNotEqual": ast.NotEq,
    "assertIn": ast.In,
    "assertLess": ast.Lt,
    "assertGreater": ast.Gt,
    "assertLessEqual": ast.LtE,
    "assertGreaterEqual": ast.GtE,
}
"""Of what the first argument is to the second; of other assertion methods it is as if they were to be equal."""
_TRUE = ("assertTrue", "assert_")
_TEST_CLASS = ("TestCase", "Tests", "Test")


def instrument_tests(tree: ast.Module, names: Names, survey: Survey) -> list[Test]:
    """Return the tests that must start, in order."""
    rewriting = _Rewriting(names, survey)
    tree.body = rewriting.body(tree.body, True)
    return rewriting.tests


class _Rewriting:
    """`expected`: whether a statement is in a place from which tests are collected, so that one which never starts is
    missing."""

    def __init__(self, names: Names, survey: Survey) -> None:
        self._defined = names.defined
        self._replaceable = names.defined - names.steady
        used = {node.id for node in survey.of(ast.Name)} | {node.attr for node in survey.of(ast.Attribute)}
        self._changes_expressions = not used.isdisjoint({*self._replaceable, *_INSPECTING, "all"})
        self._constants = names.constants
        # What they assert, they assert themselves.
        self._own_functions = {node.name for node in survey.of(*_FUNCTIONS)} | names.defined
        self._in_check = False
        self._expecting = False
        self._class: ast.ClassDef | None = None
        self.tests: list[Test] = []

    def body(self, statements: list[ast.stmt], expected: bool = False) -> list[ast.stmt]:
        return [self._statement(statement, expected) for statement in statements]

    def _statement(self, node: ast.stmt, expected: bool) -> ast.stmt:
        if isinstance(node, ast.Assert):
            self._assert(node)
        elif isinstance(node, _FUNCTIONS):
            self._function(node, expected)
        elif isinstance(node, ast.ClassDef):
            outer, self._class = self._class, node
            self._expressions(node)
            node.body = self.body(node.body, expected)
            self._class = outer
        elif isinstance(node, ast.Expr | ast.Return) and (check := _called_check(node.value)):
            return self._call(node, check)
        elif isinstance(node, ast.With | ast.AsyncWith):
            return self._with(node)
        elif isinstance(node, ast.If):
            self._if(node, expected and is_main_guard(node))
        elif isinstance(node, ast.Try):
            self._try(node)
        else:
            if isinstance(node, ast.Assign | ast.Expr):
                self._replacement(node)
            self._inside(node)
            if isinstance(node, ast.Raise) and node.exc is not None:
                node.exc = call("raising", [node.exc], node.exc)
        return node

    def _inside(self, node: ast.AST) -> None:
        self._expressions(node)
        for inner in bodies_of(node):
            inner[:] = self.body(inner)

    # Checks.

    def _assert(self, node: ast.Assert) -> None:
        counts = not says_nothing(node.test, self._constants) and not is_in_place_of_message(node.test, node.msg)
        node.test = call("held" if counts else "bare", [self._checked(node.test)], node.test)

    def _call(self, node: ast.Expr | ast.Return, check: ast.Call) -> ast.stmt:
        """A statement that calls an assertion method."""
        name = name_of(check)
        counts = name != "fail" and not self._is_trivial(check, name)
        outer, self._expecting = self._expecting, "aise" in name
        node.value = self._checked(node.value)
        self._expecting = outer
        if name in self._own_functions:
            return node
        if name in _TRUE and check.args:
            check.args[0] = call("held" if counts else "bare", [check.args[0]], check.args[0])
            return node
        return _within("check" if counts else "watch", node)

    def _is_trivial(self, check: ast.Call, name: str) -> bool:
        if any(part in name for part in _ABOUT_CALLS):
            return False
        first, second, *_ = *check.args, None, None
        if first is None:
            return False
        if name in _TRUE or name == "assertFalse":
            tested = first if name in _TRUE else ast.UnaryOp(ast.Not(), first)
            return says_nothing(tested, self._constants) or is_in_place_of_message(first, second)
        if second is None:
            # An error that is expected of nothing, or a constant.
            return "aise" in name or is_constant(first, self._constants)
        return says_nothing(ast.Compare(first, [_OPERATIONS.get(name, ast.Eq)()], [second]), self._constants)

    def _with(self, node: ast.With | ast.AsyncWith) -> ast.stmt:
        names = [name_of(item.context_expr) for item in node.items if isinstance(item.context_expr, ast.Call)]
        expects = any(name.startswith(_EXPECTING) and name not in self._own_functions for name in names)
        # A block that raises by itself says nothing.
        counts = not all(raises_by_itself(statement) for statement in node.body)
        self._expressions(node)
        outer, self._expecting = self._expecting, expects or self._expecting
        node.body = self.body(node.body)
        self._expecting = outer
        return _within("check" if counts else "watch", node) if expects else node

    def _if(self, node: ast.If, expected: bool) -> None:
        """One of whose branches fails: the others are where a check held."""
        counts = not says_nothing(node.test, self._constants) and self._fails_somewhere(node)
        failing = [fails(node.body), fails(node.orelse)]
        node.test = self._checked(node.test) if counts else self._expression(node.test, COMPARED)
        node.body, node.orelse = self.body(node.body, expected), self.body(node.orelse, expected)
        if counts:
            for body, is_failure in zip((node.body, node.orelse), failing, strict=True):
                if not is_failure and not (len(body) == 1 and isinstance(body[0], ast.If)):
                    body.insert(0, _say("count", [], node))

    def _fails_somewhere(self, node: ast.If) -> bool:
        if self._class is not None and not _is_test_class(self._class):
            return False
        inner = node.orelse[0] if len(node.orelse) == 1 else None
        return fails(node.body) or fails(node.orelse) or (isinstance(inner, ast.If) and self._fails_somewhere(inner))

    def _try(self, node: ast.Try) -> None:
        """Whose block fails where nothing was raised: the handlers are where a check held, if they say of what."""
        counts = fails(node.body) or fails(node.orelse)
        outer, self._expecting = self._expecting, counts
        node.body = self.body(node.body)
        self._expecting = outer
        for handler in node.handlers:
            expected = handler.type is not None and not is_too_broad(handler.type)
            self._expressions(handler)
            handler.body = self.body(handler.body)
            if counts and expected:
                handler.body.insert(0, _say("count", [], handler))
        node.orelse, node.finalbody = self.body(node.orelse), self.body(node.finalbody)

    def _replacement(self, node: ast.Assign | ast.Expr) -> None:
        """`Stack.pop = …` and `setattr(Stack, "pop", …)`, where the answer defines Stack."""
        if isinstance(node, ast.Assign):
            owners = [target.value for target in node.targets if isinstance(target, ast.Attribute)]
            if owners and self._is_defined(owners[0]):
                node.value = call("replaced", [copy.copy(owners[0]), node.value], node.value)
        elif isinstance(node.value, ast.Call) and name_of(node.value) == "setattr":
            arguments = node.value.args
            if len(arguments) == 3 and self._is_defined(arguments[0]):
                arguments[2] = call("replaced", [copy.copy(arguments[0]), arguments[2]], arguments[2])

    def _is_defined(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Name) and node.id in self._defined

    # Tests.

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef, expected: bool) -> None:
        self._expressions(node)
        must_start = expected and self._is_test(node)
        body = self.body(node.body)
        if must_start:
            line = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            self.tests.append((line, node.name, "" if self._class is None else self._class.name))
            at = docstring_length(node.body)
            first = body[min(at, len(body) - 1)]
            body.insert(at, _say("start", [ast.Constant(line, **place_of(first))], first))
        node.body = body

    def _is_test(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
        """Named like one, or with a check in it that can hold; unless it is to be skipped."""
        decorators = [*node.decorator_list, *(self._class.decorator_list if self._class else ())]
        if any(name_of(decorator).startswith("skip") for decorator in decorators):
            return False
        if node.name.startswith("test"):
            return True
        if self._class is not None and not _is_test_class(self._class):
            return False
        return any(
            (isinstance(inner, ast.Assert) and truth(inner.test) is None)
            or (isinstance(inner, ast.Call) and name_of(inner).startswith("assert"))
            for inner in ast.walk(node)
        )

    # Expressions.

    def _checked(self, node: Any) -> Any:
        self._in_check = "all" in self._constants
        node = self._expression(node, COMPARED)
        self._in_check = False
        return node

    def _expressions(self, node: ast.AST) -> None:
        """Rewrites the expressions directly in a statement, or in a part of one that isn't a statement."""
        for field in node._fields:
            if field in ("annotation", "returns", "type_params", "pattern", "ctx"):
                continue
            value = getattr(node, field, None)
            how = EXERCISED if field == "iter" else COMPARED
            if isinstance(value, ast.expr):
                setattr(node, field, self._expression(value, how))
            elif isinstance(value, list):
                for index, child in enumerate(value):
                    if isinstance(child, ast.expr):
                        value[index] = self._expression(child, how)
                    elif isinstance(child, ast.AST) and not isinstance(child, _NOT_EXPRESSIONS):
                        self._expressions(child)
            elif isinstance(value, ast.arguments):
                self._expressions(value)

    def _expression(self, node: Any, how: int) -> Any:
        if isinstance(node, ast.Constant) or not (self._changes_expressions or self._expecting):
            return node
        if isinstance(node, ast.Name):
            is_watched = node.id in (self._defined if self._expecting or how == CALLED else self._replaceable)
            if not is_watched or not isinstance(node.ctx, ast.Load):
                return node
            place = place_of(node)
            return call("use", [ast.Constant(node.id, **place), node, ast.Constant(how, **place)], node)
        if isinstance(node, ast.Call):
            return self._called(node)
        if isinstance(node, ast.Attribute | ast.Subscript):
            if isinstance(node, ast.Attribute) and node.attr.startswith("__"):
                return self._asked(node)
            node.value = self._expression(node.value, EXERCISED)
        if isinstance(node, ast.Subscript):
            node.slice = self._expression(node.slice, COMPARED)
        elif isinstance(node, ast.Compare) and getattr(node.comparators[0], "value", 0) is None:
            node.left = self._asked(node.left)
        elif not isinstance(node, ast.Attribute):
            self._expressions(node)
        return node

    def _called(self, node: ast.Call) -> ast.Call:
        name = name_of(node)
        # `assertRaises(TypeError, add, 1)` calls too.
        how = CALLED if name in _INSPECTING or (self._expecting and "aise" in name) else COMPARED
        node.func = self._expression(node.func, CALLED if self._expecting else EXERCISED)
        node.args = [self._asked(one) if name in _ASKING else self._expression(one, how) for one in node.args]
        for keyword in node.keywords:
            keyword.value = self._expression(keyword.value, COMPARED)
        if self._in_check and isinstance(node.func, ast.Name) and name == "all":
            node.func.id = hook_name("all")
        return node

    def _asked(self, node: Any) -> Any:
        """An object of the answer, or an attribute of it, of which is only asked what it is."""
        if isinstance(node, ast.Attribute):
            node.value = self._asked(node.value)
            return node
        return node if isinstance(node, ast.Name) else self._expression(node, COMPARED)


_NOT_EXPRESSIONS = (ast.stmt, ast.ExceptHandler, ast.match_case)


def _called_check(node: ast.expr | None) -> ast.Call | None:
    """Return the call of an assertion method, or of what fails by hand, that an expression is or repeats."""
    if isinstance(node, ast.ListComp | ast.Await):
        node = node.elt if isinstance(node, ast.ListComp) else node.value
    if not isinstance(node, ast.Call):
        return None
    name = name_of(node)
    expects_of_call = name in ("raises", "warns") and len(node.args) > 1
    return node if name.startswith("assert") or name == "fail" or expects_of_call else None


def _is_test_class(node: ast.ClassDef) -> bool:
    names = [node.name, *map(name_of, node.bases)]
    return node.name.startswith("Test") or any(name.endswith(_TEST_CLASS) for name in names)


def _within(context: str, statement: ast.stmt) -> ast.With:
    place = place_of(statement)
    return ast.With([ast.withitem(ast.Name(hook_name(context), ast.Load(), **place))], [statement], **place)


def _say(hook: str, arguments: list[ast.expr], node: ast.AST) -> ast.Expr:
    return ast.Expr(call(hook, arguments, node), **place_of(node))
