"""Tells which expressions are what they are whatever the answer does: an assertion of such a form never counts.

Only what can be read off the form is told here. Whether code of the answer ran is found out while the tests run
(`record`), and whether an expected value is right is nobody's business in a jail.
"""

import ast
from collections.abc import Set

PURE = frozenset(
    {"abs", "all", "any", "ascii", "bin", "bool", "bytes", "callable", "chr", "complex", "dict", "divmod", "enumerate"}
    | {"filter", "float", "format", "frozenset", "hex", "int", "isinstance", "issubclass", "len", "list", "map", "max"}
    | {"min", "oct", "ord", "pow", "range", "repr", "reversed", "round", "set", "slice", "sorted", "str", "sum"}
    | {"tuple", "type", "zip", "math"}
)
"""Names of built-in functions, and of one module, that give the same whatever has run."""
_SCOPES = (ast.Lambda, ast.GeneratorExp, ast.ListComp, ast.SetComp, ast.DictComp)
_NEVER_NEGATIVE = ("len", "abs")
_HOLDS_OF_SAME = (ast.Eq, ast.Is, ast.LtE, ast.GtE)
_FAILS_OF_SAME = (ast.NotEq, ast.IsNot, ast.Lt, ast.Gt)
_OPPOSITES = {(ast.Eq, ast.NotEq), (ast.Is, ast.IsNot), (ast.In, ast.NotIn), (ast.Lt, ast.GtE), (ast.Gt, ast.LtE)}
_DISPLAYS = (ast.Tuple, ast.List, ast.Set)


def says_nothing(tested: ast.expr, constants: Set[str]) -> bool:
    """Return whether an assertion of this holds by its form. `constants`: names that only ever hold one constant, or
    a pure function. What is wrong by its form and holds all the same (`x != x` of a NaN) says something."""
    known = truth(tested)
    return is_constant(tested, constants) if known is None else known


def is_constant(node: ast.AST, constants: Set[str]) -> bool:
    """Return whether the value depends on nothing but `constants`, and on what is true or false by its form."""
    if isinstance(node, ast.Constant):
        return True
    if isinstance(node, ast.Name):
        return node.id in constants
    if isinstance(node, ast.Await | ast.Yield | ast.YieldFrom | ast.NamedExpr):
        return False
    if isinstance(node, ast.Compare | ast.UnaryOp | ast.Call) and truth(node) is not None:
        return True
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        if f"{node.func.id}()" in constants:
            return all(is_constant(argument, constants) for argument in node.args)
        if node.func.id == "len" and node.args and isinstance(node.args[0], ast.List | ast.Tuple):
            return not any(isinstance(element, ast.Starred) for element in node.args[0].elts)
    if isinstance(node, _SCOPES):
        inner = list(ast.walk(node))
        own = {name.id for name in inner if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)}
        constants = constants | own | {argument.arg for argument in inner if isinstance(argument, ast.arg)}
    return all(is_constant(child, constants) for child in ast.iter_child_nodes(node))


def truth(node: ast.expr) -> bool | None:
    """Return the truth that an expression has by its form, or None."""
    if isinstance(node, ast.Constant):
        return bool(node.value)
    if isinstance(node, _DISPLAYS):
        return None if any(isinstance(element, ast.Starred) for element in node.elts) else bool(node.elts)
    if isinstance(node, ast.Dict):
        return None if None in node.keys else bool(node.keys)
    if isinstance(node, ast.Lambda | ast.GeneratorExp):
        return True
    if isinstance(node, ast.JoinedStr):
        return True if any(isinstance(part, ast.Constant) and part.value for part in node.values) else None
    if isinstance(node, ast.NamedExpr):
        return truth(node.value)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        known = truth(node.operand)
        return None if known is None else not known
    if isinstance(node, ast.BoolOp):
        return _truth_of_operation(node)
    if isinstance(node, ast.IfExp):
        one, other, known = truth(node.body), truth(node.orelse), truth(node.test)
        return (one if known else other) if known is not None else one if one is other else None
    if isinstance(node, ast.Compare):
        return _truth_of_comparison(node)
    return _truth_of_call(node) if isinstance(node, ast.Call) else None


def name_of(function: ast.expr) -> str:
    """Return the last name of what is called: "f" of `f`, `a.f` and `a.b.f`."""
    function = function.func if isinstance(function, ast.Call) else function
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def is_same(one: ast.AST, other: ast.AST) -> bool:
    """Return whether two expressions are written alike, and neither makes an object of a class (a name in capitals):
    `Point(1) == Point(1)` asks for its `__eq__`."""
    if type(one) is not type(other):
        return False
    if isinstance(one, ast.Call) and name_of(one)[:1].isupper():
        return False
    return all(_is_same_field(getattr(one, field), getattr(other, field, None)) for field in one._fields)


def _is_same_field(one: object, other: object) -> bool:
    if isinstance(one, ast.expr_context):
        return True
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_is_same_field, one, other))
    if isinstance(one, ast.AST) and isinstance(other, ast.AST):
        return is_same(one, other)
    return type(one) is type(other) and one == other


def _truth_of_operation(node: ast.BoolOp) -> bool | None:
    decides = isinstance(node.op, ast.Or)
    known = [truth(value) for value in node.values]
    if decides in known or (decides and _covers_all(node.values)):
        return decides
    return None if None in known else not decides


def _covers_all(alternatives: list[ast.expr]) -> bool:
    """Return whether one alternative is the opposite of another, as in `x == 3 or x != 3`."""
    return any(_is_opposite(one, other) for one in alternatives for other in alternatives)


def _is_opposite(one: ast.expr, other: ast.expr) -> bool:
    if isinstance(other, ast.UnaryOp):
        return isinstance(other.op, ast.Not) and is_same(one, other.operand)
    if not (isinstance(one, ast.Compare) and isinstance(other, ast.Compare)):
        return False
    are_opposite = (type(one.ops[0]), type(other.ops[0])) in _OPPOSITES
    return are_opposite and is_same(one.left, other.left) and is_same(one.comparators[0], other.comparators[0])


def _truth_of_comparison(node: ast.Compare) -> bool | None:
    operands = [node.left, *node.comparators]
    known = [_truth_of_pair(*pair) for pair in zip(operands, node.ops, operands[1:], strict=False)]
    return False if False in known else None if None in known else True


def _truth_of_pair(left: ast.expr, operation: ast.cmpop, right: ast.expr) -> bool | None:
    if isinstance(operation, ast.In | ast.NotIn):
        if not isinstance(right, _DISPLAYS):
            return None
        is_either = _is_boolean(left) and {getattr(one, "value", None) for one in right.elts} >= {True, False}
        is_there = is_either or any(is_same(left, one) for one in right.elts)
        return isinstance(operation, ast.In) if is_there else None
    if is_same(left, right):
        return (
            True if isinstance(operation, _HOLDS_OF_SAME) else False if isinstance(operation, _FAILS_OF_SAME) else None
        )
    if isinstance(left, ast.Call) and name_of(left) == "print" and isinstance(operation, ast.Is | ast.Eq):
        return True if isinstance(right, ast.Constant) and right.value is None else None
    larger, smaller = (left, right) if isinstance(operation, ast.GtE) else (right, left)
    is_zero = isinstance(smaller, ast.Constant) and smaller.value == 0 and isinstance(operation, ast.GtE | ast.LtE)
    return True if is_zero and isinstance(larger, ast.Call) and name_of(larger) in _NEVER_NEGATIVE else None


def _truth_of_call(node: ast.Call) -> bool | None:
    if not isinstance(node.func, ast.Name) or not node.args:
        return None
    name, first = node.func.id, node.args[0]
    if name == "bool":
        return truth(first)
    if name == "print":
        return False
    if name == "isinstance" and len(node.args) == 2:
        kind = getattr(node.args[1], "id", "")
        return True if kind == "object" or (kind == "bool" and _is_boolean(first)) else None
    if name in ("any", "all") and isinstance(first, _DISPLAYS):
        known = [truth(element) for element in first.elts if not isinstance(element, ast.Starred)]
        decides = name == "any"
        if decides in known:
            return decides
        return None if None in known or len(known) < len(first.elts) else not decides
    if name in ("any", "all") and isinstance(first, ast.GeneratorExp | ast.ListComp):
        is_empty = truth(first.generators[0].iter) is False
        return name == "all" if is_empty else True if truth(first.elt) else None
    return None


def _is_boolean(node: ast.expr) -> bool:
    return isinstance(node, ast.Compare) or (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not))
