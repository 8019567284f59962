"""What a model leaves to be done: `# TODO`, "your code here", a function that is not written."""

import ast
import io
import re
import tokenize
from collections.abc import Collection, Iterator, Sequence

from sca_hf.prompts.code_blocks import blocks_of, markdown_tokens
from sca_hf.prompts.syntax import Function, decorator_names, definitions, last_name, parsed, raised_name

_ABSTRACT_DECORATORS = {"abstractmethod", "abstractproperty", "overload"}
_ABSTRACT_BASES = {"ABC", "ABCMeta", "Protocol"}
_CODE_SPAN = re.compile(r"`[^`\n]+`")
_NOTHING = "(?!)"


def has_substring(texts: Sequence[str], leftovers: Collection[str]) -> bool:
    """Return whether one of `leftovers` (lower-case) is in the texts, inside of words too: the paper's rule."""
    text = "\n".join(texts).lower()
    return any(leftover in text for leftover in leftovers)


class LeftoverWords:
    """Finds `leftovers` by words, in Markdown.

    A phrase of several words is one wherever it is. A single word is one where it marks a place: in capitals, at the
    beginning of a comment, or at the beginning of a line and before a colon; of Python, in comments and docstrings
    alone. So what keeps a todo list has none. A function that is not written is one, unless it is abstract.
    """

    def __init__(self, leftovers: Collection[str]) -> None:
        phrases = [r"\s+".join(map(re.escape, leftover.split())) for leftover in leftovers if " " in leftover]
        words = [re.escape(leftover) for leftover in leftovers if " " not in leftover]
        any_case = "|".join(words) or _NOTHING
        capitals = "|".join(word.upper() for word in words) or _NOTHING
        self._phrase = re.compile(rf"\b(?:{'|'.join(phrases) or _NOTHING})\b", re.IGNORECASE)
        self._prose = re.compile(
            rf"(?<![\w-])(?:{capitals})(?![\w-])|^[^\w\n]*(?i:{any_case})(?:\([^)\n]*\))?\s*:", re.MULTILINE
        )
        self._comment = re.compile(
            rf"(?<![\w-])(?:{capitals})(?![\w-])|^[^\w\n]*(?i:{any_case})(?![\w-])", re.MULTILINE
        )

    def are_in(self, texts: Sequence[str]) -> bool:
        """Return whether texts that belong together, as a response and its tests, have a leftover."""
        if any(map(self._phrase.search, texts)):
            return True
        trees = []
        for text in texts:
            tokens = markdown_tokens(text)
            if any(self._is_in_prose(token.content) for token in tokens if token.type == "inline"):
                return True
            for code in (block.code for block in blocks_of(tokens) if block.is_python):
                if "#" in code and any(map(self._comment.search, _comments(code))):
                    return True
                if tree := parsed(code):
                    if any(map(self._is_in_prose, _docstrings(tree))):
                        return True
                    trees.append(tree)
        return _has_unwritten(trees)

    def _is_in_prose(self, text: str) -> bool:
        return self._prose.search(_CODE_SPAN.sub("", text)) is not None


def _comments(code: str) -> Iterator[str]:
    """Yield the comments of a block, as far as it can be read as Python."""
    try:
        for token in tokenize.generate_tokens(io.StringIO(code).readline):
            if token.type == tokenize.COMMENT:
                yield token.string
    except (tokenize.TokenError, SyntaxError):
        return


def _docstrings(tree: ast.Module) -> Iterator[str]:
    for node in (tree, *definitions(tree)):
        if docstring := ast.get_docstring(node, clean=False):
            yield docstring


def _has_unwritten(trees: Sequence[ast.Module]) -> bool:
    """Return whether a function has no body yet: only `...` or `raise NotImplementedError`.

    It may be so in an abstract base: a class that says that it is one, or of which another redefines the method.
    """
    nodes = [node for tree in trees for node in definitions(tree)]
    classes = [node for node in nodes if isinstance(node, ast.ClassDef)]
    abstract = {id(method) for cls in classes for method in _methods(cls) if _is_abstract(cls, method.name, classes)}
    return any(
        _is_unwritten(node) and id(node) not in abstract and not decorator_names(node) & _ABSTRACT_DECORATORS
        for node in nodes
        if isinstance(node, Function)
    )


def _is_unwritten(function: Function) -> bool:
    body = function.body[1:] if ast.get_docstring(function, clean=False) is not None else function.body
    if len(body) != 1:
        return False
    (only,) = body
    if isinstance(only, ast.Raise) and only.exc is not None:
        return raised_name(only.exc) == "NotImplementedError"
    return isinstance(only, ast.Expr) and isinstance(only.value, ast.Constant) and only.value.value is ...


def _is_abstract(cls: ast.ClassDef, method: str, classes: Sequence[ast.ClassDef]) -> bool:
    says_so = {_base_name(base) for base in [*cls.bases, *(keyword.value for keyword in cls.keywords)]}
    return bool(says_so & _ABSTRACT_BASES) or any(
        method in {defined.name for defined in _methods(heir)} for heir in _heirs(cls, classes)
    )


def _heirs(cls: ast.ClassDef, classes: Sequence[ast.ClassDef]) -> list[ast.ClassDef]:
    """Return the classes below a class, by name."""
    names, heirs = {cls.name}, list[ast.ClassDef]()
    for other in classes:  # a class is defined after its bases
        if other is not cls and names & {_base_name(base) for base in other.bases}:
            names.add(other.name)
            heirs.append(other)
    return heirs


def _base_name(base: ast.expr) -> str:
    """`Protocol` of `Protocol[T]`."""
    return last_name(base.value if isinstance(base, ast.Subscript) else base)


def _methods(cls: ast.ClassDef) -> list[Function]:
    return [node for node in cls.body if isinstance(node, Function)]
