"""Runs an answer and a benchmark's tests in one process, for tests that need the answer's own objects.

Out of the answer's reach: that it ended early (it must come to the end of the tests and the run's token must come
back), and the tests' text, which is compiled and held before the answer runs. What an answer does to builtins, to
`unittest` and to import hooks is undone before the tests run.

Not out of its reach: the objects that the tests compare are its own. So an answer that defines an `__eq__` and the like
which says the same to everything, or that mentions what only a cheat needs, is failed for that by `refusal`. One that
puts such a name together at run time can still forge a pass.
"""

import ast
import re
from functools import cache
from importlib.resources import files

from sca_hf.benchmarks.calls import Runner, text_literal
from sca_hf.sandbox import Program, Verdict

_COMPARISONS = frozenset(
    ["__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "__contains__", "__bool__", "__instancecheck__"]
)
_CHEATS = frozenset(
    (
        *("_getframe", "currentframe", "_current_frames", "f_back", "f_locals", "f_globals", "tb_frame", "gi_frame"),
        *("settrace", "setprofile", "get_objects", "get_referrers", "get_referents", "__subclasses__", "_exit"),
        *("meta_path", "path_hooks", "__import__", "ctypes", "_ctypes", "__class__", "__builtins__", "builtins"),
        *("__main__", "modules", "importlib", "SEEN", "HELD"),
        *("excepthook", "atexit", "AssertionError", "assertEqual", "assertTrue", "failureException", "TestCase"),
    )
)


async def run_together(answer: str, tests: str, jails: Runner) -> Verdict:
    """The verdict on the answer followed by the tests, of which nothing may be raised."""
    code = f"{_guard()}\n\nhold({text_literal(tests)})\nload({text_literal(answer)})\n"
    return await jails.run(Program(code, "assert finish()"))


async def uncovered_lines(answer: str, tests: str, jails: Runner) -> int | None:
    """How many of the answer's lines hold code that the tests don't reach; None where they fail under tracing."""
    code = f"{_guard()}\n\nhold({text_literal(tests)})\ntrace({text_literal(answer)})\n"
    verdict = await jails.run(Program(code, "assert finish()\ntell_uncovered()"))
    last = verdict.stdout.rpartition("uncovered:")[2].strip()
    return int(last) if held(verdict) and last.isdecimal() else None


def held(verdict: Verdict) -> bool:
    """Whether nothing was raised, up to the end, and the last assertion called what it was to call."""
    return verdict.status == "passed"


def refusal(answer: str, allowed: frozenset[str] = frozenset()) -> str:
    """What of an answer shows that it is made for the tests; "" for nothing. `allowed`: names that its task has."""
    try:
        tree = ast.parse(answer)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return ""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name in _COMPARISONS and _says_always(node):
            return f"{node.name} always says the same"
        for field in ("id", "attr", "name"):
            name = getattr(node, field, None)
            if isinstance(name, str) and name in _CHEATS - allowed and not isinstance(node, ast.ExceptHandler):
                return f"it mentions {name}"
        if isinstance(node, ast.ImportFrom | ast.Import):
            for alias in node.names:
                if {alias.name.partition(".")[0], getattr(node, "module", None)} & (_CHEATS | {"gc"}) - allowed:
                    return f"it imports {alias.name}"
    return ""


def names_in(source: str) -> frozenset[str]:
    """All words of a text, for `allowed`."""
    return frozenset(re.findall(r"\w+", source))


def _says_always(function: ast.FunctionDef) -> bool:
    returns = [node.value for node in ast.walk(function) if isinstance(node, ast.Return)]
    values = {value.value if isinstance(value, ast.Constant) else ... for value in returns}
    return len(values) == 1 and not values & {..., NotImplemented}


@cache
def _guard() -> str:
    return (files("sca_hf.benchmarks") / "in_jail" / "together.py").read_text(encoding="utf-8")
