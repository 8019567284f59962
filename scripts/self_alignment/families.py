"""Which family a demo task belongs to, told from its instruction, and which families no row to train on is from.

A family is the operations of a task and the result that it asks for, whatever the names, numbers and words around. The
demo model writes its instructions itself, so the family is read from the text, by the phrases of the tasks' grammar.
"""

import re
from collections.abc import Iterator
from functools import cache

from demo_model.operations import CHANGES, CONDITIONS
from demo_model.phrasing import third_person
from demo_model.results import RESULTS

from sca_hf.identity import digest

WITHHELD = 3
"""One family in so many is withheld from training, and is what held-out tasks are from."""

_KEEP, _DROP = r"(?:keep|take|select)s?(?: only)? the \S+ ", r"(?:drop|ignore|skip)s? the \S+ "
_CONSTANT, _THING = r"(?:'[^']*'|`[^`]*`|\w+)", r"(?:each|every) \w+"
_SLOTS = {r"\{k\}": _CONSTANT, r"\{n\}": _THING}


def family_of(instruction: str) -> str | None:
    """Return the operations and the result that an instruction asks for; None where it names not one result."""
    matches = []
    for kind, name, phrase in _phrases():
        matches += [(match.start(), -match.end(), kind, name) for match in phrase.finditer(instruction)]
    end, names, results = 0, set[str](), set[str]()
    for start, minus_end, kind, name in sorted(matches):
        # The longest phrase at a place: "above zero" is also "above {k}".
        if start >= end:
            end = -minus_end
            (results if kind == "result" else names).add(name)
    return f"{' | '.join(sorted(names))} -> {min(results)}" if len(results) == 1 else None


def is_withheld(family: str) -> bool:
    """Whether rows of this family are kept out of what models are tuned on. The same on every machine."""
    return int(digest("withheld", family)[:8], 16) % WITHHELD == 0


@cache
def _phrases() -> tuple[tuple[str, str, re.Pattern[str]], ...]:
    return tuple((kind, name, re.compile(text, re.IGNORECASE)) for kind, name, text in _texts())


def _texts() -> Iterator[tuple[str, str, str]]:
    for condition in CONDITIONS:
        for before, clauses in ((_KEEP, condition.keep), (_DROP, condition.drop)):
            yield from (("condition", condition.expression, before + _pattern(clause)) for clause in clauses)
    for kind, operations in (("change", CHANGES), ("result", RESULTS)):
        for operation in operations:
            for phrase in operation.phrasings:
                yield kind, operation.expression, f"(?:{_pattern(phrase)}|{_pattern(third_person(phrase))})"


def _pattern(phrase: str) -> str:
    text = re.escape(phrase)
    for slot, pattern in _SLOTS.items():
        text = text.replace(slot, pattern)
    return rf"\b{text}(?!\w)"
