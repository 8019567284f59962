"""The natural language of a text, as far as it shows: by its letters, else by its commonest words.

Made to see that an answer is in another language than its question, not to name every language: where little speaks for
one, none is named.
"""

import re
import unicodedata
from collections import Counter

_FENCED = re.compile(r"^([`~]{3,}).*?(?:^\1[`~]*[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`[^`\n]*`")
_WORDS = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")

_MIN_WORDS = 4
"""Common words below which a text of Latin letters tells nothing."""

_MIN_SHARE = 0.3
"""Share of all letters from which an alphabet is that of the text."""

# By the first word of a letter's name in Unicode; of Kana and Hangul each stands for its language.
_ALPHABETS = {
    "CJK": "zh", "HIRAGANA": "ja", "KATAKANA": "ja", "HANGUL": "ko", "CYRILLIC": "cyrillic", "ARABIC": "ar",
    "HEBREW": "he", "GREEK": "el", "DEVANAGARI": "hi", "THAI": "th", "BENGALI": "bn", "TAMIL": "ta",
}  # fmt: skip
_COMMON = {
    "en": "the of and to in is that it for with as be this are by from or an if we which each",
    "de": "der die das und ist nicht ein eine den mit von zu wir für auf wird werden dass sich wenn",
    "fr": "le la les des est une un et que dans pour pas nous qui sur avec cette par chaque ce",
    "es": "el la los las es una un y que en para no por con se del este esta cada como",
    "pt": "o os as é uma um e que em para não por com se do da este esta cada como",
    "it": "il lo gli le è una un e che di per non con si della questo questa ogni come sono",
    "nl": "de het een en is niet van voor met dat wordt worden zijn deze als wij elke op te",
    "pl": "i w nie na się jest to że z do jako dla oraz każdy który przez funkcja",
}
_BY_WORD: dict[str, list[str]] = {}
for _language, _words in _COMMON.items():
    for _word in _words.split():
        _BY_WORD.setdefault(_word, []).append(_language)


def language_of(text: str) -> str | None:
    """Return a code for the language of the prose in `text`, code left out; None where it doesn't show."""
    prose = _INLINE.sub(" ", _FENCED.sub(" ", text))
    letters = [letter for letter in prose if letter.isalpha()]
    alphabets = Counter(_alphabet(letter) for letter in letters if not letter.isascii())
    del alphabets[""]
    if alphabets and alphabets.total() >= _MIN_SHARE * len(letters):
        return "ja" if alphabets["ja"] else alphabets.most_common(1)[0][0]
    words = _WORDS.findall(prose.lower())
    counts = Counter(language for word in words for language in _BY_WORD.get(word, ()))
    (first, most), (_, second) = [*counts.most_common(2), ("", 0), ("", 0)][:2]
    return first if most >= _MIN_WORDS and most > 1.5 * second else None


def _alphabet(letter: str) -> str:
    return _ALPHABETS.get(unicodedata.name(letter, "").partition(" ")[0], "")
