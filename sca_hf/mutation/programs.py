"""The programs that are run for a response: which of its lines are reached, and with which results changed."""

import ast
import copy
import re
from functools import cache
from importlib.resources import files
from textwrap import indent

from sca_hf.mutation.small import does_nothing
from sca_hf.prompts.syntax import Function, decorator_names, last_name

_MARK = re.compile(r"<<(\d+)>>")
_TESTS_BEGIN = 0

_NOTE_LINES = """
def _sca_noting():
    import sys
    seen = set()
    stream = sys.__stderr__
    def note(line):
        if line not in seen:
            seen.add(line)
            stream.write(f"<<{line}>>")
            stream.flush()
    return note, seen
_sca_line, _sca_seen = _sca_noting()
"""
# Python calls them with results that have to be right, or that no test sees.
_NOT_CHANGED = {"__init__", "__new__", "__post_init__", "__init_subclass__", "__hash__", "__enter__", "__exit__"}


def noting_lines(tree: ast.Module) -> str:
    """Return a program that says on stderr which statements in functions were reached (`lines_reached`)."""
    tree = copy.deepcopy(tree)
    functions = [node for node in ast.walk(tree) if isinstance(node, Function)]
    for inner in {inner for function in functions for inner in ast.walk(function)}:
        for field in ("body", "orelse", "finalbody"):
            body = getattr(inner, field, None)
            if isinstance(body, list):
                setattr(inner, field, [each for statement in body for each in _noted(statement)])
    return f"{_with(_NOTE_LINES, tree)}\n_sca_seen.clear()\n_sca_line({_TESTS_BEGIN})"


def lines_reached(stderr: str) -> set[int]:
    """Return the lines that were reached while the tests ran, from what such a program said."""
    lines = [int(number) for number in _MARK.findall(stderr)]
    return set(lines[lines.index(_TESTS_BEGIN) + 1 :]) if _TESTS_BEGIN in lines else set()


def functions_used(tree: ast.Module, tests: ast.Module) -> list[str]:
    """Return the names of functions with a result that the tests name, in order; then of those that Python calls."""
    named = [last_name(node) for node in ast.walk(tests) if isinstance(node, ast.Name | ast.Attribute)]
    with_result = {node.name for node in ast.walk(tree) if isinstance(node, Function) and _has_result(node)}
    with_result |= {last_name(node.targets[0]) for node in _named_lambdas(tree)}
    called = [name for name in sorted(with_result) if name.startswith("__") and name not in _NOT_CHANGED]
    return [name for name in dict.fromkeys([*named, *called]) if name in with_result]


def with_changed_result(tree: ast.Module, function: str) -> str:
    """Return a mutant in which the functions of this name return another value of the same type and truth."""
    return _decorated(tree, function, "sca_changed")


def ending_at_a_change(tree: ast.Module, function: str) -> str:
    """Return a program that ends early where that mutant's result would differ."""
    return _decorated(tree, function, "sca_ends_where_changed")


def _decorated(tree: ast.Module, function: str, decorator: str) -> str:
    tree = copy.deepcopy(tree)
    name = ast.Name(decorator, ast.Load())
    for node in ast.walk(tree):
        if isinstance(node, Function) and node.name == function:
            node.decorator_list.append(name)  # the innermost: below `property` and `staticmethod`
    for assignment in _named_lambdas(tree):
        if last_name(assignment.targets[0]) == function:
            assignment.value = ast.Call(name, [assignment.value], [])
    return _with(_changing(), tree)


@cache
def _changing() -> str:
    """The text of `changed_value`, whose imports are not to be seen by the response."""
    text = (files("sca_hf.mutation") / "changed_value.py").read_text(encoding="utf-8")
    names = "sca_changed, sca_ends_where_changed"
    return f"def _sca_changing():\n{indent(text, '    ')}\n    return {names}\n{names} = _sca_changing()\n"


def _with(prelude: str, tree: ast.Module) -> str:
    """A program that begins with `prelude`, but for imports that Python wants first."""
    first = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    rest = ast.Module([node for node in tree.body if node not in first], [])
    parts = [ast.unparse(ast.Module([*first], [])), prelude, ast.unparse(ast.fix_missing_locations(rest))]
    return "\n".join(parts)


def _noted(statement: ast.stmt) -> list[ast.stmt]:
    if does_nothing(statement):
        return [statement]
    note = ast.Call(ast.Name("_sca_line", ast.Load()), [ast.Constant(statement.lineno)], [])
    return [ast.copy_location(ast.Expr(note), statement), statement]


def _has_result(function: Function) -> bool:
    """Whether it returns or yields a value, to anybody but `with`, which needs the generator as it is."""
    if decorator_names(function) & {"contextmanager", "asynccontextmanager"}:
        return False
    values = [node.value for node in ast.walk(function) if isinstance(node, ast.Return | ast.Yield | ast.YieldFrom)]
    return any(value is not None and not (isinstance(value, ast.Constant) and value.value is None) for value in values)


def _named_lambdas(tree: ast.Module) -> list[ast.Assign]:
    assignments = [node for node in ast.walk(tree) if isinstance(node, ast.Assign)]
    return [node for node in assignments if len(node.targets) == 1 and isinstance(node.value, ast.Lambda)]
