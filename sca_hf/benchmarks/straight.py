"""Reads which calls tests make, where they are a plain list of assertions on one function.

So they can be graded by replay without a reference. The forms: `assert f(…) == …` one after another, and HumanEval's
`def check(candidate): …` with `check(f)` behind it; imports may stand between.
"""

import ast
import builtins
from dataclasses import dataclass


@dataclass(frozen=True)
class Straight:
    """`calls`: the arguments of each, as the expression of a list. `setup`: the imports that these may need."""

    entry: str
    calls: list[str]
    setup: str


def read_straight(tests: str) -> Straight | None:
    """None where the tests are anything else."""
    try:
        body = ast.parse(tests).body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None
    imports = [node for node in body if isinstance(node, ast.Import | ast.ImportFrom)]
    rest = [node for node in body if not isinstance(node, ast.Import | ast.ImportFrom) and not _says_nothing(node)]
    entry, called = None, None
    if rest and isinstance(rest[0], ast.FunctionDef):
        checked = _check_of(rest)
        if checked is None:
            return None
        entry, called, rest = checked
    found = _calls(rest, called or "", imports, any_name=called is None)
    if found is None:
        return None
    name, calls = found
    return Straight(entry or name, calls, "\n".join(map(ast.unparse, imports)))


def _says_nothing(node: ast.stmt) -> bool:
    """A docstring, or metadata of plain values."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    return isinstance(node, ast.Pass) or (
        isinstance(node, ast.Assign)
        and not any(isinstance(part, ast.Call) for part in ast.walk(node.value))
        and all(isinstance(target, ast.Name) and target.id.isupper() for target in node.targets)
    )


def _check_of(body: list[ast.stmt]) -> tuple[str, str, list[ast.stmt]] | None:
    """Of `def check(candidate)` and `check(f)`: "f", "candidate", and the statements."""
    check, *others = body
    if not isinstance(check, ast.FunctionDef) or len(others) != 1 or check.decorator_list:
        return None
    last = others[0]
    if not (isinstance(last, ast.Expr) and isinstance(last.value, ast.Call) and len(check.args.args) == 1):
        return None
    call = last.value
    if not (isinstance(call.func, ast.Name) and call.func.id == check.name and len(call.args) == 1):
        return None
    function = call.args[0]
    if not isinstance(function, ast.Name) or call.keywords:
        return None
    return function.id, check.args.args[0].arg, [node for node in check.body if not _says_nothing(node)]


def _calls(
    body: list[ast.stmt], called: str, imports: list[ast.Import | ast.ImportFrom], any_name: bool
) -> tuple[str, list[str]] | None:
    known = {alias.asname or alias.name.partition(".")[0] for node in imports for alias in node.names} | set(
        dir(builtins)
    )
    calls = []
    for statement in body:
        if not isinstance(statement, ast.Assert):
            return None
        foreign = [node for node in ast.walk(statement) if isinstance(node, ast.Name) and node.id not in known]
        if any_name and foreign and not called:
            called = foreign[0].id
        if any(node.id != called for node in foreign) or _is_lazy(statement):
            return None
        own = [node for node in ast.walk(statement) if isinstance(node, ast.Call) and _is_name(node.func, called)]
        if len(own) != len(foreign) or len(own) > 1:
            return None
        for call in own:
            if call.keywords or any(isinstance(argument, ast.Starred) for argument in call.args):
                return None
            calls.append(f"[{', '.join(map(ast.unparse, call.args))}]")
    return (called, calls) if calls else None


def _is_lazy(statement: ast.Assert) -> bool:
    """Whether a part of it may not be evaluated, or more than once."""
    lazy = (ast.BoolOp, ast.IfExp, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.NamedExpr)
    return any(isinstance(node, lazy) for node in ast.walk(statement))


def _is_name(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name
