"""How a pipeline of the demo tasks ends: the results for numbers, for texts, and for both."""

from demo_model.operations import INT, STR, Result

_BOTH = "both"

RESULTS = (
    Result(
        INT,
        "int",
        (
            "return their sum",
            "return the total",
        ),
        "sum({g})",
        "0",
        (
            "sum",
            "total",
            "add",
        ),
        "number",
        ("total = 0", "total += {e}", "total"),
    ),
    Result(
        INT,
        "int",
        (
            "return the largest one, or {k} if there is none",
            "return the maximum, with {k} for no values",
        ),
        "max({g}, default={k})",
        "{k}",
        (
            "max",
            "largest",
            "top",
        ),
        "number",
        constant="z",
    ),
    Result(
        INT,
        "int",
        (
            "return the smallest one, or {k} if there is none",
            "return the minimum, with {k} for no values",
        ),
        "min({g}, default={k})",
        "{k}",
        (
            "min",
            "smallest",
            "lowest",
        ),
        "number",
        constant="z",
    ),
    Result(
        INT,
        "float",
        (
            "return their average, or zero if there are none",
            "return the mean, which is zero for no values",
        ),
        "sum({s}) / max(len({s}), 1)",
        "0",
        (
            "average",
            "mean",
        ),
        "float",
    ),
    Result(
        INT,
        "bool",
        (
            "return whether any of them exceeds {k}",
            "tell whether at least one result is above {k}",
        ),
        "any({e} > {k} for {v} in {s})",
        "False",
        (
            "check",
            "has",
            "test",
        ),
        "bool",
        constant="k",
    ),
    Result(
        INT,
        "str",
        (
            "return them as one string joined by {k}",
            "join them as text with {k} between them",
        ),
        "{k}.join(str({e}) for {v} in {s})",
        '""',
        (
            "join",
            "show",
            "format",
        ),
        "text",
        constant="p",
    ),
    Result(
        STR,
        "str",
        (
            "return them joined by {k}",
            "join them with {k} and return the text",
        ),
        "{k}.join({g})",
        '""',
        (
            "join",
            "merge",
            "combine",
        ),
        "text",
        constant="p",
    ),
    Result(
        STR,
        "str",
        (
            "return the longest one, or an empty string if there is none",
            "return the longest, or '' for no values",
        ),
        'max({g}, key=len, default="")',
        '""',
        ("longest",),
        "text",
    ),
    Result(
        STR,
        "list[str]",
        (
            "return them sorted by length",
            "return them from shortest to longest",
        ),
        "sorted({g}, key=len)",
        "[]",
        (
            "sort",
            "order",
            "rank",
        ),
        "list",
    ),
    Result(
        STR,
        "int",
        (
            "return their total length",
            "return the number of characters in all of them",
        ),
        "sum(len({e}) for {v} in {s})",
        "0",
        (
            "measure",
            "total",
        ),
        "number",
        ("total = 0", "total += len({e})", "total"),
    ),
    Result(
        STR,
        "dict[str, int]",
        (
            "return a dictionary from each one to its length",
            "map each one to its length in a dictionary",
        ),
        "{{e}: len({e}) for {v} in {s}}",
        "{}",
        (
            "map",
            "index",
        ),
        "dict",
        ("lengths = {}", "lengths[{e}] = len({e})", "lengths"),
    ),
    Result(
        _BOTH,
        "int",
        (
            "return how many are left",
            "return their number",
        ),
        "len({s})",
        "0",
        (
            "count",
            "number",
        ),
        "number",
        ("count = 0", "count += 1", "count"),
    ),
    Result(
        _BOTH,
        "list",
        (
            "return them as a list",
            "return the results in order",
        ),
        "{s}",
        "[]",
        (
            "list",
            "collect",
            "pick",
            "get",
        ),
        "list",
        ("result = []", "result.append({e})", "result"),
    ),
    Result(
        _BOTH,
        "list",
        (
            "return them in ascending order",
            "sort the results",
        ),
        "sorted({g})",
        "[]",
        (
            "sort",
            "order",
        ),
        "sorted",
    ),
    Result(
        _BOTH,
        "list",
        (
            "return them in descending order",
            "return them sorted from high to low",
        ),
        "sorted({g}, reverse=True)",
        "[]",
        (
            "sort",
            "rank",
        ),
        "list",
    ),
    Result(
        _BOTH,
        "item | None",
        (
            "return the first one, or None if there is none",
            "return the first result or None",
        ),
        "next(iter({s}), None)",
        "None",
        (
            "first",
            "find",
        ),
        "none",
        ("", "return {e}", "None"),
    ),
    Result(
        _BOTH,
        "item | None",
        (
            "return the last one, or None if there is none",
            "return the last result or None",
        ),
        "({s} or [None])[-1]",
        "None",
        (
            "last",
            "final",
        ),
        "none",
        ("last = None", "last = {e}", "last"),
    ),
    Result(
        _BOTH,
        "set",
        (
            "return the set of them",
            "return the distinct results as a set",
        ),
        "set({g})",
        "set()",
        (
            "unique",
            "distinct",
        ),
        "set",
        ("seen = set()", "seen.add({e})", "seen"),
    ),
    Result(
        _BOTH,
        "int",
        (
            "return how many distinct ones there are",
            "count the different results",
        ),
        "len(set({g}))",
        "0",
        (
            "count",
            "distinct",
        ),
        "number",
    ),
    Result(
        _BOTH,
        "list",
        (
            "return the first {k} of them",
            "return only the first {k} results",
        ),
        "{s}[:{k}]",
        "[]",
        (
            "head",
            "take",
            "first",
        ),
        "list",
        constant="m",
    ),
    Result(
        _BOTH,
        "list",
        (
            "return them in reverse order",
            "return the results from last to first",
        ),
        "{s}[::-1]",
        "[]",
        (
            "reverse",
            "flip",
        ),
        "list",
    ),
    Result(
        _BOTH,
        "list",
        (
            "return every second one",
            "return every other result, starting with the first",
        ),
        "{s}[::2]",
        "[]",
        (
            "alternate",
            "sample",
        ),
        "list",
    ),
    Result(
        _BOTH,
        "dict",
        (
            "return a dictionary of how often each one occurs",
            "count each result in a dictionary",
        ),
        "{{e}: {s}.count({e}) for {v} in {s}}",
        "{}",
        (
            "tally",
            "count",
        ),
        "dict",
        ("counts = {}", "counts[{e}] = counts.get({e}, 0) + 1", "counts"),
    ),
)


def results_for(kind: str) -> tuple[Result, ...]:
    """The results that end a pipeline of ints (`INT`) or of texts (`STR`)."""
    if kind not in (INT, STR):
        raise ValueError(f"kind must be {INT!r} or {STR!r}, got {kind!r}")
    return tuple(result for result in RESULTS if result.takes in (kind, _BOTH))
