"""Texts of rows as HTML: highlighted code, and Markdown as models write it. Everything is escaped."""

import re
from collections.abc import Iterator
from itertools import groupby

from markupsafe import Markup, escape
from pygments.lexers import get_lexer_by_name
from pygments.lexers.python import PythonLexer
from pygments.token import Comment, Keyword, Literal, Name, Number, Operator, String, _TokenType
from pygments.util import ClassNotFound

LONGEST = 4_000
"""Characters of a text that the page shows; of a longer one the middle is left out."""

# Few kinds, in one letter: most of a page with 50 rows is markup otherwise.
_KINDS: tuple[tuple[_TokenType, str], ...] = (
    (Comment, "c"),
    (String, "s"),
    (Number, "n"),
    (Literal, "s"),
    (Operator.Word, "k"),
    (Keyword, "k"),
    (Name.Function, "f"),
    (Name.Class, "f"),
    (Name.Decorator, "f"),
    (Name.Builtin, "b"),
    (Name.Exception, "b"),
)
_FENCED = re.compile(r"^```(?P<language>[\w+-]*)[ \t]*\n(?P<code>.*?)(?:^```[ \t]*$|\Z)", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`([^`\n]+)`")


def code(text: str, language: str = "python") -> Markup:
    """A block of highlighted code."""
    return Markup('<pre class="code" tabindex="0"><code>%s</code></pre>') % Markup("").join(_tokens(text, language))


def prose(text: str) -> Markup:
    """Paragraphs with inline code, and blocks of highlighted code where the text has fences."""
    text = shortened(text)
    parts: list[Markup] = []
    end = 0
    for block in _FENCED.finditer(text):
        parts += [_paragraphs(text[end : block.start()]), code(block["code"].rstrip(), block["language"] or "python")]
        end = block.end()
    return Markup("").join([*parts, _paragraphs(text[end:])])


def inline(text: str) -> Markup:
    """A line of text with inline code."""
    pieces = _INLINE.split(text)  # texts at even places, code at odd ones
    return Markup("").join(
        Markup("<code>%s</code>") % piece if number % 2 else escape(piece) for number, piece in enumerate(pieces)
    )


def plain(text: str) -> Markup:
    """A text as it is, line by line."""
    return Markup('<pre class="plain" tabindex="0">%s</pre>') % shortened(text)


def shortened(text: str) -> str:
    """A text of at most about LONGEST characters."""
    if len(text) <= LONGEST:
        return text
    half = LONGEST // 2
    return f"{text[:half]}\n… {len(text) - LONGEST:,} characters left out …\n{text[-half:]}"


def _tokens(text: str, language: str) -> Iterator[Markup]:
    try:
        lexer = PythonLexer() if language in {"python", "py", "python3"} else get_lexer_by_name(language)
    except ClassNotFound:
        yield escape(shortened(text))
        return
    kinds = ((_kind(token), value) for token, value in lexer.get_tokens(shortened(text)))
    for kind, tokens in groupby(kinds, key=lambda pair: pair[0]):
        joined = "".join(value for _, value in tokens)
        yield Markup('<i class="%s">%s</i>') % (kind, joined) if kind else escape(joined)


def _kind(token: _TokenType) -> str:
    return next((letter for kind, letter in _KINDS if token in kind), "")


def _paragraphs(text: str) -> Markup:
    paragraphs = [part.strip() for part in re.split(r"\n\s*\n", text) if part.strip()]
    return Markup("").join(Markup("<p>%s</p>") % inline(part) for part in paragraphs)
