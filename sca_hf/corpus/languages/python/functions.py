"""Documented functions, methods and classes of Python source, each made to stand alone with the imports it needs."""

import ast
import builtins
import gc
import symtable
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, TypeAlias

# What the parser and the symbol table raise on files that are broken, hostile or nested too deeply.
PARSER_ERRORS = (SyntaxError, ValueError, RecursionError, MemoryError)

# `site` adds these to interactive sessions; programs have them by accident.
_OF_SITE = {"copyright", "credits", "exit", "help", "license", "quit", "_"}
_BUILTINS = frozenset(dir(builtins)) - _OF_SITE

Kind = Literal["function", "method", "class"]
"""What may be taken from a file's top level: functions, single methods of classes, whole classes."""

_FunctionNode: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
_Node: TypeAlias = _FunctionNode | ast.ClassDef


@dataclass(frozen=True)
class Function:
    """A top-level function: `source` is its text with decorators, "\\n" between lines and none at the end.

    Or a class, or a method, `name` being `Class.method` then, below a line with the class's name and bases.

    `imports`: the file's import statements, one line each, that bind what the function reads. `modules`: the modules
    that these and the function's own import statements import; one that is relative begins with a dot.
    `undefined`: the names that it reads or declares global, and that nothing in it, no builtin and no import binds.
    """

    name: str
    source: str
    node: _Node
    imports: tuple[str, ...]
    modules: tuple[str, ...]
    undefined: tuple[str, ...]
    is_method: bool = False

    @property
    def standalone(self) -> str:
        """The source below its imports."""
        return "\n".join((*self.imports, "", self.source)) if self.imports else self.source

    @property
    def line(self) -> int:
        """Its first line in the file, from 1."""
        return _first_line(self.node)

    @property
    def arguments(self) -> int:
        """How many parameters it has, `*args` and `**kwargs` included; not what a method is called on. Of a class:
        those of all its methods."""
        if isinstance(self.node, ast.ClassDef):
            return sum(_parameters(method) - _bound(method) for method in _methods(self.node))
        return _parameters(self.node) - (_bound(self.node) if self.is_method else 0)

    @property
    def returns_value(self) -> bool:
        """Whether a `return` of its own has a value other than the literal None; of a class: one of its methods'."""
        scopes = list(_methods(self.node)) if isinstance(self.node, ast.ClassDef) else [self.node]
        returns = (node for scope in scopes for node in _walk_scope(scope) if isinstance(node, ast.Return))
        return any(
            node.value is not None and not (isinstance(node.value, ast.Constant) and node.value.value is None)
            for node in returns
        )


def documented_functions(text: str, kinds: Sequence[Kind] = ("function",)) -> list[Function]:
    """Return what of these kinds has a docstring at the top level of a file, in order, a class before its methods.

    Raises one of PARSER_ERRORS.
    """
    with _without_collection(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _documented_functions(text, kinds)


def parse(text: str) -> ast.Module:
    """Return the syntax tree, without warnings ("\\d" in a plain literal and the like). Raises one of PARSER_ERRORS."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text)


def compiles(source: str) -> bool:
    """Return whether the source compiles on its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compile(source, "<seed>", "exec", dont_inherit=True)
        except PARSER_ERRORS:
            return False
        return True


def _documented_functions(text: str, kinds: Sequence[Kind]) -> list[Function]:
    tree = ast.parse(text)
    matches = [(node, owner) for node, owner in _candidates(tree, kinds) if _is_documented(node)]
    if not matches:
        return []
    lines = text.split("\n")
    scope = _FileScope(tree)
    return [_function(node, owner, lines, scope) for node, owner in matches]


def _candidates(tree: ast.Module, kinds: Sequence[Kind]) -> Iterator[tuple[_Node, ast.ClassDef | None]]:
    """Yield what of these kinds there is, with the class of each method."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            if "class" in kinds:
                yield node, None
            if "method" in kinds:
                for method in _methods(node):
                    yield method, node
        elif "function" in kinds and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node, None


def _methods(node: ast.ClassDef) -> Iterator[_FunctionNode]:
    return (each for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))


def _parameters(node: _FunctionNode) -> int:
    parameters = node.args
    plain = len(parameters.posonlyargs) + len(parameters.args) + len(parameters.kwonlyargs)
    return plain + (parameters.vararg is not None) + (parameters.kwarg is not None)


def _bound(method: _FunctionNode) -> int:
    """Return how many parameters what it is called on takes: one, but for a static method or one that takes none."""
    if not (method.args.posonlyargs or method.args.args):
        return 0
    return int(not any(isinstance(each, ast.Name) and each.id == "staticmethod" for each in method.decorator_list))


@contextmanager
def _without_collection() -> Iterator[None]:
    """No search for cycles, of which a tree has none, while it is made: that takes half of the parser's time."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _is_documented(node: _Node) -> bool:
    return bool((ast.get_docstring(node, clean=False) or "").strip())


@dataclass(frozen=True)
class _Binding:
    """One name that one top-level import statement binds."""

    statement: ast.Import | ast.ImportFrom
    alias: ast.alias

    @property
    def name(self) -> str:
        return self.alias.asname or self.alias.name.split(".")[0]

    @property
    def is_package(self) -> bool:
        """Whether it is `import a.b`: it binds `a`, as other statements may too, and loads `a.b`."""
        return isinstance(self.statement, ast.Import) and not self.alias.asname

    @property
    def module(self) -> str:
        """Dotted; relative imports begin with dots."""
        if isinstance(self.statement, ast.Import):
            return self.alias.name
        return "." * self.statement.level + (self.statement.module or "")

    def __str__(self) -> str:
        named = f"{self.alias.name} as {self.alias.asname}" if self.alias.asname else self.alias.name
        return f"import {named}" if isinstance(self.statement, ast.Import) else f"from {self.module} import {named}"


class _FileScope:
    """What the top level of a file binds by import alone, so that the import can be repeated elsewhere.

    Imports under `if` or `try` are left out: whether they run is not known. So are names that something else binds too.
    """

    def __init__(self, tree: ast.Module) -> None:
        self.imports: dict[str, list[_Binding]] = {}
        self.postponed_annotations = False
        bound_otherwise = set(_bound_names(tree))
        for statement in tree.body:
            if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
                self.postponed_annotations |= any(alias.name == "annotations" for alias in statement.names)
            elif isinstance(statement, ast.Import | ast.ImportFrom):
                for alias in statement.names:
                    binding = _Binding(statement, alias)
                    if alias.name != "*" and binding.name not in bound_otherwise:
                        self.imports.setdefault(binding.name, []).append(binding)

    def needed(self, name: str, *parts: ast.AST) -> list[_Binding]:
        """The imports behind a name that is read: of `import a.b` and `import a.c`, those read as `a.b`, `a.c`."""
        bindings = self.imports[name]
        if not bindings[-1].is_package:
            return bindings[-1:]
        packages = [each for each in bindings if each.is_package]
        if len(packages) == 1:
            return packages
        chains = {chain for part in parts for chain in _chains(part)}
        submodules = [each for each in packages if "." in each.alias.name and f"{each.alias.name}." in chains]
        return submodules or [min(packages, key=lambda each: len(each.alias.name))]


def _function(node: _Node, owner: ast.ClassDef | None, lines: Sequence[str], scope: _FileScope) -> Function:
    source = "\n".join(lines[_first_line(node) - 1 : node.end_lineno]).rstrip()
    if owner is not None:
        source = f"{_header(owner)}\n{source}"
    reads, declared_global = _global_names(symtable.symtable(source, "<seed>", "exec"))
    free = reads - _BUILTINS - {(owner or node).name}
    imported = sorted(free & scope.imports.keys())
    bindings = [binding for name in imported for binding in scope.needed(name, *_parts(node, owner))]
    inner = [
        _Binding(statement, alias)
        for statement in (ast.walk(node) if "import" in source else ())
        if isinstance(statement, ast.Import | ast.ImportFrom)
        for alias in statement.names
    ]
    return Function(
        name=node.name if owner is None else f"{owner.name}.{node.name}",
        source=source,
        node=node,
        imports=tuple(_import_lines(bindings, scope.postponed_annotations and _is_annotated(node))),
        modules=tuple(dict.fromkeys(binding.module for binding in [*bindings, *inner])),
        undefined=tuple(sorted(free - scope.imports.keys() | declared_global)),
        is_method=owner is not None,
    )


def _header(owner: ast.ClassDef) -> str:
    """Return the first line of a class without its decorators, which would be applied to a class of one method."""
    bases = [ast.unparse(each) for each in (*owner.bases, *owner.keywords)]
    return f"class {owner.name}({', '.join(bases)}):" if bases else f"class {owner.name}:"


def _parts(node: _Node, owner: ast.ClassDef | None) -> list[ast.AST]:
    """Return all syntax trees that the source has."""
    return [node] if owner is None else [node, *owner.bases, *owner.keywords]


def _first_line(node: _Node) -> int:
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def _import_lines(bindings: Sequence[_Binding], postponed_annotations: bool) -> Iterator[str]:
    """Yield one statement a line, in the file's order; names from one module share a line."""
    if postponed_annotations:
        yield "from __future__ import annotations"
    ordered = sorted(bindings, key=lambda each: (each.alias.lineno, each.alias.col_offset))
    lines: dict[str, list[str]] = {}
    for binding in ordered:
        if isinstance(binding.statement, ast.Import):
            lines[str(binding)] = []
        else:
            head, _, name = str(binding).partition(" import ")
            lines.setdefault(f"{head} import ", []).append(name)
    for head, names in lines.items():
        yield head + ", ".join(dict.fromkeys(names))


def _global_names(table: symtable.SymbolTable) -> tuple[set[str], set[str]]:
    """Return the names that are looked up at module level, and names that a `global` statement declares."""
    reads: set[str] = set()
    declared: set[str] = set()
    pending = [table]
    while pending:
        scope = pending.pop()
        pending += scope.get_children()
        top = scope.get_type() == "module"
        for symbol in scope.get_symbols():
            if symbol.is_declared_global():
                declared.add(symbol.get_name())
            elif symbol.is_referenced() and (top or symbol.is_global()):
                reads.add(symbol.get_name())
    return reads, declared


def _chains(node: ast.AST) -> Iterator[str]:
    """Of every `a.b.c` that is read: "a.", "a.b." and "a.b.c."."""
    for each in ast.walk(node):
        parts: list[str] = []
        inner: ast.AST = each
        while isinstance(inner, ast.Attribute):
            parts.append(inner.attr)
            inner = inner.value
        if isinstance(inner, ast.Name):
            yield ".".join([inner.id, *reversed(parts)]) + "."


def _bound_names(tree: ast.Module) -> Iterator[str]:
    """Yield the names that the top level of a module binds by anything but an import."""
    for node in _walk_scope(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
            yield node.id
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.ExceptHandler) and node.name:
            yield node.name


def _is_annotated(node: ast.AST) -> bool:
    return any(
        isinstance(each, ast.AnnAssign)
        or (isinstance(each, ast.arg) and each.annotation is not None)
        or (isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and each.returns is not None)
        for each in ast.walk(node)
    )


def _walk_scope(scope: ast.AST) -> Iterator[ast.AST]:
    """Yield all nodes below `scope` that are not inside a function, lambda or class in it."""
    pending = list(ast.iter_child_nodes(scope))
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            pending += ast.iter_child_nodes(node)
