"""Documented functions out of Python source, each made to stand alone with the imports that it needs."""

import ast
import builtins
import gc
import symtable
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias, TypeGuard

# What the parser and the symbol table raise on files that are broken, hostile or nested too deeply.
PARSER_ERRORS = (SyntaxError, ValueError, RecursionError, MemoryError)

# `site` adds these to interactive sessions; programs have them by accident.
_OF_SITE = {"copyright", "credits", "exit", "help", "license", "quit", "_"}
_BUILTINS = frozenset(dir(builtins)) - _OF_SITE

_FunctionNode: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Function:
    """A top-level function: `source` is its text with decorators, "\\n" between lines and none at the end.

    `imports`: the file's import statements, one line each, that bind what the function reads. `modules`: the modules
    that these and the function's own import statements import; one that is relative begins with a dot.
    `undefined`: the names that it reads or declares global, and that nothing in it, no builtin and no import binds.
    """

    name: str
    source: str
    node: _FunctionNode
    imports: tuple[str, ...]
    modules: tuple[str, ...]
    undefined: tuple[str, ...]

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
        """How many parameters it has, `*args` and `**kwargs` included."""
        parameters = self.node.args
        plain = len(parameters.posonlyargs) + len(parameters.args) + len(parameters.kwonlyargs)
        return plain + (parameters.vararg is not None) + (parameters.kwarg is not None)

    @property
    def returns_value(self) -> bool:
        """Whether a `return` of its own has a value other than the literal None."""
        returns = (node for node in _walk_scope(self.node) if isinstance(node, ast.Return))
        return any(
            node.value is not None and not (isinstance(node.value, ast.Constant) and node.value.value is None)
            for node in returns
        )


def documented_functions(text: str) -> list[Function]:
    """The top-level functions of a file that have a docstring, in order. Raises one of PARSER_ERRORS."""
    with _without_collection(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _documented_functions(text)


def parse(text: str) -> ast.Module:
    """The syntax tree, without warnings ("\\d" in a plain literal and the like). Raises one of PARSER_ERRORS."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text)


def compiles(source: str) -> bool:
    """Whether the source compiles on its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compile(source, "<seed>", "exec", dont_inherit=True)
        except PARSER_ERRORS:
            return False
        return True


def _documented_functions(text: str) -> list[Function]:
    tree = ast.parse(text)
    nodes = [node for node in tree.body if _is_documented(node)]
    if not nodes:
        return []
    lines = text.split("\n")
    scope = _FileScope(tree)
    return [_function(node, lines, scope) for node in nodes]


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


def _is_documented(node: ast.stmt) -> TypeGuard[_FunctionNode]:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and bool(
        (ast.get_docstring(node, clean=False) or "").strip()
    )


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

    def needed(self, name: str, function: ast.AST) -> list[_Binding]:
        """The imports behind a name that is read: of `import a.b` and `import a.c`, those read as `a.b`, `a.c`."""
        bindings = self.imports[name]
        if not bindings[-1].is_package:
            return bindings[-1:]
        packages = [each for each in bindings if each.is_package]
        if len(packages) == 1:
            return packages
        chains = set(_chains(function))
        submodules = [each for each in packages if "." in each.alias.name and f"{each.alias.name}." in chains]
        return submodules or [min(packages, key=lambda each: len(each.alias.name))]


def _function(node: _FunctionNode, lines: Sequence[str], scope: _FileScope) -> Function:
    source = "\n".join(lines[_first_line(node) - 1 : node.end_lineno]).rstrip()
    reads, declared_global = _global_names(symtable.symtable(source, "<seed>", "exec"))
    free = reads - _BUILTINS - {node.name}
    imported = sorted(free & scope.imports.keys())
    bindings = [binding for name in imported for binding in scope.needed(name, node)]
    inner = [
        _Binding(statement, alias)
        for statement in (ast.walk(node) if "import" in source else ())
        if isinstance(statement, ast.Import | ast.ImportFrom)
        for alias in statement.names
    ]
    return Function(
        name=node.name,
        source=source,
        node=node,
        imports=tuple(_import_lines(bindings, scope.postponed_annotations and _is_annotated(node))),
        modules=tuple(dict.fromkeys(binding.module for binding in [*bindings, *inner])),
        undefined=tuple(sorted(free - scope.imports.keys() | declared_global)),
    )


def _first_line(node: _FunctionNode) -> int:
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def _import_lines(bindings: Sequence[_Binding], postponed_annotations: bool) -> Iterator[str]:
    """One statement a line, in the file's order; names from one module share a line."""
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
    """Names that are looked up at module level, and names that a `global` statement declares."""
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
    """Names that the top level of a module binds by anything but an import."""
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
    """All nodes below `scope` that are not inside a function, lambda or class in it."""
    pending = list(ast.iter_child_nodes(scope))
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            pending += ast.iter_child_nodes(node)
