"""What the reasons of rejection mean, in a sentence each. A reason that is not here is shown by its name alone."""

from collections.abc import Mapping

_MEANINGS: Mapping[str, str] = {
    # seeds
    "contaminated": "It contains a text of that benchmark.",
    "duplicate": "The same text was there before, apart from blanks.",
    "forbidden-import": "It imports a module that would reach out of the program: files, processes, plots.",
    "license": "A license of its file is not among those that the recipe allows.",
    "forbidden-word": "It contains a word such as “todo” or “fixme”: the author was not done.",
    "near-duplicate": "Nearly the same text was there before.",
    "no-arguments": "The function takes no argument, so that there is little to write a task about.",
    "no-function": "The file has no documented function at its top level.",
    "no-return-value": "The function returns no value, so that tests could not look at one.",
    "not-compilable": "It does not compile, even below the imports that it needs.",
    "not-sampled": "It holds, but the recipe asks for fewer seeds; which ones is drawn.",
    "oversized-file": "Its file is so large that it is generated code or data.",
    "parser-crash": "Its file makes the parser crash, hang or run out of memory.",
    "relative-import": "It imports from its own package, so it does not stand alone.",
    "too-long": "It has more characters than the recipe allows.",
    "too-many-lines": "It has more lines than the recipe allows.",
    "type-error": "The type checker found an error in it.",
    "undefined-name": "It uses a name that is defined elsewhere in its file, so it does not stand alone.",
    "type-checker-crash": "The type checker did not come to an end on it.",
    "undecodable-file": "The bytes of its file are no text.",
    "unparsable-file": "Its file is not valid Python, and neither is any documented function in it.",
    "unparsable-function": "Neither its file nor the function alone is valid Python.",
    "unreadable-file": "Its file can’t be read, or the row has no text.",
    # what a model writes
    "cut-off": "The model did not come to an end within max_tokens.",
    "engine-error": "The engine could not answer this call, even when asked again.",
    "judged-neither": "The model answered neither Yes nor No when asked about the docstring.",
    "judged-no": "The model holds that the docstring is not enough to write the function again.",
    "no-code": "The answer or its tests have no fenced block of Python.",
    "no-concepts": "The completion names no concept.",
    "no-instruction": "The completion is empty.",
    "no-response": "There is nothing before the tests.",
    "no-tests": "The completion has no line “[Tests]”, so the answer came without tests.",
    "not-an-instruction": "The completion goes on with other parts of an exemplar.",
    "prompt-too-long": "The prompt has more tokens than the engine may read.",
    "several-tests": "The completion has more than one “[Tests]” part.",
    "undecodable-completion": "The bytes of the completion are no text.",
    # selection
    "duplicate-instruction": "Another chosen row has the same instruction, apart from blanks.",
    "duplicate-names": "Another chosen row defines functions and classes of the same names.",
    "duplicate-response": "Another chosen row has the same response, apart from blanks.",
    "execution-early-exit": "The program ended itself before its last line.",
    "execution-failed": "The program ended with an exception, or one of its assertions did not hold.",
    "execution-killed": "The program was ended by a signal or a limit.",
    "execution-no-assertion": "It ran to its end without an assertion that touches the answer’s code.",
    "execution-out-of-memory": "The program wanted more memory than it may have.",
    "execution-syntax-error": "The answer or its tests are not valid Python.",
    "execution-timeout": "The program did not end in time.",
    "leftover": "Answer or tests contain a word such as “todo” or “your code here”.",
    "long-instruction": "The instruction has more words than the recipe allows.",
    "not-chosen": "It passes all rules, but one answer an instruction is kept, and the draw fell on another.",
    "other-names": "The instruction asks for names that the answer does not define or its tests do not use.",
    "vacuous-tests": "Its tests hold for broken versions of the answer too.",
}


def meaning(reason: str) -> str:
    """The sentence, of the reason or of what it begins with; empty where there is none."""
    name = reason
    while name not in _MEANINGS and "-" in name:
        name = name.rpartition("-")[0]
    return _MEANINGS.get(name, "")
