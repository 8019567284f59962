"""Runs an answer and a benchmark's tests in one process, for tests that need the answer's own objects.

Out of the answer's reach: that it ended early (it must come to the end of the tests and the run's token must come
back), and the tests, which are not there before it is loaded. What it did to the interpreter, to `unittest` and to the
libraries that the tests use is undone before they run, and fails it where it is done again meanwhile. An object of its
own that equals things which differ, or lies on both sides of a number, is failed where a test compares it.

Not out of its reach: while the tests run, so does it. So one that names what only a cheat needs (frames, tracing, the
collector's objects, import hooks), or that replaces functions of a library, is failed for that by `refusal`. One that
puts such a name together at run time can still forge a pass.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files

from sca_hf.benchmarks.calls import Runner, text_literal
from sca_hf.sandbox import Program, Verdict

_CHEATS = frozenset(
    (
        *("_getframe", "currentframe", "_current_frames", "f_back", "f_locals", "f_globals", "tb_frame", "gi_frame"),
        *("settrace", "setprofile", "addaudithook", "get_objects", "get_referrers", "get_referents", "__subclasses__"),
        *("meta_path", "path_hooks", "__import__", "ctypes", "_ctypes", "__builtins__", "builtins", "importlib"),
        *("__main__", "__code__", "__defaults__", "__closure__", "SEEN", "HELD"),
    )
)
_MODULES = frozenset(("ctypes", "_ctypes", "builtins", "importlib", "__main__"))
_COMPARING = re.compile(r"assert\w*|\w*equals?|allclose|isclose|addError|addFailure|addSkip|wasSuccessful")
"""Names of what tests compare and tell their outcome by."""
_ROOTS = ("numpy", "pandas", "torch", "scipy", "sklearn")
_TESTING = ("numpy", "pandas", "torch")


async def run_together(answer: str, tests: str, jails: Runner) -> Verdict:
    """The verdict on the answer followed by the tests, of which nothing may be raised."""
    return await jails.run(_program("load", answer, tests))


async def uncovered_lines(answer: str, tests: str, jails: Runner) -> int | None:
    """How many of the answer's lines hold code that the tests don't reach; None where they fail under tracing."""
    verdict = await jails.run(_program("trace", answer, tests))
    last = verdict.stdout.rpartition("uncovered:")[2].strip()
    return int(last) if held(verdict) and last.isdecimal() else None


def _program(load: str, answer: str, tests: str) -> Program:
    used = [root for root in _ROOTS if re.search(rf"^\s*(?:import|from)\s+{root}\b", tests, re.M)]
    if "testing" in tests:
        used += [f"{root}.testing" for root in used if root in _TESTING]
    traced = load == "trace"
    return Program(
        f"{_source('together')}\n\nhold({used!r})\n{load}({text_literal(answer)})\n",
        f"{_source('tests')}\n\nassert finish(lambda: run_tests({text_literal(tests)}, {not traced}, HELD, SEEN))\n"
        f"if RAN != [True]:\n    raise Forged\n{'tell_uncovered()' if traced else ''}",
    )


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
        if isinstance(node, ast.Name | ast.Attribute):
            name = node.id if isinstance(node, ast.Name) else node.attr
            if name in _CHEATS - allowed:
                return f"it mentions {name}"
        if isinstance(node, ast.ImportFrom | ast.Import):
            modules = [alias.name for alias in node.names]
            modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for module in modules:
                if module.partition(".")[0] in (_MODULES | _CHEATS) - allowed:
                    return f"it imports {module}"
    for owner, name in _replaced(tree):
        if name == "__class__" or (_COMPARING.fullmatch(name) and owner not in ("self", "cls")):
            return f"it replaces {name}"
    return ""


def _replaced(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """(what is left of the first dot, name) of each attribute that is assigned."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
            owner = node.value
            while isinstance(owner, ast.Attribute):
                owner = owner.value
            yield owner.id if isinstance(owner, ast.Name) else "", node.attr


def names_in(source: str) -> frozenset[str]:
    """All words of a text, for `allowed`."""
    return frozenset(re.findall(r"\w+", source))


@cache
def _source(name: str) -> str:
    return (files("sca_hf.benchmarks") / "in_jail" / f"{name}.py").read_text(encoding="utf-8")
