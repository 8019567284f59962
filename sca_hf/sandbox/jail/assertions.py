"""Compiles a program so that its assertions count.

Every assertion of the tests is recorded when it fails, so that swallowing it hides nothing. Which ones touch the code
under test is found out by `instrument`, which needs the syntax tree, or here, for the plain form that most tests have:
making and compiling a tree takes longer than running a small program.
"""

import opcode
import re
from collections.abc import Callable
from types import CodeType
from typing import NamedTuple

HELD, BARE, COUNT = "__sca_held__", "__sca_bare__", "__sca_count__"
"""Names that instrumented tests call: an assertion that counts, one that doesn't, a checking call that returned."""

CODE, TESTS = "<code>", "<tests>"
"""File names of the two parts in tracebacks."""

_MARKS = {
    "frames": "_getframe currentframe _current_frames f_back f_locals f_globals tb_frame __traceback__ gi_frame "
    "cr_frame settrace setprofile",
    "gc": "gc get_objects get_referrers get_referents",
    "ctypes": "ctypes _ctypes",
    "jail": "builtins __builtins__ __subclasses__",
}
_MARK_OF = {name: flag for flag, names in _MARKS.items() for name in names.split()}
_MARKED = frozenset(_MARK_OF)
_RETURN_CONSTANT_BYTES = 6

_LIMIT_OF_PLAIN = 20_000
_NOT_PLAIN_WORDS = (
    *("try", "with", "class", "lambda", "or", "if", "yield", "async", "await", "exec", "eval", "nonlocal", "global"),
    "import",
)
_NOT_PLAIN_SIGNS = ('"""', "'''", "\\\n", ";")
_NOT_PLAIN = re.compile("|".join([*map(re.escape, _NOT_PLAIN_SIGNS), rf"\b(?:{'|'.join(_NOT_PLAIN_WORDS)})\b"]))
_PLAIN_ASSERT = re.compile(r"^[ \t]*assert (?:not )?(\w+)\(.*$", re.M)
_PLAIN_LINE = re.compile(r"assert (?:not )?(\w+)\(")
_ASSERT = re.compile(r"^([ \t]*)(?=assert )", re.M)
_CAN_SWALLOW = re.compile(
    r"except|finally|suppress|[Tt]hread|concurrent|asyncio|unittest|__del__|__exit__|import_module"
)
_PARAMETERS = re.compile(r"^[ \t]*def (\w+)\(([\w, ]*)\):", re.M)
_STORE_NAME, _IMPORTS = opcode.opmap["STORE_NAME"], (opcode.opmap["IMPORT_NAME"], opcode.opmap["IMPORT_FROM"])
_EXTENDED = opcode.EXTENDED_ARG

# OverflowError and MemoryError are what deep or giant source ends in; ValueError is null bytes or an odd encoding.
_REFUSALS = (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError)


Rewrite = Callable[[str, set[str], set[str]], object]
"""Tests, names that the code defines, names that it imports: the syntax tree of the instrumented tests."""


class Counting(NamedTuple):
    """How a program's assertions are counted, and what makes a pass less sure. Holds only what `marshal` takes."""

    flags: list[str]
    plain: str | None
    """The source of tests of plain form, each counted before it is evaluated, or, where every line is one, by
    `straight`."""
    straight: int
    """How many assertions there are, if every line is one."""

    def held(self, counted: int, last_line: int) -> int:
        """Assertions that held. `counted`: what they reported; `last_line`: of the tests that raised, or 0."""
        if self.plain is None:
            return counted
        if not last_line:
            return self.straight or counted
        lines = self.plain.split("\n")
        if self.straight:
            return sum(line.startswith("assert ") for line in lines[: last_line - 1])
        return counted - (last_line > 0 and lines[last_line - 1].lstrip().startswith(COUNT))


NOT_COUNTED = Counting([], None, 0)
"""Of a program that counts for itself."""


class Prepared(NamedTuple):
    """Both parts compiled. `collects`: whether tests of pytest's style are to be run at the end."""

    code: CodeType
    tests: CodeType
    collects: bool
    counting: Counting


class Uncompilable(Exception):
    """The compiler refused a part. Holds the reason's type name and its line in the part, if it has one."""

    def __init__(self, part: str, reason: BaseException) -> None:
        super().__init__(part, reason)
        self.part = part
        self.exception = type(reason).__name__
        self.line = reason.lineno if isinstance(reason, SyntaxError) else None

    def place(self, offset: int) -> tuple[str, int | None]:
        """The exception and its line, which counts through both parts. `offset`: lines of the code part."""
        return self.exception, self.line + offset if self.line is not None and self.part == TESTS else self.line


class NeedsFull(Exception):
    """The program needs a jail that has more imported: the syntax tree, or the watched test runners."""


def may_be_plain(tests: str) -> bool:
    """Whether the tests have nothing that could swallow a failure, or that a look at single lines could mistake."""
    if len(tests) > _LIMIT_OF_PLAIN:
        return False
    # Most tests have not even a part of a word like these, which is found out 20 times as fast.
    parts = any(part in tests for part in _NOT_PLAIN_SIGNS) or any(part in tests for part in _NOT_PLAIN_WORDS)
    return not parts or _NOT_PLAIN.search(tests) is None


def prepare(code: str, tests: str, rewrite: Rewrite | None) -> Prepared:
    """Compiles without executing anything. Raises Uncompilable, and NeedsFull where there is no `rewrite`."""
    try:
        compiled = _compile(code, CODE)
    except _REFUSALS as reason:
        raise Uncompilable(CODE, reason) from None
    defined, imported = _module_names(compiled)
    plain, straight = None, 0
    if may_be_plain(tests):
        straight = _straight(tests, defined)
        plain = tests if straight else _instrument_plain(code, tests, defined)
    try:
        if plain is not None:
            return _prepared(compiled, _compile(plain, TESTS), plain, straight)
        if rewrite is None:
            raise NeedsFull
        return _prepared(compiled, _compile(rewrite(tests, defined, imported), TESTS), None, 0)
    except _REFUSALS as reason:
        raise Uncompilable(TESTS, reason) from None


def _prepared(code: CodeType, tests: CodeType, plain: str | None, straight: int) -> Prepared:
    counting = Counting(sorted(_flags(code) | _flags(tests)), plain, straight)
    return Prepared(code, tests, "pytest" in tests.co_names, counting)


def _compile(source: object, name: str) -> CodeType:
    compiled: CodeType = compile(source, name, "exec", dont_inherit=True, optimize=0)  # type: ignore[call-overload]
    return compiled


def _straight(tests: str, defined: set[str]) -> int:
    """How many assertions there are if every line is one of the plain form `assert f(…) …`, at the margin; else 0."""
    found = 0
    for line in tests.split("\n"):
        if line and not line.isspace():
            match = _PLAIN_LINE.match(line)
            if match is None or match[1] not in defined or _repeats_itself(line, match[1]):
                return 0
            found += 1
    return found


def _repeats_itself(statement: str, function: str) -> bool:
    """Whether it is of the form `f(x) == f(x)`."""
    if statement.count(function) == 1:
        return False
    left, equals, right = statement.replace(" ", "").partition("==")
    return bool(equals) and right.startswith(left.strip().removeprefix("assert"))


def _instrument_plain(code: str, tests: str, defined: set[str]) -> str | None:
    """The tests with a counting call before each assertion, if all are of the plain form `assert f(…) …` and the code
    has nothing that could swallow one that fails in a function given to it; else None."""
    if _CAN_SWALLOW.search(code):
        return None
    names = set(defined)
    for function, parameters in _PARAMETERS.findall(tests):
        if function in defined:
            return None
        names.update(parameters.replace(" ", "").split(","))
    found = 0
    for match in _PLAIN_ASSERT.finditer(tests):
        statement = match[0]
        if match[1] not in names or not _balanced(statement) or _repeats_itself(statement, match[1]):
            return None
        found += 1
    if found != tests.count("assert"):
        return None
    return _ASSERT.sub(rf"\1{COUNT}();", tests)


def _balanced(line: str) -> bool:
    return (
        line.count("(") == line.count(")") and line.count("[") == line.count("]") and line.count("{") == line.count("}")
    )


def _module_names(compiled: CodeType) -> tuple[set[str], set[str]]:
    """Names that the module's own statements bind: (defined, imported)."""
    defined: set[str] = set()
    imported: set[str] = set()
    names, argument, before = compiled.co_names, 0, 0
    code = compiled.co_code
    for operation, low in zip(code[::2], code[1::2], strict=True):
        argument = argument << 8 | low
        if operation == _EXTENDED:
            continue
        if operation == _STORE_NAME:
            (imported if before in _IMPORTS else defined).add(names[argument])
        before, argument = operation, 0
    return defined, imported


def _flags(compiled: CodeType) -> set[str]:
    found: set[str] = set()
    pending = [compiled]
    while pending:
        code = pending.pop()
        if not (_MARKED.isdisjoint(code.co_names) and _MARKED.isdisjoint(code.co_consts)):
            found.update(_MARK_OF[name] for name in _MARKED.intersection(code.co_names + code.co_consts))
        if code.co_name == "__eq__" and len(code.co_code) <= _RETURN_CONSTANT_BYTES and True in code.co_consts:
            found.add("always-equal")
        pending.extend(constant for constant in code.co_consts if type(constant) is CodeType)
    return found
