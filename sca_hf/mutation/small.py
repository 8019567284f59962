"""Small mutants: one operator, constant, comparison, condition or statement is another one; or a whole body is.

A library for this (cosmic-ray, mutmut) works on files and test runs of a project and depends on much; what is needed
here is a few lines over `ast`.
"""

import ast
import copy
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from functools import partial

from sca_hf.identity import digest
from sca_hf.prompts.syntax import Function

_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
# Without these a name or a value would be missing, or a loop have no end: that any call shows.
_REMOVABLE = (ast.Expr, ast.AugAssign, ast.Raise, ast.Delete, ast.Continue)

Edit = tuple[ast.AST, ast.AST]
"""A node, and what it becomes."""


def small_mutants(tree: ast.Module, lines: AbstractSet[int]) -> Iterator[str]:
    """Yield mutants of what stands in statements that begin at `lines`, in an order that is random but repeatable."""
    edits = [(node, other) for node in _nodes(tree, lines) for other in _others(node)]
    yield from _sources(tree, edits)


def coarse_mutants(tree: ast.Module, lines: AbstractSet[int]) -> Iterator[str]:
    """Yield mutants in which a function that is reached returns None, or its first argument, and does nothing."""
    edits: list[Edit] = []
    for node in ast.walk(tree):
        if isinstance(node, Function) and node.name != "__init__" and _begins(node) & lines:
            arguments = [each.arg for each in node.args.args if each.arg not in {"self", "cls"}]
            returned = [ast.Constant(None), *(ast.Name(name, ast.Load()) for name in arguments[:1])]
            edits += [(node, _with_body(node, [ast.Return(value)])) for value in returned]
    yield from _sources(tree, edits)


def statement_lines(tree: ast.Module) -> set[int]:
    """Return the lines on which the statements in functions begin; one that does nothing is none."""
    functions = [node for node in ast.walk(tree) if isinstance(node, Function)]
    return set().union(*map(_begins, functions))


def does_nothing(node: ast.AST) -> bool:
    """Return whether a statement is a text, or says where a name belongs."""
    return isinstance(node, ast.Global | ast.Nonlocal) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    )


def _begins(function: Function) -> set[int]:
    inner = (node for statement in function.body for node in ast.walk(statement))
    return {node.lineno for node in inner if isinstance(node, ast.stmt) and not does_nothing(node)}


def _nodes(node: ast.AST, lines: AbstractSet[int], is_inside: bool = False) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt):
            inside = child.lineno in lines and not does_nothing(child)
        else:
            inside = is_inside and not isinstance(node, ast.FormattedValue | ast.JoinedStr)
        if inside:
            yield child
        yield from _nodes(child, lines, inside)


def _others(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.BinOp(left, op, right) if type(op) in _OPERATORS and not _is_text(left) and not _is_text(right):
            yield ast.BinOp(left, _OPERATORS[type(op)](), right)
        case ast.AugAssign(target, op, value) if type(op) in _OPERATORS and not _is_text(value):
            yield ast.AugAssign(target, _OPERATORS[type(op)](), value)
        case ast.Compare(left, [op, *ops], comparators):
            yield ast.Compare(left, [_COMPARISONS[type(op)](), *ops], comparators)
        case ast.BoolOp(op, values):
            yield ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values)
        case ast.UnaryOp(ast.Not() | ast.USub(), operand):
            yield operand
        case ast.If(test, body, orelse):
            yield ast.If(ast.UnaryOp(ast.Not(), test), body, orelse)
        case ast.IfExp(test, body, orelse):
            yield ast.IfExp(test, orelse, body)
        case ast.Constant(bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(int() | float() as value):
            yield ast.Constant(value + 1)
        case ast.Constant(str() as value) if value:
            yield ast.Constant(f"{value}~")
    is_assignment = isinstance(node, ast.Assign) and not isinstance(node.targets[0], ast.Name | ast.Tuple)
    if isinstance(node, _REMOVABLE) or is_assignment:
        yield ast.Pass()


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _with_body(function: Function, body: list[ast.stmt]) -> Function:
    other = copy.copy(function)
    other.body = body
    return other


class _Replacing(ast.NodeTransformer):
    def __init__(self, node: ast.AST, other: ast.AST) -> None:
        self._node, self._other = node, other

    def visit(self, node: ast.AST) -> ast.AST:
        if node is self._node:
            return self._other
        replaced: ast.AST = self.generic_visit(node)
        return replaced


def _sources(tree: ast.Module, edits: Sequence[Edit]) -> Iterator[str]:
    original = ast.unparse(tree)
    seen = {original}
    for number in sorted(range(len(edits)), key=partial(digest, original)):
        node, other = edits[number]
        # A copy in which `node` alone is another, and all else that the transformer may change is its own.
        whole: ast.Module = copy.deepcopy(tree, {id(node): (stand_in := ast.Pass())})
        source = ast.unparse(ast.fix_missing_locations(_Replacing(stand_in, other).visit(whole)))
        if source not in seen:
            seen.add(source)
            yield source
