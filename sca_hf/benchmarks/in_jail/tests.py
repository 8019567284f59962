"""Undoes what an answer did to the interpreter, runs the tests, and fails them where it did it again.

What the tests compare or hand on is doubted first: an object that equals two things which differ was made to pass.
"""

import ast
import itertools
import sys
from typing import Any

RAN: list[bool] = []
SCALARS = (bool, int, float, complex, str, bytes, type(None))
CONTAINERS = (list, tuple, set, frozenset, dict)
NUMBERS = (8127364, 918273.5, -40361, 0.53125)
DECOYS = (*NUMBERS, "decoy", b"decoy", object(), ("decoy", 1), ["decoy", 2], {"decoy": 3}, {"decoy"})
ANYTHING = object(), "decoy"
MOST, DEEPEST = 100, 4
LIBRARIES = ("numpy", "pandas", "scipy", "sklearn", "torch")
EXCEPTED: list[str] = []  # what the tests themselves compare with


class Forged(AssertionError):
    pass


class Doubting(ast.NodeTransformer):
    """Puts `__doubted__` around what assertions compare and pass on. Other code of the tests keeps its speed."""

    def __init__(self) -> None:
        self.asserting = False

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        self.asserting = True
        node.test = self.visit(node.test)
        self.asserting = False
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        if self.asserting:
            node.left, node.comparators = self.doubted(node.left), [self.doubted(part) for part in node.comparators]
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        before, self.asserting = self.asserting, self.asserting or name.startswith("assert")
        self.generic_visit(node)
        if self.asserting:
            node.args = [part if isinstance(part, ast.Starred) else self.doubted(part) for part in node.args]
        self.asserting = before
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        return node

    def doubted(self, part: ast.expr) -> ast.expr:
        if isinstance(part, ast.Constant | ast.Lambda | ast.GeneratorExp | ast.JoinedStr):
            return part
        call = ast.Call(ast.Name("__doubted__", ast.Load()), [part], [])
        return ast.fix_missing_locations(ast.copy_location(call, part))


def doubted(value: Any) -> Any:
    """The value itself. Raises Forged."""
    if is_forged(value, DEEPEST):
        raise Forged(type(value).__name__)
    return value


def is_forged(value: Any, depth: int) -> bool:
    kind = type(value)
    if kind in SCALARS or depth == 0 or is_excepted(value):
        return False
    if kind in CONTAINERS:
        parts = value.values() if kind is dict else value
        return any(is_forged(part, depth - 1) for part in itertools.islice(parts, MOST))
    if is_of_library(kind):
        # Asking a big array whether it equals something takes long; only what it holds could be forged.
        cells = value.to_numpy() if hasattr(kind, "to_numpy") else value
        return str(getattr(cells, "dtype", "")) == "object" and is_forged(cells.ravel()[:MOST].tolist(), depth - 1)
    return (
        sum(holds(lambda decoy=decoy: value == decoy) for decoy in DECOYS) > 1
        or any(holds(lambda number=number: value < number and value > number) for number in NUMBERS)
        or sum(holds(lambda number=number: abs(value - number) < 1e-6) for number in NUMBERS) > 1
        or (hasattr(kind, "__contains__") and all(holds(lambda part=part: part in value) for part in ANYTHING))
    )


def is_excepted(value: Any) -> bool:
    mock = sys.modules.get("unittest.mock")
    return mock is not None and "ANY" in EXCEPTED and value is mock.ANY


def is_of_library(kind: type) -> bool:
    module = sys.modules.get(kind.__module__)
    known = kind.__module__.partition(".")[0] in LIBRARIES and module is not None
    return known and vars(module).get(kind.__name__) is kind


def holds(question: Any) -> bool:
    try:
        return bool(question())
    except Exception:  # what can't be asked isn't said
        return False


def changed(functions: list[tuple[Any, dict[str, Any]]]) -> list[tuple[Any, str, Any]]:
    """(module or class, name, what it was) of each function or class that was replaced."""
    return [
        (state, name, value)
        for state, before in functions
        for name, value in before.items()
        if state.__dict__.get(name) is not value
    ]


def run_tests(source: str, doubt: bool, held: list[Any], seen: dict[str, Any]) -> bool:
    """`held`, `seen`: what `hold` noted, and the answer's names."""
    functions, (sys.meta_path[:], sys.path_hooks[:], sys.path[:], sys.stdout, sys.stderr), modules, *tracing = held
    sys.modules.update(modules)
    sys.settrace(tracing[0] if tracing else None)
    sys.setprofile(None)
    for state, name, value in changed(functions):
        setattr(state, name, value)
    tree: ast.AST = ast.parse(source, "<tests>")
    if doubt:
        tree = Doubting().visit(tree)
        seen["__doubted__"] = doubted
        if any(getattr(node, "id", getattr(node, "attr", "")) == "ANY" for node in ast.walk(tree)):
            EXCEPTED.append("ANY")
    exec(compile(tree, "<tests>", "exec"), seen)  # type: ignore[call-overload]
    RAN.append(not changed(functions))
    return RAN == [True]
