"""Python: functions with their imports, salvaged from broken files, and the rules about imports and names."""

from collections.abc import Sequence

from sca_hf.corpus.languages.python.functions import PARSER_ERRORS, Function, Kind, compiles, documented_functions
from sca_hf.corpus.languages.python.salvage import BrokenFunction, salvaged_functions


def functions(text: str, kinds: Sequence[Kind]) -> tuple[Sequence[Function | BrokenFunction], str | None]:
    """See `Language`. From a broken file functions are salvaged, and what else is whole."""
    try:
        matches = documented_functions(text, kinds)
    except PARSER_ERRORS:
        salvaged = salvaged_functions(text, kinds)
        return salvaged, None if salvaged else "unparsable-file"
    return matches, None if matches else "no-function"


def own_reason(function: Function, forbidden_imports: Sequence[str]) -> str | None:
    """See `Language`."""
    if any(f"{module}.".startswith(f"{name}.") for module in function.modules for name in forbidden_imports):
        return "forbidden-import"
    if any(module.startswith(".") for module in function.modules):
        return "relative-import"
    if function.undefined:
        return "undefined-name"
    return None if compiles(function.standalone) else "not-compilable"
