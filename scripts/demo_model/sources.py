"""What the demo tasks work on: nouns, names, where the values come from, and small inputs for tests."""

import random
from dataclasses import dataclass

from demo_model.operations import INT, STR

INT_NOUNS = (
    *("price", "score", "age", "number", "value", "mark", "weight", "point", "size", "height", "step", "reading"),
    *("level", "cost", "vote", "distance", "amount", "grade", "speed", "delay", "rating", "bid", "fee", "depth"),
)
STR_NOUNS = (
    *("word", "name", "title", "tag", "label", "color", "fruit", "user", "token", "key", "code", "animal"),
    *("song", "item", "term", "flower", "planet", "team", "tool", "dish", "guest", "plant", "river", "topic"),
)
WORDS = (
    *("apple", "bread", "cloud", "delta", "eagle", "fig", "grape", "house", "igloo", "jam", "kite", "lemon"),
    *("mango", "nest", "olive", "pear", "queen", "rose", "stone", "tree", "urn", "vine", "wolf", "zebra"),
    *("level", "noon", "radar", "ice", "oak", "elm", "ant", "owl", "egg", "under", "moon", "tea"),
    *("banana", "cherry", "garden", "island", "orange", "pepper", "silver", "window", "yellow", "summer"),
)
ADJECTIVES = (
    *("small", "large", "daily", "raw", "valid", "final", "old", "new", "local", "early", "late", "main"),
    *("open", "rare", "clean", "sorted", "basic", "bright", "common", "direct", "extra", "fresh", "global", "hidden"),
    *("inner", "joint", "known", "light", "mixed", "native", "outer", "plain", "quick", "ready", "safe", "total"),
    *("unused", "weekly", "young", "active", "blue", "cheap", "dense", "empty", "free", "green", "heavy", "key"),
)
NUMBER_WORDS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
)
SEPARATORS = {",": "commas", ";": "semicolons", "|": "bars", " ": "spaces", "-": "dashes", "/": "slashes"}
MARKS = ("!", "?", "-x", "_", "#", "ok", "..", "no", "@", "+")


@dataclass(frozen=True)
class Source:
    """Where a pipeline's values come from.

    `parameter` is the argument, `phrase` describes it, `values` is the source of an iterable over it, `noun` and
    `nouns` name its values, `empty` is the source of an argument that holds no values ('' when there is none), and
    `form` the argument's shape: list, words, split, numbers, range, dict.
    """

    kind: str
    form: str
    parameter: str
    phrase: str
    values: str
    noun: str
    nouns: str
    empty: str
    hint: str
    separator: str = ""


def plural(noun: str) -> str:
    """The plural of one of the nouns above."""
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(("s", "sh", "ch", "x")) else "s")


def draw_source(rng: random.Random, forms: tuple[str, ...] = ()) -> Source:
    """A source at random; `forms` limits the shapes."""
    forms = forms or ("list",) * 8 + ("words",) * 2 + ("split", "numbers", "range", "dict", "dict")
    form = rng.choice(forms)
    kind = {"words": STR, "split": STR, "numbers": INT, "range": INT}.get(form) or rng.choice((INT, STR))
    noun = rng.choice(INT_NOUNS if kind == INT else STR_NOUNS)
    nouns = plural(noun)
    if form == "list":
        what = rng.choice(("integers",) if kind == INT else ("strings", "words"))
        phrase = rng.choice(
            (f"a list of {what} `{nouns}`", f"a list `{nouns}` of {what}", f"the list `{nouns}` of {what}")
        )
        return Source(kind, form, nouns, phrase, nouns, noun, nouns, "[]", f"list[{kind}]")
    if form == "words":
        text = rng.choice(("text", "sentence", "message", "line"))
        phrase = rng.choice((f"a string `{text}` of words", f"the words of a string `{text}`"))
        return Source(kind, form, text, phrase, f"{text}.split()", "word", "words", '""', "str")
    if form == "range":
        phrase = rng.choice(("the numbers from one to `n`", "an integer `n` and the numbers from one up to it"))
        return Source(kind, form, "n", phrase, "range(1, n + 1)", "number", "numbers", "0", "int")
    if form == "dict":
        table = rng.choice(("table", "stock", "record", "store", "index", "registry", "catalog"))
        which, values = ("values", f"{table}.values()") if kind == INT else ("keys", f"{table}.keys()")
        phrase = rng.choice(
            (
                f"a dictionary `{table}` with {nouns} as {which}",
                f"the {which} of a dictionary `{table}`, which are {nouns}",
            )
        )
        return Source(kind, form, table, phrase, values, noun, nouns, "{}", "dict[str, int]")
    separator = rng.choice([mark for mark in SEPARATORS if mark != "-"])
    text = rng.choice(("text", "line", "row", "entry"))
    phrase = rng.choice(
        (f"a string `{text}` of {nouns} separated by {SEPARATORS[separator]}",
         f"a string `{text}` that lists {nouns} with {SEPARATORS[separator]} between them")
    )  # fmt: skip
    values = f'{text}.split("{separator}")'
    if form == "numbers":
        values = f"[int(part) for part in {values}]"
    return Source(kind, form, text, phrase, values, noun, nouns, "", "str", separator)


def draw_literal(rng: random.Random, source: Source, near: tuple[int, ...] = (), letters: str = "") -> str:
    """The Python source of a small argument for `source`, with numbers around `near` and words with `letters`."""
    if source.form == "range":
        return str(rng.randint(4, 12))
    size = rng.randint(3, 4)
    if source.kind == INT:
        values = [
            rng.randint(0, 20) if source.form == "numbers" or rng.random() < 0.85 else -rng.randint(1, 9)
            for _ in range(size)
        ]
        for place, number in enumerate(near[: size - 1]):
            values[place] = max(0, number + rng.choice((-1, 0, 1, 2, number)))
        rng.shuffle(values)
        if source.form == "numbers":
            return '"' + source.separator.join(map(str, values)) + '"'
        if source.form == "dict":
            keys = rng.sample("abcdefgh", size)
            return "{" + ", ".join(f'"{key}": {value}' for key, value in zip(keys, values, strict=True)) + "}"
        return repr(values)
    words = rng.sample(WORDS, size)
    if letters:
        fitting = [word for word in WORDS if word[0] in letters or word[-1] in letters]
        words[0] = rng.choice(fitting or list(WORDS))
        rng.shuffle(words)
    if source.form in ("words", "split"):
        return '"' + (source.separator or " ").join(words) + '"'
    if source.form == "dict":
        return "{" + ", ".join(f'"{word}": {rng.randint(1, 9)}' for word in dict.fromkeys(words)) + "}"
    return "[" + ", ".join(f'"{word}"' for word in words) + "]"
