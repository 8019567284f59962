"""What the reasons of rejection mean, in a sentence each. A reason that is not here is shown by its name alone."""

from collections.abc import Iterable, Mapping
from typing import Literal

Outcome = Literal["passed", "rejected", "not asked"]

# In the order in which a stage asks: who was rejected for one was not asked for those below.
_MEANINGS: Mapping[str, str] = {
    # seeds
    "unreadable-file": "Its file can’t be read, or the row has no text.",
    "license": "A license of its file is not among those that the recipe allows.",
    "oversized-file": "Its file is so large that it is generated code or data.",
    "undecodable-file": "The bytes of its file are no text.",
    "parser-crash": "Its file makes the parser crash, hang or run out of memory.",
    "unparsable-file": "Its file is not valid Python, and neither is any documented function in it.",
    "no-function": "The file has no documented function at its top level.",
    "unparsable-function": "Neither its file nor the function alone is valid Python, or it needs a newer Python.",
    "no-return-value": "The function returns no value, so that tests could not look at one.",
    "no-arguments": "The function takes no argument, so that there is little to write a task about.",
    "too-many-lines": "It has more lines than the recipe allows.",
    "too-long": "It has more characters than the recipe allows.",
    "forbidden-word": "It contains a word such as “todo” or “fixme”: the author was not done.",
    "forbidden-import": "It imports a module that would reach out of the program: files, processes, plots.",
    "relative-import": "It imports from its own package, so it does not stand alone.",
    "undefined-name": "It uses a name that is defined elsewhere in its file, so it does not stand alone.",
    "not-compilable": "It does not compile, even below the imports that it needs.",
    "secret": "It holds a password, a key or a token.",
    "email-address": "It holds somebody’s e-mail address.",
    "contaminated": "It contains a text of that benchmark.",
    "duplicate": "The same text was there before, apart from blanks.",
    "near-duplicate": "Nearly the same text was there before.",
    "type-error": "The type checker found an error in it.",
    "type-checker-crash": "The type checker did not come to an end on it.",
    "not-sampled": "It holds, but the recipe asks for fewer seeds; which ones is drawn.",
    # what a model writes
    "prompt-too-long": "The prompt has more tokens than the engine may read.",
    "undecodable-completion": "The bytes of the completion are no text.",
    "engine-error": "The engine could not answer this call, even when asked again.",
    "judged-no": "The model holds that the docstring is not enough to write the function again.",
    "judged-neither": "The model answered neither Yes nor No when asked about the docstring.",
    "no-concepts": "The completion names no concept.",
    "cut-off": "The model did not come to an end within max_tokens.",
    "cut-off-response": "The response did not come to its end within max_tokens.",
    "cut-off-tests": "The tests did not come to their end within tests_max_tokens.",
    "repetition": "The completion repeats itself without end.",
    "no-instruction": "The completion is empty.",
    "not-an-instruction": "The completion goes on with other parts of an exemplar.",
    "no-response": "There is nothing before the tests.",
    "no-tests": "The completion has no line “[Tests]”, so the answer came without tests.",
    "several-tests": "The completion has more than one “[Tests]” part.",
    "no-code": "The answer or its tests have no fenced block of Python.",
    "copied-exemplar": "It copies the exemplar of that number, which its own prompt shows.",
    # selection
    "execution-failed": "The program ended with an exception, or one of its assertions did not hold.",
    "execution-syntax-error": "The answer or its tests are not valid Python.",
    "execution-no-assertion": "It ran to its end without an assertion that touches the answer’s code.",
    "execution-early-exit": "The program ended itself before its last line.",
    "execution-timeout": "The program did not end in time.",
    "execution-out-of-memory": "The program wanted more memory than it may have.",
    "execution-killed": "The program was ended by a signal or a limit.",
    "leftover": "Answer or tests contain a word such as “todo” or “your code here”.",
    "long-instruction": "The instruction has more words than the recipe allows.",
    "other-names": "The instruction asks for names that the answer does not define or its tests do not use.",
    "vacuous-tests": "Its tests hold for broken versions of the answer too.",
    "not-chosen": "It passes all rules, but one answer an instruction is kept, and the draw fell on another.",
    "duplicate-instruction": "Another chosen row has the same instruction, apart from blanks.",
    "duplicate-response": "Another chosen row has the same response, apart from blanks.",
    "duplicate-names": "Another chosen row defines functions and classes of the same names.",
}
# What a cell of ready-made rows has wrong; its column's name stands before it (see `sca_hf.pipeline.cells`).
_OF_CELLS: Mapping[str, str] = {
    "with-null": "This column’s list has an entry without a value.",
    "null": "This column has no value in the row.",
    "empty": "This column has nothing but blanks, or an empty list, in the row.",
    "not-text": "This column has something else than text in the row.",
    "without-code": "This column’s text is no code and has no fenced block of it.",
    "not-json": "This column’s text should be JSON and is not valid.",
    "not-a-list": "This column has something else than a list in the row.",
    "not-a-struct": "This column has something else than named values in the row.",
    "not-true-or-false": "This column has something else than true or false in the row.",
    "not-a-number": "This column has something else than a number in the row.",
    "not-an-integer": "This column’s number is not a whole one.",
    "too-large": "This column’s number is too large.",
}
# The setting by which a stage rejects more or fewer rows for a reason; without a dot, one of the stage's own.
_SETTINGS: Mapping[str, str] = {
    "license": "licenses",
    "no-function": "kinds",
    "no-arguments": "min_args",
    "too-many-lines": "max_lines",
    "too-long": "max_chars",
    "forbidden-word": "forbidden_words",
    "forbidden-import": "forbidden_imports",
    "secret": "secrets",
    "email-address": "secrets.emails",
    "contaminated": "decontaminate",
    "near-duplicate": "near_duplicates",
    "type-error": "type_check",
    "type-checker-crash": "type_check",
    "not-sampled": "count",
    "prompt-too-long": "engine.max_model_len",
    "cut-off": "max_tokens",
    "repetition": "temperature",
    "cut-off-tests": "tests_max_tokens",
    "copied": "max_copied",
    "no-tests": "infer_tests",
    "execution-failed": "responses.samples",
    "execution-timeout": "execute.wall_seconds",
    "execution-out-of-memory": "execute.memory_mb",
    "leftover": "leftovers",
    "long-instruction": "max_instruction_words",
    "other-names": "asked_names",
    "duplicate-names": "once_per_names",
}
_ORDER = {name: place for place, name in enumerate(_MEANINGS)}


def meaning(reason: str) -> str:
    """The sentence, of the reason or of what it begins with; empty where there is none.

    A reason of ready-made rows has that of what it ends with.
    """
    of_cell = (meant for wrong, meant in _OF_CELLS.items() if reason.endswith(f"-{wrong}"))
    return next(of_cell, None) or _MEANINGS.get(_known(reason), "")


def loosened_by(stage: str, reason: str) -> str:
    """The dotted key of the setting that decides how many rows a stage rejects for a reason; empty if there is none."""
    name = reason
    while name not in _SETTINGS and "-" in name:
        name = name.rpartition("-")[0]
    setting = _SETTINGS.get(name, "")
    return f"{stage}.{setting}" if setting and "." not in setting else setting


def outcomes(reasons: Iterable[str], reject_reason: str | None) -> list[tuple[str, Outcome]]:
    """What became of one row at each rule of a stage, in the order in which they are asked.

    `reasons`: those for which the stage rejected rows; `reject_reason`: that of the row, None if it was kept.
    """
    rules = sorted({*reasons, *([reject_reason] if reject_reason else ())}, key=_place)
    place = rules.index(reject_reason) if reject_reason else len(rules)
    return [
        (rule, "passed" if number < place else "rejected" if number == place else "not asked")
        for number, rule in enumerate(rules)
    ]


def _place(reason: str) -> tuple[int, str]:
    return _ORDER.get(_known(reason), len(_ORDER)), reason


def _known(reason: str) -> str:
    """The reason, or that of the above with which its name begins."""
    name = reason
    while name not in _MEANINGS and "-" in name:
        name = name.rpartition("-")[0]
    return name
