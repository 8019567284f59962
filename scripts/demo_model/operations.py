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
    Condition(
        INT,
        ("greater than {k}", "above {k}", "larger than {k}", "that exceed {k}"),
        ("of {k} or less", "that are at most {k}", "not above {k}"),
        "{x} > {k}",
        "k",
    ),
    Condition(
        INT,
        ("less than {k}", "below {k}", "smaller than {k}", "under {k}"),
        ("of {k} or more", "that are at least {k}", "not below {k}"),
        "{x} < {k}",
        "k",
    ),
    Condition(
        INT,
        ("of at least {k}", "that are {k} or more", "no less than {k}"),
        ("that fall short of {k}", "that do not reach {k}"),
        "{x} >= {k}",
        "k",
    ),
    Condition(
        INT,
        ("of at most {k}", "that are {k} or less", "no more than {k}"),
        ("that go beyond {k}", "that are over {k}"),
        "{x} <= {k}",
        "k",
    ),
    Condition(INT, ("that are even", "divisible by two", "with an even value"), ("that are odd",), "{x} % 2 == 0"),
    Condition(INT, ("that are odd", "with an odd value", "that are not even"), ("that are even",), "{x} % 2 == 1"),
    Condition(
        INT,
        ("divisible by {k}", "that are multiples of {k}", "that {k} divides"),
        ("that {k} does not divide",),
        "{x} % {k} == 0",
        "m",
    ),
    Condition(INT, ("not divisible by {k}",), ("divisible by {k}", "that are multiples of {k}"), "{x} % {k} != 0", "m"),
    Condition(
        INT,
        ("different from {k}", "that are not equal to {k}", "other than {k}"),
        ("equal to {k}", "that equal {k}"),
        "{x} != {k}",
        "k",
    ),
    Condition(INT, ("that are positive", "above zero"), ("that are not positive",), "{x} > 0"),
    Condition(INT, ("that are negative", "below zero"), ("that are not negative",), "{x} < 0"),
    Condition(
        INT,
        ("whose last digit is {k}", "that end in the digit {k}"),
        ("whose last digit differs from {k}",),
        "abs({x}) % 10 == {k}",
        "d",
    ),
    Condition(
        STR,
        ("longer than {k} characters", "with more than {k} letters", "of more than {k} characters"),
        ("of at most {k} characters", "with {k} letters or fewer"),
        "len({x}) > {k}",
        "m",
    ),
    Condition(
        STR,
        ("shorter than {k} characters", "with fewer than {k} letters"),
        ("of at least {k} characters", "with {k} letters or more"),
        "len({x}) < {k}",
        "m",
    ),
    Condition(
        STR,
        ("with exactly {k} letters", "of length {k}"),
        ("whose length is not {k}",),
        "len({x}) == {k}",
        "m",
    ),
    Condition(
        STR,
        ("that start with {k}", "beginning with {k}", "whose first letter is {k}"),
        ("that do not start with {k}",),
        "{x}.startswith({k})",
        "c",
    ),
    Condition(
        STR,
        ("that end with {k}", "ending in {k}", "whose last letter is {k}"),
        ("that do not end with {k}",),
        "{x}.endswith({k})",
        "c",
    ),
    Condition(
        STR,
        ("that contain {k}", "with the letter {k} in them", "containing {k}"),
        ("without the letter {k}", "that lack {k}"),
        "{k} in {x}",
        "c",
    ),
    Condition(
        STR,
        ("that do not contain {k}", "without the letter {k}"),
        ("that contain {k}", "containing {k}"),
        "{k} not in {x}",
        "c",
    ),
    Condition(
        STR,
        ("that begin with a vowel", "whose first letter is a vowel"),
        ("that do not begin with a vowel",),
        '{x}[0] in "aeiou"',
    ),
    Condition(
        STR,
        ("that are palindromes", "that read the same backwards"),
        ("that are not palindromes",),
        "{x} == {x}[::-1]",
    ),
    Condition(
        STR,
        ("with an even number of letters", "of even length"),
        ("of odd length",),
        "len({x}) % 2 == 0",
    ),
)

CHANGES = (
    Change(INT, INT, ("double {n}", "multiply {n} by two", "take twice the value of {n}"), "{x} * 2"),
    Change(INT, INT, ("multiply {n} by {k}", "scale {n} by {k}", "make {n} {k} times as large"), "{x} * {k}", "m"),
    Change(INT, INT, ("square {n}", "raise {n} to the second power"), "{x} ** 2"),
    Change(INT, INT, ("cube {n}", "raise {n} to the third power"), "{x} ** 3"),
    Change(INT, INT, ("add {k} to {n}", "increase {n} by {k}", "raise {n} by {k}"), "{x} + {k}", "k"),
    Change(INT, INT, ("subtract {k} from {n}", "decrease {n} by {k}", "lower {n} by {k}"), "{x} - {k}", "k"),
    Change(INT, INT, ("halve {n}, rounding down", "divide {n} by two without remainder"), "{x} // 2"),
    Change(
        INT,
        INT,
        ("replace {n} by its remainder modulo {k}", "take the remainder of {n} divided by {k}"),
        "{x} % {k}",
        "m",
    ),
    Change(INT, INT, ("take the absolute value of {n}", "drop the sign of {n}"), "abs({x})"),
    Change(INT, INT, ("negate {n}", "flip the sign of {n}"), "-{x}"),
    Change(INT, INT, ("cap {n} at {k}", "limit {n} to at most {k}"), "min({x}, {k})", "k"),
    Change(INT, INT, ("lift {n} to at least {k}", "replace anything below {k} by {k}"), "max({x}, {k})", "k"),
    Change(
        INT,
        INT,
        ("replace {n} by the sum of its digits", "take the digit sum of {n}"),
        "sum(int(d) for d in str(abs({x})))",
    ),
    Change(INT, INT, ("square {n} and add {k}",), "{x} ** 2 + {k}", "k"),
    Change(INT, STR, ("turn {n} into a string", "convert {n} to text"), "str({x})"),
    Change(INT, STR, ("put {k} in front of {n} as text", "write {n} as text after {k}"), "{k} + str({x})", "t"),
    Change(INT, STR, ("write {n} in binary", "convert {n} to a binary string"), 'format({x}, "b")'),
    Change(STR, STR, ("convert {n} to upper case", "uppercase {n}", "put {n} in capitals"), "{x}.upper()"),
    Change(STR, STR, ("capitalize {n}", "make the first letter of {n} a capital"), "{x}.capitalize()"),
    Change(STR, STR, ("reverse {n}", "spell {n} backwards"), "{x}[::-1]"),
    Change(STR, STR, ("append {k} to {n}", "add {k} at the end of {n}", "put {k} after {n}"), "{x} + {k}", "t"),
    Change(STR, STR, ("put {k} in front of {n}", "prefix {n} with {k}"), "{k} + {x}", "t"),
    Change(STR, STR, ("repeat {n} {k} times", "write {n} {k} times in a row"), "{x} * {k}", "m"),
    Change(
        STR,
        STR,
        ("cut {n} to its first {k} letters", "keep the first {k} characters of {n}"),
        "{x}[:{k}]",
        "m",
    ),
    Change(
        STR,
        STR,
        ("cut {n} to its last {k} letters", "keep the last {k} characters of {n}"),
        "{x}[-{k}:]",
        "m",
    ),
    Change(STR, STR, ("remove the first letter of {n}", "drop the first character of {n}"), "{x}[1:]"),
    Change(STR, STR, ("sort the letters of {n}",), '"".join(sorted({x}))'),
    Change(STR, STR, ("delete {k} from {n}", "remove every {k} from {n}"), '{x}.replace({k}, "")', "c"),
    Change(
        STR,
        STR,
        ("replace {k} by a star in {n}", "mask every {k} in {n} with a star"),
        '{x}.replace({k}, "*")',
        "c",
    ),
    Change(
        STR,
        STR,
        ("remove the vowels from {n}", "delete all vowels in {n}"),
        '"".join(c for c in {x} if c not in "aeiou")',
    ),
    Change(STR, INT, ("replace {n} by its length", "take the length of {n}", "measure the length of {n}"), "len({x})"),
    Change(STR, INT, ("count how often {k} occurs in {n}", "count the letter {k} in {n}"), "{x}.count({k})", "c"),
    Change(
        STR,
        INT,
        ("count the distinct letters of {n}", "count the different characters in {n}"),
        "len(set({x}))",
    ),
    Change(
        STR,
        INT,
        ("count the vowels in {n}", "take the number of vowels of {n}"),
        'sum(c in "aeiou" for c in {x})',
    ),
)
