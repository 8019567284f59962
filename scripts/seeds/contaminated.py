"""Decontamination against a plain loop, on planted texts of real benchmarks, and on the standard library."""

from collections.abc import Callable

from seeds.corpus import functions, standard_library
from seeds.tree import timed

from sca_hf.benchmarks.texts import BenchmarkText
from sca_hf.corpus.decoding import decode
from sca_hf.corpus.languages.python.functions import PARSER_ERRORS, documented_functions
from sca_hf.filters.decontaminate import Contaminants, DecontaminateSettings, load_contaminants, normalized

_STRINGS = 20_000  # about as many as the benchmarks have
_PLANTED = 50
_LOOP_ROWS = 300  # the plain loop takes so long

_CHANGES: list[Callable[[str], str]] = [
    str,
    str.upper,
    lambda text: text.replace("\n", " \n\n"),
    lambda text: text.replace("    ", "\t"),
    lambda text: "\n".join(f"{line}  # a note" for line in text.split("\n")),
    lambda text: text.replace("\n", "\n# a note\n"),
]


def measure_decontamination(count: int = 3000) -> None:
    """Other functions as the benchmark, some of which are planted in the rows; the same hits are asserted."""
    texts = functions(count + _STRINGS)
    rows, others = texts[:count], texts[count:]
    contaminants = Contaminants(
        (BenchmarkText("bench", str(number), "prompt", "", text) for number, text in enumerate(others)), 30
    )
    rows = rows[:-_PLANTED] + [f"# planted\n{others[number * 7].upper()}" for number in range(_PLANTED)]
    contaminants.found_in("")
    found, ours = timed(lambda: [{text.row for text in contaminants.found_in(row)} for row in rows])
    plain, loop = timed(lambda: [_plainly_found(contaminants, row) for row in rows[-_LOOP_ROWS:]])
    assert plain == found[-_LOOP_ROWS:], "the hits differ"
    each, loop_each = ours / len(rows), loop / _LOOP_ROWS
    print(
        f"decontaminate: {len(contaminants.needles):,} strings; ours {each * 1e6:.0f} us a row, a plain loop "
        f"{loop_each * 1e6:,.0f} us ({loop_each / each:.0f} x), same hits, {sum(map(bool, found))} of {len(rows)} rows"
    )


def measure_planted(files: dict[str, str]) -> None:
    """Each text of the benchmarks, changed in case, white space and comments; and what is found where none is."""
    contaminants = load_contaminants(DecontaminateSettings(files=files))
    planted = missed = 0
    for text in contaminants.texts:
        header = f"def {text.name}(a):\n    'Doc.'\n" if text.part == "canonical_solution" else ""
        if text.part != "docstring":
            for change in _CHANGES:
                planted += 1
                found = contaminants.found_in(f"x = 1\n{change(header + text.text)}\ny = 1")
                missed += not any(each.row == text.row and each.benchmark == text.benchmark for each in found)
    rows = _of_the_standard_library()
    false = sum(bool(contaminants.found_in(row)) for row in rows)
    print(
        f"planted: {planted:,} texts of {', '.join(files)}: {missed} missed; of {len(rows):,} documented functions of "
        f"the standard library {false} found ({false / len(rows):.3%})"
    )


def _of_the_standard_library() -> list[str]:
    found = []
    for content in standard_library():
        try:
            found += [function.standalone for function in documented_functions(decode(content))]
        except (*PARSER_ERRORS, LookupError):
            continue
    return found


def _plainly_found(contaminants: Contaminants, row: str) -> set[str]:
    return {
        contaminants.texts[number].row
        for form in set(normalized(row))
        for needle, meant in contaminants.needles.items()
        if needle in form
        for number, _ in meant
    }
