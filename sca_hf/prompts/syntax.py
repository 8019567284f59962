"""Syntax trees of code that a model wrote."""

import ast
import warnings
from collections.abc import Iterator, Set
from functools import lru_cache

Function = ast.FunctionDef | ast.AsyncFunctionDef


# Fields of statements that hold statements, or what holds them (`except` and `case`).
_BLOCKS = ("body", "handlers", "orelse", "finalbody", "cases")


def parsed(code: str) -> ast.Module | None:
    """Return the syntax tree of `code`, None if it has none. Others have the same tree: copy it to change it."""
    return _parsed(code)[0]


def syntax_error(code: str) -> SyntaxError | None:
    """Return what keeps `code` from being parsed; None if it can be, or Python can't say why not."""
    return _parsed(code)[1]


@lru_cache(maxsize=4)  # what is asked of one text is asked at once
def _parsed(code: str) -> tuple[ast.Module | None, SyntaxError | None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the model's code, in the user's terminal
        try:
            return ast.parse(code), None
        except SyntaxError as error:
            return None, error.with_traceback(None)
        except (ValueError, RecursionError, MemoryError, OverflowError):
            return None, None


def defined_names(code: str) -> frozenset[str]:
    """Return the functions and classes that `code` defines at top level; none if it can't be parsed."""
    tree = parsed(code)
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return frozenset(node.name for node in tree.body if isinstance(node, kinds)) if tree else frozenset()


def nodes_in(root: ast.AST) -> list[ast.AST]:
    """Return a node and all below it, level by level, as `ast.walk` does in twice the time."""
    nodes = [root]
    for node in nodes:
        for name in node._fields:
            value = getattr(node, name, None)
            if isinstance(value, list):
                nodes += [child for child in value if isinstance(child, ast.AST)]
            elif isinstance(value, ast.AST):
                nodes.append(value)
    return nodes


def definitions(tree: ast.Module) -> Iterator[Function | ast.ClassDef]:
    """Yield the functions and classes at any depth. Expressions, which hold none, are not looked into."""
    pending: list[ast.AST] = [tree]
    for node in pending:
        if isinstance(node, Function | ast.ClassDef):
            yield node
        for name in _BLOCKS:
            pending += getattr(node, name, ())


def without_definitions(code: str, names: Set[str]) -> str:
    """Return `code` without the functions and classes of these names at top level; as it is if it can't be parsed."""
    tree = parsed(code)
    lines = code.split("\n")
    for node in reversed(tree.body if tree else []):
        if isinstance(node, Function | ast.ClassDef) and node.name in names:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            del lines[first - 1 : node.end_lineno]
    return "\n".join(lines)


def last_name(node: ast.expr) -> str:
    """Return `TestCase` of `unittest.TestCase`; empty for anything but a name."""
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def raised_name(exception: ast.expr) -> str:
    """Return `ValueError` for what stands after `raise`, called or not."""
    return last_name(exception.func if isinstance(exception, ast.Call) else exception)


def decorator_names(function: Function) -> set[str]:
    """Return `fixture` for `@pytest.fixture(scope="module")`, and so on."""
    return {last_name(node.func if isinstance(node, ast.Call) else node) for node in function.decorator_list}
