"""Compiles a program so that its assertions count, and says which of them touch the code under test.

An assertion touches the code if it mentions a name that `code` defines, or one that such a name has flowed into: a
result, a changed argument, a parameter of a test function. It is judged leniently there and strictly elsewhere:
constants, tuples and `x == x` never count. Every assertion of the tests is recorded when it fails, so that swallowing
it hides nothing.
"""

import ast
import builtins
import itertools
import opcode
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import CodeType

HELD, BARE, COUNT = "__sca_held__", "__sca_bare__", "__sca_count__"
"""Names that instrumented tests call: an assertion that counts, one that doesn't, a checking call that returned."""

CODE, TESTS = "<code>", "<tests>"
"""File names of the two parts in tracebacks."""

_MARKS = {
    "frames": "_getframe currentframe _current_frames f_back f_locals f_globals tb_frame __traceback__ gi_frame "
    "cr_frame settrace setprofile",
    "gc": "gc get_objects get_referrers get_referents",
    "ctypes": "ctypes _ctypes",
    "jail": "builtins __builtins__ __subclasses__ " + f"{HELD} {BARE} {COUNT}",
}
_MARK_OF = {name: flag for flag, names in _MARKS.items() for name in names.split()}
_MARKED = frozenset(_MARK_OF)
_RETURN_CONSTANT_BYTES = 6

_BUILTINS = frozenset(dir(builtins))
_LIMIT_OF_PLAIN = 20_000
_NOT_PLAIN = re.compile(
    r'"""|\'\'\'|\\\n|;|\b(?:try|with|class|lambda|or|if|yield|async|await|exec|eval|nonlocal|global|import)\b'
)
_PLAIN_ASSERT = re.compile(r"^[ \t]*assert (?:not )?(\w+)\(.*$", re.M)
_ASSERT = re.compile(r"^([ \t]*)(?=assert )", re.M)
_PARAMETERS = re.compile(r"^[ \t]*def (\w+)\(([\w, ]*)\):", re.M)
_STORE_NAME, _IMPORTS = opcode.opmap["STORE_NAME"], (opcode.opmap["IMPORT_NAME"], opcode.opmap["IMPORT_FROM"])
_EXTENDED = opcode.EXTENDED_ARG

_Function = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Prepared:
    """Both parts compiled. `plain`: the instrumented tests, where an assertion is counted before it is evaluated."""

    code: CodeType
    tests: CodeType
    flags: list[str]
    plain: str | None
    pytest: bool

    def counts_at(self, line: int) -> bool:
        """Whether this line of the tests counts its assertion first, so that raising there was one too many."""
        return self.plain is not None and self.plain.split("\n")[line - 1].lstrip().startswith(COUNT)


class Uncompilable(Exception):
    """The compiler refused a part. Holds the reason's type name and its line in the part, if it has one."""

    def __init__(self, part: str, reason: BaseException) -> None:
        super().__init__(part, reason)
        self.part = part
        self.exception = type(reason).__name__
        self.line = reason.lineno if isinstance(reason, SyntaxError) else None


def prepare(code: str, tests: str) -> Prepared:
    """Compiles without executing anything. Raises Uncompilable."""
    try:
        compiled = _compile(code, CODE)
    except _REFUSALS as reason:
        raise Uncompilable(CODE, reason) from None
    defined, imported = _module_names(compiled)
    plain = _instrument_plain(tests, defined)
    try:
        compiled_tests = _compile(plain, TESTS) if plain is not None else _compile_tests(tests, defined, imported)
    except _REFUSALS as reason:
        raise Uncompilable(TESTS, reason) from None
    flags = _flags(compiled) | _flags(compiled_tests)
    return Prepared(compiled, compiled_tests, sorted(flags), plain, "pytest" in compiled_tests.co_names)


# OverflowError and MemoryError are what deep or giant source ends in; ValueError is null bytes or an odd encoding.
_REFUSALS = (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError, UnicodeError)


def _compile(source: str | ast.Module, name: str) -> CodeType:
    compiled: CodeType = compile(source, name, "exec", dont_inherit=True, optimize=0)
    return compiled


def _compile_tests(tests: str, defined: set[str], imported: set[str]) -> CodeType:
    tree = ast.parse(tests, TESTS)
    _Instrument(_touching_names(tree, defined, imported), _function_names(tree)).visit_body(tree.body)
    return _compile(tree, TESTS)


def _instrument_plain(tests: str, defined: set[str]) -> str | None:
    """The tests with a counting call before each assertion, if all are of the plain form `assert f(…) …` with nothing
    around them that could swallow a failure; else None. Parsing to a tree costs as much as running a small program."""
    if len(tests) > _LIMIT_OF_PLAIN or _NOT_PLAIN.search(tests):
        return None
    names = set(defined)
    for function, parameters in _PARAMETERS.findall(tests):
        if function in defined:
            return None
        names.update(parameters.replace(" ", "").split(","))
    found = 0
    for match in _PLAIN_ASSERT.finditer(tests):
        statement = match[0]
        if match[1] not in names or not _balanced(statement):
            return None
        left, equals, right = statement.replace(" ", "").partition("==")
        if equals and right.startswith(left.strip().removeprefix("assert")):
            return None
        found += 1
    if not found or found != tests.count("assert"):
        return None
    return _ASSERT.sub(rf"\1{COUNT}();", tests)


def _balanced(line: str) -> bool:
    return all(line.count(opening) == line.count(closing) for opening, closing in ("()", "[]", "{}"))


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
        marked = _MARKED.intersection(code.co_names) | _MARKED.intersection(
            constant for constant in code.co_consts if type(constant) is str
        )
        found.update(_MARK_OF[name] for name in marked if name not in (COUNT, HELD, BARE))
        if code.co_name == "__eq__" and len(code.co_code) <= _RETURN_CONSTANT_BYTES and True in code.co_consts:
            found.add("always-equal")
        pending.extend(constant for constant in code.co_consts if isinstance(constant, CodeType))
    return found


def _touching_names(tree: ast.Module, defined: set[str], imported: set[str]) -> set[str]:
    """All names of the tests that the code under test has flowed into, by what stands together in one statement."""
    redefined = {
        statement.name
        for statement in tree.body
        if isinstance(statement, (*_Function, ast.ClassDef)) and statement.name in defined
    }
    excluded = _BUILTINS | imported
    touching = defined - redefined
    flows: list[tuple[set[str], set[str]]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            touching.add(node.arg)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            excluded = excluded | {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.stmt):
            flows.append(_flow(node))
    touching -= excluded - defined
    grown = True
    while grown:
        grown = False
        remaining = []
        for uses, targets in flows:
            if touching.isdisjoint(uses):
                remaining.append((uses, targets))
                continue
            before = len(touching)
            touching |= targets - excluded
            grown = grown or len(touching) > before
        flows = remaining
    return touching


def _flow(statement: ast.stmt) -> tuple[set[str], set[str]]:
    """(names it uses, names that receive something when one of those touches the code)."""
    if isinstance(statement, (*_Function, ast.ClassDef)):
        return _names([statement]), {statement.name}
    if isinstance(statement, ast.With | ast.AsyncWith):
        return _names([statement]), _names(statement.items)
    if isinstance(statement, ast.For | ast.AsyncFor):
        return _names([statement.iter]), _names([statement.target, statement.iter])
    if isinstance(statement, ast.Try):
        return _names(statement.body), {handler.name for handler in statement.handlers if handler.name}
    if isinstance(statement, ast.Assert | ast.If | ast.While):
        return set(), set()
    names = _names([statement])
    return names, names


def _names(nodes: Iterable[ast.AST]) -> set[str]:
    return {node.id for root in nodes for node in ast.walk(root) if isinstance(node, ast.Name)}


def _function_names(tree: ast.Module) -> set[str]:
    return {node.name for node in ast.walk(tree) if isinstance(node, _Function)}


class _Instrument:
    """Rewrites assertions in place. Walks statements only; expressions stay as they are."""

    def __init__(self, touching: set[str], own_functions: set[str]) -> None:
        self._touching = touching
        self._own_functions = own_functions

    def visit_body(self, body: list[ast.stmt]) -> None:
        rewritten: list[ast.stmt] = []
        for statement in body:
            rewritten.append(statement)
            if isinstance(statement, ast.Assert):
                counts = self._counts(statement.test)
                statement.test = _call(HELD if counts else BARE, [statement.test], statement)
                continue
            for inner in _bodies(statement):
                self.visit_body(inner)
            if self._checks(statement):
                rewritten.append(ast.copy_location(ast.Expr(_call(COUNT, [], statement)), statement))
        body[:] = rewritten

    def _counts(self, test: ast.expr) -> bool:
        if isinstance(test, ast.Tuple | ast.Constant) or _compares_with_itself(test):
            return False
        if isinstance(test, ast.BoolOp) and any(isinstance(value, ast.Constant) for value in test.values):
            return False
        return not self._touching.isdisjoint(_names([test]))

    def _checks(self, statement: ast.stmt) -> bool:
        """A call like `self.assertEqual(…)` or a block under `assertRaises` or `pytest.raises`, which touches the
        code."""
        if isinstance(statement, ast.With):
            calls = [item.context_expr for item in statement.items]
            touches = not self._touching.isdisjoint(_names([*calls, *statement.body]))
            return touches and any(_function_name(call).startswith(("assert", "raises", "warns")) for call in calls)
        if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Call):
            return False
        call = statement.value
        name = _function_name(call)
        if not name.startswith("assert") or name in self._own_functions:
            return False
        first_two = [ast.dump(argument) for argument in call.args[:2]]
        if len(first_two) == 2 and first_two[0] == first_two[1]:
            return False
        return not self._touching.isdisjoint(_names([*call.args, *call.keywords]))


def _bodies(statement: ast.stmt) -> Iterator[list[ast.stmt]]:
    for field in ("body", "orelse", "finalbody"):
        inner = getattr(statement, field, None)
        if isinstance(inner, list):
            yield inner
    for part in itertools.chain(getattr(statement, "handlers", ()), getattr(statement, "cases", ())):
        yield part.body


def _compares_with_itself(test: ast.expr) -> bool:
    if not isinstance(test, ast.Compare):
        return False
    sides = [ast.dump(side) for side in (test.left, *test.comparators)]
    return len(set(sides)) == 1 and all(isinstance(op, ast.Eq | ast.Is | ast.LtE | ast.GtE) for op in test.ops)


def _function_name(call: ast.expr) -> str:
    function = call.func if isinstance(call, ast.Call) else call
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _call(name: str, arguments: list[ast.expr], place: ast.AST) -> ast.Call:
    function = ast.copy_location(ast.Name(name, ast.Load()), place)
    return ast.copy_location(ast.Call(function, arguments, []), place)
