"""Real functions of the running interpreter's standard library, for the S->C texts."""

import ast
import builtins
import io
import keyword
import random
import sys
import sysconfig
import tokenize
from functools import cache
from pathlib import Path

from demo_model.sources import ADJECTIVES, INT_NOUNS, STR_NOUNS, plural

MAX_LINES = 30
MAX_CHARACTERS = 1200
_SKIPPED = {"site-packages", "test", "tests", "idle_test", "lib2to3", "__pycache__"}


@cache
def stdlib_functions() -> tuple[str, ...]:
    """Top-level functions that take arguments and return a value, with the imports that they need, in a fixed order.

    The result depends on the Python version alone.
    """
    root = Path(sysconfig.get_paths()["stdlib"])
    functions: list[str] = []
    for path in sorted(root.rglob("*.py")):
        relative = path.relative_to(root)
        if _SKIPPED.isdisjoint(relative.parts) and (relative.parts[0].removesuffix(".py") in sys.stdlib_module_names):
            try:
                text = path.read_text("utf-8")
                functions += _functions_of(text, ast.parse(text))
            except (SyntaxError, UnicodeDecodeError):
                continue
    return tuple(dict.fromkeys(functions))


def _functions_of(text: str, module: ast.Module) -> list[str]:
    imports = {}
    for node in module.body:
        if isinstance(node, ast.Import | ast.ImportFrom) and getattr(node, "module", "") != "__future__":
            for alias in node.names:
                imports[(alias.asname or alias.name).split(".")[0]] = ast.unparse(_single(node, alias))
    functions = []
    lines = text.split("\n")
    for node in module.body:
        if not isinstance(node, ast.FunctionDef) or not (node.args.args or node.args.vararg):
            continue
        if (node.end_lineno or 0) - node.lineno >= MAX_LINES:
            continue
        if not any(isinstance(child, ast.Return) and child.value for child in ast.walk(node)):
            continue
        names = {child.id for child in ast.walk(node) if isinstance(child, ast.Name)}
        needed = sorted({line for name, line in imports.items() if name in names})
        source = _segment(lines, node)
        source = "\n".join(needed) + "\n\n\n" * bool(needed) + source
        if len(source) <= MAX_CHARACTERS and source.count("\n") < MAX_LINES:
            functions.append(source)
    return functions


def _segment(lines: list[str], node: ast.FunctionDef) -> str:
    # ast.get_source_segment splits the whole file again for every function.
    last = lines[(node.end_lineno or 0) - 1].encode()[: node.end_col_offset].decode()
    return "\n".join((*lines[node.lineno - 1 : (node.end_lineno or 0) - 1], last))


def _single(node: ast.Import | ast.ImportFrom, alias: ast.alias) -> ast.stmt:
    if isinstance(node, ast.Import):
        return ast.Import([alias])
    return ast.ImportFrom(node.module, [alias], node.level)


def renamed(rng: random.Random, code: str) -> str:
    """The same code with its function, its parameters and its locals called otherwise, consistently."""
    tree = ast.parse(code)
    bound = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    bound |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    bound |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    fixed = {"self", "cls", *dir(builtins), *keyword.kwlist}
    names = {name: _new_name(rng) for name in sorted(bound - fixed) if rng.random() < 0.7}
    lines = code.splitlines(keepends=True)
    for token in reversed(list(tokenize.generate_tokens(io.StringIO(code).readline))):
        if token.type == tokenize.NAME and token.string in names:
            row, column = token.start
            line = lines[row - 1]
            if not line[:column].endswith("."):
                lines[row - 1] = line[:column] + names[token.string] + line[column + len(token.string) :]
    return "".join(lines)


def _new_name(rng: random.Random) -> str:
    noun = rng.choice((*INT_NOUNS, *STR_NOUNS))
    return rng.choice((noun, plural(noun), f"{rng.choice(ADJECTIVES)}_{noun}", noun[0]))
