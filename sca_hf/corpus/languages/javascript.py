"""JavaScript: functions below a JSDoc comment, by tree-sitter, which goes on after what does not parse.

Neither are imports inferred nor names looked up: a seed may use what its file has and it does not.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import tree_sitter
import tree_sitter_javascript

from sca_hf.corpus.languages.python.functions import Kind
from sca_hf.corpus.languages.python.salvage import BrokenFunction

_FUNCTIONS = {
    "function_declaration",
    "generator_function_declaration",
    "function_expression",
    "generator_function",
    "arrow_function",
}
_SCOPES = _FUNCTIONS | {"class", "class_declaration", "method_definition"}


@dataclass(frozen=True)
class JavaScriptFunction:
    """A top-level function with the comment above it; see `FoundFunction`."""

    name: str
    standalone: str
    arguments: int
    returns_value: bool


def functions(text: str, kinds: Sequence[Kind]) -> tuple[Sequence[JavaScriptFunction | BrokenFunction], str | None]:
    """See `Language`. Functions are declared, exported, or the one value of a `const`, `let` or `var`; nothing else is
    taken, whatever the `kinds`."""
    root = _parser().parse(text.encode("utf-8", "replace")).root_node
    matches = list(_documented(root))
    if matches:
        return matches, None
    return [], "unparsable-file" if root.has_error else "no-function"


def own_reason(function: JavaScriptFunction, forbidden_imports: Sequence[str]) -> str | None:
    """See `Language`: there is no such rule."""
    return None


def _documented(root: tree_sitter.Node) -> Iterator[JavaScriptFunction | BrokenFunction]:
    for comment, statement in zip(root.children, root.children[1:], strict=False):
        named = _named(statement) if comment.type == "comment" and _text(comment).startswith("/**") else None
        if named is None:
            continue
        name, function = named
        source = f"{_text(comment)}\n{_text(statement)}"
        if statement.has_error:
            yield BrokenFunction(name, source, comment.start_point.row + 1)
            continue
        parameters = function.child_by_field_name("parameters")
        count = sum(each.type != "comment" for each in parameters.named_children) if parameters else 0
        count += function.child_by_field_name("parameter") is not None  # of `a => …`
        yield JavaScriptFunction(name, source, count, _returns_value(function))


def _named(statement: tree_sitter.Node) -> tuple[str, tree_sitter.Node] | None:
    """Return the name and the function of a statement that defines one, alone."""
    if statement.type == "export_statement":
        inner = statement.child_by_field_name("declaration") or statement.child_by_field_name("value")
        return _named(inner) if inner else None
    if statement.type in _FUNCTIONS:
        name = statement.child_by_field_name("name")
        return (_text(name) if name else "default"), statement
    declared = [each for each in statement.named_children if each.type == "variable_declarator"]
    if statement.type in {"lexical_declaration", "variable_declaration"} and len(declared) == 1:
        name, value = declared[0].child_by_field_name("name"), declared[0].child_by_field_name("value")
        if name and value and value.type in _FUNCTIONS:
            return _text(name), value
    return None


def _returns_value(function: tree_sitter.Node) -> bool:
    body = function.child_by_field_name("body")
    if body is None:
        return False
    if body.type != "statement_block":  # of `a => a + 1`
        return True
    waiting = [body]
    while waiting:
        node = waiting.pop()
        if node.type == "return_statement" and node.named_child_count:
            return True
        waiting += [child for child in node.children if child.type not in _SCOPES]
    return False


def _text(node: tree_sitter.Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")


@cache
def _parser() -> tree_sitter.Parser:
    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_javascript.language()))
