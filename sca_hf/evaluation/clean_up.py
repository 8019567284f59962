"""What evalplus 0.3.1 leaves of an answer: its longest parsable run of lines, and of that what the function needs.

`evalplus/sanitize.py` walks tree-sitter's tree and this file Python's own, with the same choices: imports and the first
definition of each name that can be reached from the entry point are kept; functions without `return`, decorated ones
and all other statements are not.
"""

import ast
from collections.abc import Iterator

_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign


def clean_up(text: str, entry: str) -> str:
    """The program. Where nothing would be left, the longest parsable run of lines."""
    code = longest_program(text)
    lines = code.encode().split(b"\n")
    tree = _parsed(code)
    if tree is None:
        return code
    imports, definitions = [], {}
    for statement in tree.body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            imports.append(statement)
        elif isinstance(statement, _Definition):
            name = _name(statement)
            if name is not None and name not in definitions and _counts(statement):
                definitions[name] = statement
    reached = _reached(entry, definitions)
    kept = [*imports, *(node for name, node in definitions.items() if name in reached)]
    return "\n".join(_source(lines, node) for node in kept).strip() or code


def longest_program(text: str) -> str:
    """The run of two lines or more that parses and has the most lines that aren't blank; the first of such runs."""
    lines = text.split("\n")
    filled = [0]
    for line in lines:
        filled.append(filled[-1] + bool(line.strip()))
    best, place = 0, (0, 0)
    for first in range(len(lines)):
        for last in range(len(lines) - 1, first, -1):
            count = filled[last + 1] - filled[first]
            if count <= best:
                break
            if _parsed("\n".join(lines[first : last + 1])) is not None:
                best, place = count, (first, last)
    return "\n".join(lines[place[0] : place[1] + 1])


def _parsed(code: str) -> ast.Module | None:
    try:
        return ast.parse(code)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None


def _name(statement: _Definition) -> str | None:
    if isinstance(statement, ast.Assign):
        target = statement.targets[0]
        return target.id if isinstance(target, ast.Name) else None
    if isinstance(statement, ast.AnnAssign):
        return statement.target.id if isinstance(statement.target, ast.Name) else None
    return statement.name


def _counts(statement: _Definition) -> bool:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        return not statement.decorator_list and any(isinstance(node, ast.Return) for node in ast.walk(statement))
    return not (isinstance(statement, ast.ClassDef) and statement.decorator_list)


def _reached(entry: str, definitions: dict[str, _Definition]) -> set[str]:
    reached, queue = {entry}, [entry]
    while queue:
        node = definitions.get(queue.pop())
        new = set(_identifiers(node)) - reached if node is not None else set()
        reached |= new
        queue += new
    return reached


def _identifiers(node: ast.AST) -> Iterator[str]:
    for part in ast.walk(node):
        for field in ("id", "attr", "arg", "name"):
            value = getattr(part, field, None)
            if isinstance(value, str):
                yield value


def _source(lines: list[bytes], node: ast.stmt) -> str:
    assert node.end_lineno is not None
    own = lines[node.lineno - 1 : node.end_lineno]
    own[-1] = own[-1][: node.end_col_offset]
    own[0] = own[0][node.col_offset :]
    return b"\n".join(own).decode()
