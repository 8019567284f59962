"""Whether a task that was made over is another task: it may neither say the same as its parent, nor speak of a change.

Both rules go by words. The first counts the words that say something new, behind a thesaurus of what programming tasks
are made of: "create a routine that gives back the total" says no more than "write a function that returns the sum". It
can't see that a sentence in other words means the same, nor that one word ("unsorted") changes all: the bounds are set
so that a short added limit, such as "without recursion", is something new.
"""

import re
from collections.abc import Sequence, Set

_WORD = re.compile(r"[^\W_]+")
_MIN_NEW = 2
"""Words that a task must have and its parent not, to be another one."""

_MIN_SHARE = 0.04
"""The same as a share of all its telling words, for long ones: in 100 words a few are always others."""

# Words that tell nothing of what a task asks for.
_FILLER_WORDS = """
a an and any are as at be been being but by can code complete correct correctly could do does easy ensure example
following for from given has have here how i in input is it its itself just language let like main make may me must my
need needs new now of on one or our please program programming proper properly provide python question requested result
results self should simple so solution solve some such sure task that the their them then there these they this those to
use used uses using very via want was we well were what when where which while will with would you your yourself problem
called name named both also efficient efficiently able below above help based case cases part parts way who into than
not
"""
_FILLER = frozenset(_FILLER_WORDS.split())
# The first word of a line stands for all of it.
_SYNONYMS = """
write create implement develop design build define construct craft devise produce generate
return give yield output compute calculate determine find obtain get compile work out back derive gives
function method routine procedure subroutine def func
class type
list array sequence collection lists vector
number integer int numeric digit value element item entry float
string text str sentence
sum total add addition summation
take accept receive expect argument parameter pass consume supply
each every all whole entire
large big great maximum max high top
small little minimum min low least
remove delete drop discard eliminate strip filter
check test verify whether if decide tell true false boolean bool
dictionary dict mapping map hashmap
word term token
letter character char
order sort arrange sorted ascending
reverse backward backwards invert reversal
count frequency occurrence occur appear many tally
unique distinct different duplicate repeated
empty zero nothing none
pair tuple couple two
contain include hold consist comprise
equal same identical match
first start begin initial leading
last end final trailing
store keep save record
show print display
even divisible
square power multiply product
length size long
combine merge join concatenate
convert transform turn change translate
"""
_LEMMAS = {word: line.split()[0] for line in _SYNONYMS.strip().split("\n") for word in reversed(line.split())}
_SKELETON = frozenset({"write", "return", "function", "take", "each", "check", "contain"})
"""First words of lines that any task may have."""

_ENDINGS = ("s", "es", "ed", "er", "ers", "est", "ing", "ings", "ly", "ies", "ied")

_CHANGED = "original|previous|prior|rewritten|evolved|modified|updated|revised|changed|altered|initial|earlier|old"
_TASK = "instructions?|prompts?|tasks?|problems?|exercises?|questions?|assignments?|versions?"
_SPEAKS_OF_ANOTHER = re.compile(
    rf"\b(?:{_CHANGED}|given|above|new|following) (?:programming |coding )?(?P<noun>instructions?|prompts?)\b"
    rf"|\b(?:{_CHANGED}) (?:programming |coding )?(?P<other>{_TASK})\b"
    r"|\b(?:more|less) (?:complex|difficult|challenging|complicated|advanced) (?:version|variant|form) of\b"
    r"|\b(?:compared (?:to|with)|unlike|as in|in contrast to|building on|extend(?:s|ing)?) the (?:original|previous)\b"
    r"|\b(?:this|the) (?:change|modification|rewriting|evolution) (?:makes|adds|increases|requires)\b",
    re.IGNORECASE,
)
_LABEL = re.compile(
    r"^\W*(?:\[[A-Z][\w ]*\]|#\w[\w ]*#|(?:new|rewritten|evolved|modified|updated|revised|changed)[ \t]+"
    r"(?:instruction|prompt|task|problem|question|version)\W*(?:\n|:|$)|(?:instruction|change|prompt)[ \t]*:)"
    r"|\A\W*(?:sure|certainly|of course|okay)\b[^\n]{0,40}\bhere\b"
    r"|\A\W*here(?:'s| is| are)\b[^\n]{0,60}\b(?:version|instruction|prompt|task|problem|question)\b",
    re.IGNORECASE | re.MULTILINE,
)
_ECHO = 7
"""Words in a row of the evolving prompt that nobody would write by chance."""


def says_the_same(parent: str, evolved: str) -> bool:
    """Return whether a task says nothing that its parent doesn't say."""
    before, after = _telling(parent), _telling(evolved)
    return len(after - before) < max(_MIN_NEW, _MIN_SHARE * len(after))


def leaks_prompt(parent: str, evolved: str, asked: Sequence[str]) -> bool:
    """Return whether a task speaks of the one that it was made from, or in the words that it was `asked` for with.

    What the parent says as well is no leak: a task may well be about prompts, or an earlier version.
    """
    if _LABEL.search(evolved):
        return True
    for match in _SPEAKS_OF_ANOTHER.finditer(evolved):
        noun = (match["noun"] or match["other"] or match[0]).lower().rstrip("s")
        if noun not in parent.lower():
            return True
    own = _runs(evolved) - _runs(parent)
    return any(own & _runs(text) for text in asked)


def _runs(text: str) -> Set[tuple[str, ...]]:
    words = _WORD.findall(text.lower())
    return {tuple(words[begin : begin + _ECHO]) for begin in range(len(words) - _ECHO + 1)}


def _telling(text: str) -> set[str]:
    """The words of a text that say something, each as the thesaurus has it, without endings."""
    return {_lemma(word) for word in _WORD.findall(text.lower()) if word not in _FILLER} - _SKELETON


def _lemma(word: str) -> str:
    forms = [word]
    for ending in _ENDINGS:
        stem = word.removesuffix(ending)
        if stem != word and len(stem) >= 3:
            forms += [stem, f"{stem}e", f"{stem}y", *([stem[:-1]] if stem[-1] == stem[-2] else [])]
    known = next((_LEMMAS[form] for form in forms if form in _LEMMAS), None)
    return known or forms[min(1, len(forms) - 1)]
