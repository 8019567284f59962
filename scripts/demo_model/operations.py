"""The vocabulary of the demo tasks: conditions, changes and results, each with phrasings and Python expressions.

A task is a pipeline: values of one type go through conditions and changes and end in a result. An expression holds
`{x}` for the value and `{k}` for its constant; a phrasing holds `{n}` for the noun of the values and `{k}` too.
"""

from dataclasses import dataclass

INT = "int"
STR = "str"


@dataclass(frozen=True)
class Condition:
    """Keeps some of the values. `keep` and `drop` are relative clauses; `drop` says the opposite of `keep`."""

    takes: str
    keep: tuple[str, ...]
    drop: tuple[str, ...]
    expression: str
    constant: str = ""


@dataclass(frozen=True)
class Change:
    """Turns every value into another one; phrasings begin with a verb and hold `{n}`, "each one" or the like."""

    takes: str
    gives: str
    phrasings: tuple[str, ...]
    expression: str
    constant: str = ""


@dataclass(frozen=True)
class Result:
    """Ends a pipeline. `expression` holds `{g}` (anything iterable will do) or `{s}` (a sequence).

    `loop` is (start, body, end) for a hand-written loop, `empty` the source of the result for no values, `kind` the
    shape that generic properties in tests hang on: number, float, list, sorted, bool, dict, text, set or none.
    """

    takes: str
    gives: str
    phrasings: tuple[str, ...]
    expression: str
    empty: str
    verbs: tuple[str, ...]
    kind: str = "none"
    loop: tuple[str, str, str] | None = None
    constant: str = ""
    imports: str = ""


# Constants: "k" a small number, "m" a small multiplier, "d" a digit, "c" a letter, "t" a short mark, "p" a separator,
# "z" a fallback number.
CONDITIONS = (
    Condition(INT, ("greater than {k}", "above {k}"), ("of {k} or less",), "{x} > {k}", "k"),
    Condition(INT, ("less than {k}", "below {k}"), ("of {k} or more",), "{x} < {k}", "k"),
    Condition(INT, ("of at least {k}", "that are {k} or more"), ("that fall short of {k}",), "{x} >= {k}", "k"),
    Condition(INT, ("that are even", "divisible by two"), ("that are odd",), "{x} % 2 == 0"),
    Condition(INT, ("that are odd", "with an odd value"), ("that are even",), "{x} % 2 == 1"),
    Condition(
        INT, ("divisible by {k}", "that are multiples of {k}"), ("that {k} does not divide",), "{x} % {k} == 0", "m"
    ),
    Condition(INT, ("different from {k}", "that are not equal to {k}"), ("equal to {k}",), "{x} != {k}", "k"),
    Condition(INT, ("that are positive", "above zero"), ("that are not positive",), "{x} > 0"),
    Condition(
        STR,
        ("longer than {k} characters", "with more than {k} letters"),
        ("of at most {k} characters",),
        "len({x}) > {k}",
        "m",
    ),
    Condition(
        STR,
        ("shorter than {k} characters", "with fewer than {k} letters"),
        ("of at least {k} characters",),
        "len({x}) < {k}",
        "m",
    ),
    Condition(
        STR, ("that start with {k}", "beginning with {k}"), ("that do not start with {k}",), "{x}.startswith({k})", "c"
    ),
    Condition(STR, ("that end with {k}", "ending in {k}"), ("that do not end with {k}",), "{x}.endswith({k})", "c"),
    Condition(STR, ("that contain {k}", "with the letter {k} in them"), ("without the letter {k}",), "{k} in {x}", "c"),
    Condition(STR, ("that do not contain {k}", "without the letter {k}"), ("that contain {k}",), "{k} not in {x}", "c"),
    Condition(STR, ("with an even number of letters", "of even length"), ("of odd length",), "len({x}) % 2 == 0"),
)

CHANGES = (
    Change(INT, INT, ("multiply {n} by {k}", "scale {n} by {k}"), "{x} * {k}", "m"),
    Change(INT, INT, ("square {n}", "raise {n} to the second power"), "{x} ** 2"),
    Change(INT, INT, ("add {k} to {n}", "increase {n} by {k}"), "{x} + {k}", "k"),
    Change(INT, INT, ("subtract {k} from {n}", "decrease {n} by {k}"), "{x} - {k}", "k"),
    Change(INT, INT, ("halve {n}, rounding down", "divide {n} by two without remainder"), "{x} // 2"),
    Change(
        INT,
        INT,
        ("replace {n} by its remainder modulo {k}", "take the remainder of {n} divided by {k}"),
        "{x} % {k}",
        "m",
    ),
    Change(INT, INT, ("negate {n}", "flip the sign of {n}"), "-{x}"),
    Change(INT, INT, ("cap {n} at {k}", "limit {n} to at most {k}"), "min({x}, {k})", "k"),
    Change(INT, STR, ("turn {n} into a string", "convert {n} to text"), "str({x})"),
    Change(INT, STR, ("put {k} in front of {n} as text", "write {n} as text after {k}"), "{k} + str({x})", "t"),
    Change(STR, STR, ("convert {n} to upper case", "uppercase {n}"), "{x}.upper()"),
    Change(STR, STR, ("capitalize {n}", "make the first letter of {n} a capital"), "{x}.capitalize()"),
    Change(STR, STR, ("reverse {n}", "spell {n} backwards"), "{x}[::-1]"),
    Change(STR, STR, ("append {k} to {n}", "add {k} at the end of {n}"), "{x} + {k}", "t"),
    Change(STR, STR, ("put {k} in front of {n}", "prefix {n} with {k}"), "{k} + {x}", "t"),
    Change(STR, STR, ("repeat {n} {k} times", "write {n} {k} times in a row"), "{x} * {k}", "m"),
    Change(STR, STR, ("cut {n} to its first {k} letters", "keep the first {k} characters of {n}"), "{x}[:{k}]", "m"),
    Change(STR, STR, ("remove the first letter of {n}", "drop the first character of {n}"), "{x}[1:]"),
    Change(
        STR, STR, ("replace {k} by a star in {n}", "mask every {k} in {n} with a star"), '{x}.replace({k}, "*")', "c"
    ),
    Change(STR, INT, ("replace {n} by its length", "take the length of {n}"), "len({x})"),
    Change(STR, INT, ("count how often {k} occurs in {n}", "count the letter {k} in {n}"), "{x}.count({k})", "c"),
)
