"""Concepts of a Python snippet by static analysis: the labels that the demo model learns to name."""

import ast
from collections import Counter
from collections.abc import Iterator

_BY_NODE: dict[type[ast.AST], str] = {
    ast.ListComp: "list comprehension",
    ast.DictComp: "dictionary comprehension",
    ast.SetComp: "set comprehension",
    ast.GeneratorExp: "generator expression",
    ast.Lambda: "lambda functions",
    ast.IfExp: "conditional expression",
    ast.JoinedStr: "string formatting",
    ast.With: "context managers",
    ast.Try: "exception handling",
    ast.Raise: "raising exceptions",
    ast.Assert: "assertions",
    ast.While: "while loop",
    ast.Continue: "skipping iterations",
    ast.Break: "loop termination",
    ast.Yield: "generator",
    ast.YieldFrom: "generator",
    ast.Await: "asynchronous programming",
    ast.AsyncFunctionDef: "asynchronous programming",
    ast.Starred: "argument unpacking",
    ast.NamedExpr: "assignment expressions",
    ast.Slice: "slicing",
    ast.ClassDef: "class definition",
    ast.Nonlocal: "closures",
    ast.Global: "global state",
    ast.Delete: "deleting names",
    ast.Match: "pattern matching",
    ast.Import: "importing modules",
    ast.ImportFrom: "importing modules",
}
_BY_CALL = {
    **dict.fromkeys(("split", "rsplit", "splitlines", "partition", "rpartition"), "string splitting"),
    **dict.fromkeys(("join",), "string joining"),
    **dict.fromkeys(("upper", "lower", "capitalize", "title", "swapcase", "casefold"), "case conversion"),
    **dict.fromkeys(("startswith", "endswith", "removeprefix", "removesuffix"), "prefix and suffix tests"),
    **dict.fromkeys(("strip", "lstrip", "rstrip"), "whitespace trimming"),
    **dict.fromkeys(("replace", "translate", "maketrans"), "string replacement"),
    **dict.fromkeys(("find", "rfind", "index", "rindex"), "searching in sequences"),
    **dict.fromkeys(("format", "format_map"), "string formatting"),
    **dict.fromkeys(("encode", "decode"), "text encoding"),
    **dict.fromkeys(("append", "extend", "insert", "pop"), "list building"),
    **dict.fromkeys(("get", "setdefault", "fromkeys"), "dictionary lookup"),
    **dict.fromkeys(("items", "keys", "values"), "dictionary iteration"),
    **dict.fromkeys(("union", "intersection", "difference", "issubset", "add", "discard"), "set operations"),
    **dict.fromkeys(("match", "search", "fullmatch", "findall", "finditer", "sub", "compile"), "regular expressions"),
    **dict.fromkeys(("read", "readline", "readlines", "write", "open", "close"), "file handling"),
    **dict.fromkeys(("int", "float", "str", "bool", "bytes", "list", "tuple", "dict"), "type conversion"),
    **dict.fromkeys(("isinstance", "issubclass", "type", "callable"), "type checking"),
    **dict.fromkeys(("getattr", "setattr", "hasattr", "vars", "dir"), "attribute access by name"),
    **dict.fromkeys(("sum", "prod", "fsum"), "summation"),
    **dict.fromkeys(("min", "max"), "minimum and maximum"),
    **dict.fromkeys(("any", "all"), "boolean reduction"),
    **dict.fromkeys(("map", "filter", "reduce"), "higher-order functions"),
    **dict.fromkeys(("zip",), "parallel iteration"),
    **dict.fromkeys(("enumerate",), "enumeration"),
    **dict.fromkeys(("range",), "counting loop"),
    **dict.fromkeys(("sorted", "sort"), "sorting"),
    **dict.fromkeys(("reversed",), "reversal"),
    **dict.fromkeys(("set", "frozenset"), "set operations"),
    **dict.fromkeys(("next", "iter"), "iterators"),
    **dict.fromkeys(("count",), "counting occurrences"),
    **dict.fromkeys(("accumulate", "chain", "groupby", "islice", "product"), "itertools"),
    **dict.fromkeys(("sqrt", "log", "exp", "sin", "cos", "floor", "ceil", "pow"), "mathematical functions"),
    **dict.fromkeys(("warn",), "warnings"),
    **dict.fromkeys(("super",), "inheritance"),
    **dict.fromkeys(("print",), "printing"),
    **dict.fromkeys(("copy", "deepcopy"), "copying objects"),
    **dict.fromkeys(("ord", "chr", "hex", "bin"), "character codes"),
    **dict.fromkeys(("abs", "round", "divmod"), "rounding and absolute values"),
    **dict.fromkeys(("pack", "unpack"), "binary packing"),
    **dict.fromkeys(("heappush", "heappop", "heapify"), "heap queues"),
}
# What nearly every function has says little: named only when a snippet has little else.
_COMMON = ("for loop", "conditional statements", "list building", "arithmetic")


def concept_labels(code: str) -> tuple[str, ...]:
    """Two to five concepts of `code`, the most telling first, in an order that depends on the code alone.

    Raises SyntaxError when `code` does not parse.
    """
    found = Counter(_concepts(ast.parse(code)))
    telling = [concept for concept, _ in found.most_common() if concept not in _COMMON]
    common = [concept for concept in _COMMON if concept in found]
    chosen = telling[:5]
    return tuple(chosen + common[: max(0, 2 - len(chosen)) or (1 if len(chosen) < 5 else 0)]) or (
        "function definition",
    )


def vocabulary() -> tuple[str, ...]:
    """Every name that `concept_labels` can give, sorted."""
    others = (
        *("recursion", "default arguments", "early return", "keyword arguments", "variable arguments", "decorators"),
        *("nested functions", "type hints", "set operations", "bitwise operations", "integer division", "modulo"),
        *("string formatting", "sequence indexing", "tuple unpacking", "sorting with a key", "reversal"),
        *("membership tests", "exponentiation", "dictionary building", "boolean logic", "function definition"),
        *("comparison chaining", "accumulation", "object state", "function composition"),
    )
    return tuple(sorted({*_BY_NODE.values(), *_BY_CALL.values(), *_COMMON, *others}))


def _concepts(tree: ast.Module) -> Iterator[str]:
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    for node in ast.walk(tree):
        if name := _BY_NODE.get(type(node)):
            yield name
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _of_function(node)
        elif isinstance(node, ast.Call):
            yield from _of_call(node, functions)
        elif isinstance(node, ast.Subscript) and not isinstance(node.slice, ast.Slice):
            yield "dictionary building" if isinstance(node.ctx, ast.Store) else "sequence indexing"
        elif isinstance(node, ast.Slice) and _is_minus_one(node.step):
            yield "reversal"
        elif isinstance(node, ast.BinOp):
            yield from _of_operator(node)
        elif isinstance(node, ast.Compare):
            if any(isinstance(op, ast.In | ast.NotIn) for op in node.ops):
                yield "membership tests"
            if len(node.ops) > 1:
                yield "comparison chaining"
        elif isinstance(node, ast.BoolOp):
            yield "boolean logic"
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple):
            yield "tuple unpacking"
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
            yield "object state"
        elif isinstance(node, ast.AugAssign):
            yield "accumulation"
        elif isinstance(node, ast.For):
            yield "for loop"
            if isinstance(node.target, ast.Tuple):
                yield "tuple unpacking"
        elif isinstance(node, ast.If):
            yield "conditional statements"


def _of_function(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    if node.args.defaults or any(node.args.kw_defaults):
        yield "default arguments"
    if node.args.kwonlyargs:
        yield "keyword arguments"
    if node.args.vararg or node.args.kwarg:
        yield "variable arguments"
    if node.decorator_list:
        yield "decorators"
    if node.returns or any(argument.annotation for argument in node.args.args):
        yield "type hints"
    inside = [child for child in ast.walk(node) if child is not node]
    if any(isinstance(child, ast.FunctionDef) for child in inside):
        yield "nested functions"
    called = {child.func.id for child in inside if isinstance(child, ast.Call) and isinstance(child.func, ast.Name)}
    if node.name in called:
        yield "recursion"
    first = [statement for statement in node.body if not isinstance(statement, ast.Expr)][:1]
    if any(isinstance(s, ast.If) and any(isinstance(c, ast.Return) for c in s.body) for s in first):
        yield "early return"


def _of_call(node: ast.Call, functions: set[str]) -> Iterator[str]:
    name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
    keyed = any(keyword.arg == "key" for keyword in node.keywords)
    if keyed and name in ("sorted", "sort", "min", "max"):
        yield "sorting with a key" if name.startswith("sort") else "minimum and maximum"
    elif concept := _BY_CALL.get(name):
        yield concept
    elif name in functions:
        yield "function composition"


def _of_operator(node: ast.BinOp) -> Iterator[str]:
    if isinstance(node.op, ast.Mod):
        is_text = isinstance(node.left, ast.Constant) and isinstance(node.left.value, str)
        yield "string formatting" if is_text else "modulo"
    elif isinstance(node.op, ast.FloorDiv):
        yield "integer division"
    elif isinstance(node.op, ast.Pow):
        yield "exponentiation"
    elif isinstance(node.op, ast.BitAnd | ast.BitOr | ast.BitXor | ast.LShift | ast.RShift):
        yield "bitwise operations"
    else:
        yield "arithmetic"


def _is_minus_one(node: ast.expr | None) -> bool:
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant)
