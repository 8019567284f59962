"""Whether a response answers its task, by names: what the instruction names as code to be written.

    asked_names("Write `pack(red, green)` and a class `Shelf`.")     # ["pack", "Shelf"]
    other_names(instruction, response, tests)                         # those that the response or the tests don't have

Rather silent than wrong: a name counts only where the text says that it is to be written, and not where it may as well
be something that exists (a builtin, a method of a builtin type that the response calls, an imported name).

Of 194 answers that were read one by one (`tests/filters/other_names.jsonl`) it rejects 71, rightly, and misses five; of
505 answers to HumanEval, and of ClassEval's and HumanEval's own solutions, it rejects none.
"""

import ast
import builtins
import keyword
import re
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from itertools import chain

from sca_hf.prompts.code_blocks import blocks_of, code_blocks, markdown_tokens
from sca_hf.prompts.syntax import Function, definitions, last_name, nodes_in, parsed

_NAME = r"[A-Za-z_]\w*"
_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_CALL = re.compile(rf"({_NAME})\s*\(.*\)", re.DOTALL)
_DEFINITION = re.compile(rf"(?:async\s+)?(?:def|class)\s+({_NAME})")
_ARROW = re.compile(rf"({_NAME})\s*\(.*\)\s*->")
_NOUN = re.compile(
    r"\b(?:(?:function|class|method)(?:e?s)?(?:\s+(?:named|called))?|write|create|implement)\s+$", re.IGNORECASE
)
# Before a name that is there already: "using `f(x)`", "given a function `f`", "the built-in function `max`".
_EXISTING = re.compile(
    r"\b(?:us(?:e|es|ed|ing)|via|like|such as|by|than|from|of|call(?:s|ing)?|given|existing|provided|built-?in"
    r"|library|standard|imported|predefined|override|inherit(?:s|ing)?)"
    r"(?:\s+(?:a|an|the|its|python's))?(?:\s+(?:built-?in|library|standard))?"
    r"(?:\s+(?:function|class|method)(?:e?s)?)?\s+$",
    re.IGNORECASE,
)
# Names in the notation of costs: `O(n)`, `log(n)`.
_NO_CODE = {"O", "log", *keyword.kwlist, *dir(builtins)}
_METHODS = {name for kind in (str, bytes, list, dict, set, tuple, int, float) for name in dir(kind)}


def asked_names(instruction: str) -> list[str]:
    """Return the names of functions, methods and classes that an instruction asks for, in order.

    They are `` `name(…)` ``, `` class `Name` `` (function, method), `` `def name(…)` ``, and in a code block a
    definition without a body, or `name(…) -> type`.
    """
    tokens = markdown_tokens(instruction)
    prose = (name for token in tokens if token.type == "inline" for name in _in_prose(token.content))
    blocks = (name for block in blocks_of(tokens) for name in _in_block(block.code))
    return [name for name in dict.fromkeys(chain(prose, blocks)) if name not in _NO_CODE and not name.startswith("__")]


def other_names(instruction: str, response: str, tests: str) -> list[str]:
    """Return the names asked for that the response doesn't define, or that its tests don't use.

    A function is used if the tests name it, or if code that they use does. Where the code has no syntax tree there is
    nothing to say, and the list is empty.
    """
    asked = asked_names(instruction)
    if not asked:
        return []
    code, testing = parsed("\n".join(code_blocks(response))), parsed("\n".join(code_blocks(tests)))
    if code is None or testing is None:
        return []
    plain = {node.name for node in definitions(code)} & _names(testing.body)
    if plain.issuperset(asked):
        return []  # as nearly always; what follows takes three times as long
    defined, used = _defined(code), _reached(testing, code)
    lacking = [name for name in asked if not (name in defined and name in used)]
    if not lacking:
        return []
    exists, inherits = _existing(code), _inherits(code, defined)
    return [name for name in lacking if name in defined or not (name in exists or inherits)]


def _in_prose(text: str) -> Iterator[str]:
    before = ""  # the words before the span; those before a list of spans, for each of them
    end = 0
    for span in _SPAN.finditer(text):
        between = text[end : span.start()]
        before = before if end and re.fullmatch(r"\s*(?:,|and|or|, and)\s*", between) else text[: span.start()]
        end = span.end()
        name = _named(span[1].strip(), _NOUN.search(before) is not None)
        if name and not _EXISTING.search(before):
            yield name


def _named(span: str, is_after_noun: bool) -> str | None:
    if match := _DEFINITION.match(span) or _CALL.match(span):
        return match[1]
    return span if is_after_noun and span.isidentifier() else None


def _in_block(code: str) -> Iterator[str]:
    """The names of definitions that have no body yet."""
    lines = code.strip().splitlines()
    tree = parsed(code) or parsed("\n".join(f"{line.rstrip().rstrip(':')}: ..." for line in lines))
    if tree is None:
        yield from (match[1] for line in lines if (match := _ARROW.match(line)))
        return
    for node in tree.body:
        if isinstance(node, Function | ast.ClassDef) and _is_open(node):
            yield node.name
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Call):
            yield last_name(node.target.func)


def _is_open(node: ast.stmt) -> bool:
    """Whether a definition holds nothing but docstrings, `pass`, `...` and `raise`."""
    if isinstance(node, Function | ast.ClassDef):
        return all(map(_is_open, node.body))
    is_constant = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return is_constant or isinstance(node, ast.Pass | ast.Raise)


def _defined(tree: ast.Module) -> set[str]:
    """What the code defines at any depth, values too (`Point = namedtuple(…)`, `self.total = …`)."""
    names: set[str] = set()
    for node in nodes_in(tree):
        if isinstance(node, Function | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.add(last_name(node))
    return names


def _inherits(tree: ast.Module, defined: AbstractSet[str]) -> bool:
    """Whether a class may have methods that the code doesn't show: from a base elsewhere, or made when asked for."""
    classes = [node for node in definitions(tree) if isinstance(node, ast.ClassDef)]
    known = {node.name for node in classes} | {"object", "ABC", "Generic", "Protocol", "Exception", "ValueError"}
    bases = {last_name(base.value if isinstance(base, ast.Subscript) else base) for c in classes for base in c.bases}
    return bool(bases - known) or bool({"__getattr__", "__getattribute__"} & defined)


def _existing(tree: ast.Module) -> set[str]:
    """Names that the code has from elsewhere: imports, what it calls of a module, methods of builtin types."""
    names: set[str] = set()
    for node in nodes_in(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
    called = {node.func for node in nodes_in(tree) if isinstance(node, ast.Call)}
    attributes = [function for function in called if isinstance(function, ast.Attribute)]
    modules = {node.attr for node in attributes if isinstance(node.value, ast.Name) and node.value.id in names}
    return names | modules | ({node.attr for node in attributes} & _METHODS)


def _reached(tests: ast.Module, code: ast.Module) -> set[str]:
    """Names in the tests, and in the definitions of the code that these names have, and so on.

    Of a class, the methods are reached by their own names, but those that Python calls (`__init__`, `__add__`) by its.
    """
    inside: dict[str, set[str]] = {}
    for node in definitions(code):
        if isinstance(node, Function):
            inside.setdefault(node.name, set()).update(_names(node.body))
        elif isinstance(node, ast.ClassDef):
            own = [each for each in node.body if not isinstance(each, Function) or each.name.startswith("__")]
            inside.setdefault(node.name, set()).update(_names([*own, *node.decorator_list]))
    assigned = [node for node in code.body if not isinstance(node, Function | ast.ClassDef | ast.Import)]
    pending = [*_names(tests.body), *_names(assigned)]
    reached: set[str] = set()
    while pending:
        name = pending.pop()
        if name not in reached:
            reached.add(name)
            pending.extend(inside.get(name, ()))
    return reached


def _names(nodes: Sequence[ast.AST]) -> set[str]:
    """Names, attributes and texts, which may be names for `getattr` or `patch`."""
    names: set[str] = set()
    for node in chain.from_iterable(map(nodes_in, nodes)):
        if isinstance(node, ast.Name | ast.Attribute):
            names.add(last_name(node))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names.update(node.value.split("."))
    return names
