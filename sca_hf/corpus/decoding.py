"""The text of a source file, whatever its encoding: as it declares it, else UTF-8, else what its bytes look like."""

import codecs
import io
import tokenize

from charset_normalizer import from_bytes

# UTF-32's mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Encodings that editors saved source files in, before UTF-8; the earlier one where two fit as well.
_USUAL = ("cp1252", "cp1251", "koi8_r", "gb18030", "cp932", "euc_jp", "cp949", "big5", "cp1250", "cp1253", "cp1254")


def decode(content: bytes) -> str:
    """Return the text of a file, with "\\n" at the end of lines.

    By its byte order mark or, as Python reads it (PEP 263), its coding line, else UTF-8. Where the bytes are no such
    text, by the usual encoding that they fit best, which is a guess at letters in comments and literals. Raises
    UnicodeDecodeError, SyntaxError or LookupError when they fit none, as those of a binary file.
    """
    try:
        text = content.decode(_declared(content))
    except (UnicodeDecodeError, SyntaxError, LookupError):
        guessed = _guessed(content)
        if guessed is None:
            raise
        text = guessed
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _declared(content: bytes) -> str:
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return encoding
    return tokenize.detect_encoding(io.BytesIO(content).readline)[0]


def _guessed(content: bytes) -> str | None:
    if b"\0" in content:
        return None
    fitting = list(from_bytes(content, cp_isolation=list(_USUAL)))
    if not fitting:
        return None
    best = min(fitting, key=lambda match: (match.chaos, -match.coherence, _USUAL.index(match.encoding)))
    return str(best)
