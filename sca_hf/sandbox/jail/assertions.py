"""Compiles a program so that its checks count (`instrument` has the rule), and says what makes a pass less sure."""

import ast
from types import CodeType
from typing import NamedTuple

from .checks import instrument_tests
from .instrument import Survey, docstring_length, instrument_answer, is_main_guard
from .record import CODE, TESTS, Test

_MARKS = {
    "frames": "_getframe currentframe _current_frames f_back f_locals f_globals tb_frame __traceback__ gi_frame "
    "cr_frame settrace setprofile",
    "gc": "get_objects get_referrers get_referents",
    "ctypes": "ctypes _ctypes",
    "jail": "builtins __builtins__ __subclasses__",
}
_MARK_OF = {name: flag for flag, names in _MARKS.items() for name in names.split()}
_MARKED = frozenset(_MARK_OF)
_HOOKS = "__sca_"
_SEES_ITS_FILE = ("__file__", "inspect", "getsource", "linecache")

# OverflowError and MemoryError are what deep or giant source ends in; ValueError is null bytes or an odd encoding.
_REFUSALS = (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError)


class Facts(NamedTuple):
    """What is known of a program before it runs. Holds only what `marshal` takes."""

    offset: int
    """Lines of the code part."""
    defined: list[str]
    modules: list[str]
    """Names under which the answer is imported from."""
    tests: list[Test]
    doctest: int
    """Line of the tests with the first docstring that has examples, or 0."""
    last_line: int
    """Where the last statement of the tests begins."""
    uses_pytest: bool
    uses_mocks: bool
    sources: tuple[str, str] | None
    """Of both parts, if the program may look at its files."""


class Prepared(NamedTuple):
    """Both parts compiled."""

    code: CodeType
    tests: CodeType
    facts: Facts
    flags: list[str]


class Uncompilable(Exception):
    """The compiler refused a part. Holds the program's status, the reason's type name, and its line if it has one."""

    def __init__(self, reason: BaseException, offset: int) -> None:
        super().__init__(reason)
        self.exception = type(reason).__name__
        self.line = reason.lineno + offset if isinstance(reason, SyntaxError) and reason.lineno is not None else None
        self.status = "out-of-memory" if isinstance(reason, MemoryError) else "syntax-error"


def prepare(code: str, tests: str) -> Prepared:
    """Compile without executing anything. Raises Uncompilable."""
    offset = code.count("\n") + 1
    answer, testing = _parse(code, CODE, 0), _parse(tests, TESTS, offset)
    survey = Survey(testing)
    always_equal = "__eq__" in code + tests and any(map(_is_always_equal, (*ast.walk(answer), *ast.walk(testing))))
    try:
        names = instrument_answer(answer, survey, code, tests)
        facts = Facts(
            offset,
            sorted(names.defined),
            sorted(names.modules),
            instrument_tests(testing, names, survey),
            _doctest_line(testing, survey) if ">>>" in tests else 0,
            _last_line(testing),
            "pytest" in tests or "pytest" in code,
            "mock" in tests or "mock" in code,
            (code, tests) if any(word in code or word in tests for word in _SEES_ITS_FILE) else None,
        )
    except RecursionError as reason:
        raise Uncompilable(reason, 0) from None
    parts = _compile(answer, CODE, 0), _compile(testing, TESTS, offset)
    flags = _flags(parts[0]) | _flags(parts[1])
    if always_equal:
        flags.add("always-equal")
    if _HOOKS in code or _HOOKS in tests:
        flags.add("jail")
    return Prepared(*parts, facts, sorted(flags))


def _parse(source: str, name: str, offset: int) -> ast.Module:
    try:
        return ast.parse(source, name)
    except _REFUSALS as reason:
        raise Uncompilable(reason, offset) from None


def _compile(tree: ast.Module, name: str, offset: int) -> CodeType:
    try:
        return compile(tree, name, "exec", dont_inherit=True, optimize=0)
    except _REFUSALS as reason:
        raise Uncompilable(reason, offset) from None


def _last_line(tests: ast.Module) -> int:
    """Return where the last statement begins, that of a main guard in its place."""
    last = tests.body[-1] if tests.body else None
    while isinstance(last, ast.If) and is_main_guard(last) and not last.orelse:
        last = last.body[-1]
    return 0 if last is None else last.lineno


def _doctest_line(tests: ast.Module, survey: Survey) -> int:
    documented = [tests, *survey.of(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)]
    lines = [node.body[0].lineno for node in documented if node.body and ">>> " in (ast.get_docstring(node) or "")]
    return min(lines, default=0)


def _is_always_equal(node: ast.AST) -> bool:
    """Return whether this is an `__eq__` that says yes to all."""
    if not isinstance(node, ast.FunctionDef) or node.name != "__eq__":
        return False
    body = node.body[docstring_length(node.body) :]
    return len(body) == 1 and isinstance(body[0], ast.Return) and getattr(body[0].value, "value", None) is True


def _flags(compiled: CodeType) -> set[str]:
    found: set[str] = set()
    pending = [compiled]
    while pending:
        code = pending.pop()
        if not (_MARKED.isdisjoint(code.co_names) and _MARKED.isdisjoint(code.co_consts)):
            found.update(_MARK_OF[name] for name in _MARKED.intersection(code.co_names + code.co_consts))
        pending.extend(constant for constant in code.co_consts if type(constant) is CodeType)
    return found
