"""Salvage: of a broken file every documented function that is whole, and a note of those that are not."""

import ast
import random
import warnings

import pytest
import tree_sitter
import tree_sitter_python

from sca_hf.corpus.languages.python.functions import Function, documented_functions
from sca_hf.corpus.languages.python.salvage import salvaged_functions
from sca_hf.corpus.sources import open_source

GOOD = "def good(a):\n    '''Doc.'''\n    return re.escape(a)\n"


def _names(text: str) -> list[tuple[str, bool]]:
    return [(found.name, isinstance(found, Function)) for found in salvaged_functions(text)]


@pytest.mark.parametrize(
    "broken",
    [
        "print 'Python 2'",
        "exec code in scope",
        "try:\n    x\nexcept A, e:\n    pass",
        "<<<<<<< HEAD\nx = 1\n=======\nx = 2\n>>>>>>> other",
        "def bad(:\n    '''Doc.'''\n    return 1",
        "x = (1,\n",
        "class C:\n    def m(self):\n        print 'x'\n",
        "x = 'no end\n",
        "x = 1\0",
        "if x:\nfoo()",
        "%%bash",
    ],
)
def test_what_stands_around_a_broken_statement_is_found_with_its_imports(broken: str) -> None:
    for text in (f"import re\n{broken}\n{GOOD}", f"import re\n\n{GOOD}\n{broken}\n"):
        (function,) = [found for found in salvaged_functions(text) if isinstance(found, Function)]
        assert function.standalone == f"import re\n\n{GOOD}".rstrip()
        assert text.split("\n")[function.line - 1] == "def good(a):"


def test_a_stray_line_among_comments_at_the_top_costs_nothing_below_it() -> None:
    assert _names(f"# License.\n    return }}\n# More.\n\nimport re\n{GOOD}") == [("good", True)]
    assert _names(f"    return 1\n{GOOD}") == [("good", True)]


def test_an_import_before_a_stray_indented_line_counts() -> None:
    (function,) = salvaged_functions(f"import re\n    stray = 1\n{GOOD}")
    assert isinstance(function, Function)
    assert function.imports == ("import re",)


def test_a_function_with_a_broken_body_is_named() -> None:
    text = "@wrap\ndef old(a):\n    '''Doc.'''\n    print a\n\n\ndef bare(a):\n    print a\n" + GOOD
    assert _names(text) == [("old", False), ("good", True)]
    assert salvaged_functions(text)[0].line == 1


def test_margins_inside_strings_and_brackets_are_no_statements() -> None:
    function = "def f(\n    a,\n):\n    '''Doc.\n\nAt the margin.\n    '''\n    return [\n1,\n]\n"
    assert _names(f"print 1\n{function}\n{GOOD}") == [("f", True), ("good", True)]
    assert _names(f"print 1\ndef f(a):\n    '''Doc.'''\n    return '''\n{GOOD}") == [("f", False), ("good", True)]


def test_tabs_and_blanks_mix_as_python_2_read_them() -> None:
    (function,) = salvaged_functions("def f(a):\n    '''Doc.'''\n    if a:\n\treturn 1\n    return 2\n")
    assert isinstance(function, Function)
    assert "\t" not in function.source
    ast.parse(function.source)


QUERY = tree_sitter.Query(
    tree_sitter.Language(tree_sitter_python.language()),
    """(module [(function_definition name: (identifier) @name body: (block . (expression_statement (string))))
               (decorated_definition definition: (function_definition name: (identifier) @name
                   body: (block . (expression_statement (string)))))])""",
)


def _queried(text: str) -> set[str]:
    """Names of documented functions as the reference looks for them, without the methods that an error moves up."""
    tree = tree_sitter.Parser(tree_sitter.Language(tree_sitter_python.language())).parse(text.encode())
    found = tree_sitter.QueryCursor(QUERY).captures(tree.root_node).get("name", [])
    margin = (node for node in found if node.parent and node.parent.start_point.column == 0)
    return {node.text.decode() for node in margin if node.text}


def test_at_least_as_many_functions_are_found_in_broken_files_as_by_tree_sitter() -> None:
    draw = random.Random(3)
    ours = theirs = 0
    for row in open_source("stdlib").rows.select(range(0, 400, 5)):
        text = row["content"].decode("utf-8", "replace").replace("\r\n", "\n")
        lines = text.split("\n")
        at = draw.randrange(len(lines))
        lines.insert(at, draw.choice(["print 'x'", "x = (", "<<<<<<< HEAD", "    return }", "def broken(:"]))
        text = "\n".join(lines)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                names = {function.name for function in documented_functions(text)}
            except SyntaxError:
                names = {name for name, _ in _names(text)}
        ours += len(names)
        theirs += len(_queried(text))
    assert ours >= theirs > 100
