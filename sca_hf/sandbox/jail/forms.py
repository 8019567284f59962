"""Tells by its form what an expression or a statement of tests comes to: an assertion that always holds never counts.

Only what can be read off the form is told here. Whether code of the answer ran is found out while the tests run
(`record`), and whether an expected value is right is nobody's business in a jail.
"""

import ast
from collections.abc import Callable, Set
from typing import Any

PURE = frozenset(
    {"abs", "all", "any", "ascii", "bin", "bool", "bytes", "callable", "chr", "complex", "dict", "divmod", "enumerate"}
    | {"filter", "float", "format", "frozenset", "hex", "int", "isinstance", "issubclass", "len", "list", "map", "max"}
    | {"min", "oct", "ord", "pow", "range", "repr", "reversed", "round", "set", "slice", "sorted", "str", "sum"}
    | {"tuple", "type", "zip", "math"}
)
"""Names of built-in functions, and of one module, that give the same whatever has run."""
_SCOPES = (ast.Lambda, ast.GeneratorExp, ast.ListComp, ast.SetComp, ast.DictComp)
_NEVER_CONSTANT = (ast.Await, ast.Yield, ast.YieldFrom, ast.NamedExpr)
_DISPLAYS = (ast.Tuple, ast.List, ast.Set)
_TOO_BROAD = frozenset({"Exception", "BaseException", "AssertionError"})
_OF_SAME = {
    **dict.fromkeys((ast.Eq, ast.Is, ast.LtE, ast.GtE), True),
    **dict.fromkeys((ast.NotEq, ast.IsNot, ast.Lt, ast.Gt), False),
}
_OPPOSITES = {(ast.Eq, ast.NotEq), (ast.Is, ast.IsNot), (ast.In, ast.NotIn), (ast.Lt, ast.GtE), (ast.Gt, ast.LtE)}


def says_nothing(tested: ast.expr, constants: Set[str]) -> bool:
    """Return whether an assertion of this holds by its form. `constants`: names that only ever hold one constant, or
    a pure function. What is wrong by its form and holds all the same (`x != x` of a NaN) says something."""
    known = truth(tested)
    if known is not None:
        return known
    if isinstance(tested, ast.Compare):
        return all(is_constant(operand, constants) for operand in (tested.left, *tested.comparators))
    return is_constant(tested, constants)


def is_constant(node: ast.AST, constants: Set[str]) -> bool:
    """Return whether the value depends on nothing but `constants`, and on what is true or false by its form."""
    kind = type(node)
    if kind is ast.Constant:
        return True
    if isinstance(node, ast.Name):
        return node.id in constants
    if kind in _NEVER_CONSTANT:
        return False
    if isinstance(node, _WITH_A_TRUTH) and truth(node) is not None:
        return True
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        if f"{node.func.id}()" in constants:
            return all(is_constant(argument, constants) for argument in node.args)
        if node.func.id == "len" and node.args and isinstance(node.args[0], _DISPLAYS):
            return truth(node.args[0]) is not None
    if kind in _SCOPES:
        inner = list(ast.walk(node))
        own = {name.id for name in inner if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)}
        constants = constants | own | {argument.arg for argument in inner if isinstance(argument, ast.arg)}
    return all(is_constant(child, constants) for child in ast.iter_child_nodes(node))


def truth(node: ast.expr) -> bool | None:
    """Return the truth that an expression has by its form, or None."""
    rule = _RULES.get(type(node))
    return rule(node) if rule else None


def name_of(function: ast.expr) -> str:
    """Return the last name of what is called: "f" of `f`, `a.f` and `a.b.f`."""
    function = function.func if isinstance(function, ast.Call) else function
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def is_same(one: object, other: object) -> bool:
    """Return whether two expressions are written alike, and neither makes an object of a class (a name in capitals):
    `Point(1) == Point(1)` asks for its `__eq__`."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(is_same, one, other))
    if not isinstance(one, ast.AST):
        return one == other
    if isinstance(one, ast.Call) and name_of(one)[:1].isupper():
        return False
    return all(is_same(getattr(one, field), getattr(other, field)) for field in one._fields if field != "ctx")


def is_in_place_of_message(tested: ast.expr, message: ast.expr | None) -> bool:
    """Return whether an expected value is where the message belongs: `assert add(1, 2), 3`, `…, expected`."""
    if isinstance(message, ast.Name):
        is_value = message.id.startswith("expect")
    elif isinstance(message, ast.Constant):
        is_value = type(message.value) is not str
    else:
        is_value = isinstance(message, ast.Tuple | ast.List | ast.Dict | ast.Set | ast.UnaryOp)
    return is_value and not isinstance(tested, ast.Compare)


def raises_by_itself(statement: ast.stmt) -> bool:
    """Return whether a statement raises something, and uses nothing that could."""
    names = [node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)]
    is_plain = isinstance(statement, ast.Expr | ast.Assign) and set(names) <= {"int", "float"}
    return is_plain or isinstance(statement, ast.Raise | ast.Pass)


def fails(body: list[ast.stmt]) -> bool:
    """Return whether a body ends in a failure."""
    last = body[-1] if body else None
    if isinstance(last, ast.Expr) and isinstance(last.value, ast.Call):
        name, arguments = name_of(last.value), last.value.args
        return name == "fail" or (name == "exit" and bool(arguments) and truth(arguments[0]) is True)
    return isinstance(last, ast.Raise) or (
        isinstance(last, ast.Assert) and isinstance(last.test, ast.Constant) and not last.test.value
    )


def is_too_broad(expected: ast.expr) -> bool:
    """Return whether a handler of this takes a failed assertion for the error that is expected."""
    kinds = expected.elts if isinstance(expected, ast.Tuple) else [expected]
    return any(name_of(kind) in _TOO_BROAD for kind in kinds)


def _of_operation(node: ast.BoolOp) -> bool | None:
    decides = isinstance(node.op, ast.Or)
    known = [truth(value) for value in node.values]
    covers_all = decides and any(_is_opposite(one, other) for one in node.values for other in node.values)
    return decides if decides in known or covers_all else None if None in known else not decides


def _is_opposite(one: ast.expr, other: ast.expr) -> bool:
    """As in `x == 3 or x != 3`."""
    if isinstance(other, ast.UnaryOp):
        return isinstance(other.op, ast.Not) and is_same(one, other.operand)
    if not (isinstance(one, ast.Compare) and isinstance(other, ast.Compare)):
        return False
    are_opposite = (type(one.ops[0]), type(other.ops[0])) in _OPPOSITES
    return are_opposite and is_same(one.left, other.left) and is_same(one.comparators[0], other.comparators[0])


def _of_not(node: ast.UnaryOp) -> bool | None:
    known = truth(node.operand) if isinstance(node.op, ast.Not) else None
    return None if known is None else not known


def _of_condition(node: ast.IfExp) -> bool | None:
    one, other, known = truth(node.body), truth(node.orelse), truth(node.test)
    return (one if known else other) if known is not None else one if one is other else None


def _of_comparison(node: ast.Compare) -> bool | None:
    operands = [node.left, *node.comparators]
    known = [_of_pair(*pair) for pair in zip(operands, node.ops, operands[1:], strict=False)]
    return False if False in known else None if None in known else True


def _of_pair(left: ast.expr, operation: ast.cmpop, right: ast.expr) -> bool | None:
    kind = type(operation)
    if kind in (ast.In, ast.NotIn):
        elements = getattr(right, "elts", [])
        is_either = _is_boolean(left) and {getattr(one, "value", None) for one in elements} >= {True, False}
        return kind is ast.In if is_either or any(is_same(left, one) for one in elements) else None
    if is_same(left, right):
        return _OF_SAME.get(kind)
    value = getattr(right, "value", 0) if isinstance(right, ast.Constant) else ""
    if isinstance(left, ast.Call) and isinstance(left.func, ast.Name):
        is_never_negative = left.func.id in ("len", "abs") and kind is ast.GtE and value == 0
        is_none = left.func.id == "print" and kind in (ast.Is, ast.Eq) and value is None
        return True if is_never_negative or is_none else None
    return None


def _of_call(node: ast.Call) -> bool | None:
    if not isinstance(node.func, ast.Name) or not node.args:
        return None
    name, first = node.func.id, node.args[0]
    if name == "bool":
        return truth(first)
    if name == "print":
        return False
    if name == "isinstance":
        kind = getattr(node.args[-1], "id", "")
        return True if kind == "object" or (kind == "bool" and _is_boolean(first)) else None
    if name not in ("any", "all"):
        return None
    decides = name == "any"
    if isinstance(first, _DISPLAYS):
        known = [truth(element) for element in first.elts]
        return decides if decides in known else None if None in known else not decides
    if isinstance(first, ast.GeneratorExp | ast.ListComp):
        is_empty = truth(first.generators[0].iter) is False
        return not decides if is_empty else True if truth(first.elt) else None
    return None


def _is_boolean(node: ast.expr) -> bool:
    return isinstance(node, ast.Compare) or (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not))


def _of_display(node: Any) -> bool | None:
    return None if any(isinstance(element, ast.Starred) for element in node.elts) else bool(node.elts)


_RULES: dict[type, Callable[[Any], bool | None]] = {
    ast.Constant: lambda node: bool(node.value),
    **dict.fromkeys(_DISPLAYS, _of_display),
    ast.Dict: lambda node: None if None in node.keys else bool(node.keys),
    ast.Lambda: lambda _: True,
    ast.GeneratorExp: lambda _: True,
    ast.JoinedStr: lambda node: bool(node.values),
    ast.NamedExpr: lambda node: truth(node.value),
    ast.UnaryOp: _of_not,
    ast.BoolOp: _of_operation,
    ast.IfExp: _of_condition,
    ast.Compare: _of_comparison,
    ast.Call: _of_call,
}
_WITH_A_TRUTH = (ast.Compare, ast.UnaryOp, ast.Call)
