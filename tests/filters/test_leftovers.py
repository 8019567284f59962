"""What counts as left to be done."""

import pytest

from sca_hf.filters.leftovers import LeftoverWords, has_substring
from sca_hf.stages.select import SelectSettings

LEFTOVERS = SelectSettings().leftovers
TESTS = "```python\nassert add(1, 2) == 3\n```"


def python(code: str) -> str:
    return f"Here it is.\n\n```python\n{code}\n```"


ABSTRACT = """
class Shape{bases}:
    def area(self):
        {body}

class Square(Shape):
    def __init__(self, side):
        self.side = side

    {defined}
"""


@pytest.mark.parametrize(
    "response",
    [
        python("class TodoList:\n    pass"),
        python("def add_todo(todos, todo):\n    todos.append(todo)"),
        python('todo = {"TODO": [], "DONE": []}\nprint("TODO")'),
        python("class State(Enum):\n    TODO = 1\n    DONE = 2"),
        python("# Add the todo to the others.\ntodos.append(todo)"),
        python('def add_todo(todo):\n    """Add a todo to the todo list."""\n    todos.append(todo)'),
        "A client of Mastodon, and a todo app.",
        "El método devuelve todo lo que hay: todos los métodos.",
        "It keeps a TODO-list in `TODO`.",
        python("# Un método que suma todo\ndef sumar(xs):\n    return sum(xs)"),
        python("mastodon = 'todo: buy milk'"),
        python("def __eq__(self, other):\n    return NotImplemented"),
        python("def f(x):\n    if x < 0:\n        raise NotImplementedError('negative')\n    return x"),
        python("def f(x=...):\n    return x"),
        python("class Empty(Exception):\n    ..."),
        python("def f():\n    pass"),
        python("x: Tuple[int, ...] = (1, 2)"),
        python(ABSTRACT.format(bases="(ABC)", body="raise NotImplementedError", defined="pass")),
        python(ABSTRACT.format(bases="(metaclass=ABCMeta)", body="...", defined="pass")),
        python(ABSTRACT.format(bases="(abc.ABC)", body='"""The area."""\n        ...', defined="pass")),
        python(ABSTRACT.format(bases="(Protocol[T])", body="...", defined="pass")),
        python(ABSTRACT.format(bases="", body="raise NotImplementedError()", defined="def area(self): return 1")),
        python("class Base:\n    def f(self):\n        raise NotImplementedError")
        + "\n\n"
        + python("class Middle(Base):\n    pass\n\nclass Last(Middle):\n    def f(self):\n        return 1"),
        python("class Base:\n    @abstractmethod\n    def f(self):\n        ..."),
        python("@overload\ndef f(x: int) -> int: ...\n\ndef f(x):\n    return x"),
        "```text\n# TODO\n```\n" + python("x = 1"),
    ],
)
def test_no_leftover(response: str) -> None:
    assert not LeftoverWords(LEFTOVERS).are_in([response, TESTS])


@pytest.mark.parametrize(
    "response",
    [
        python("def f(x):\n    return x  # TODO"),
        python("# todo: negative numbers\nx = 1"),
        python("#todo\nx = 1"),
        python("# FIXME: slow\nx = 1"),
        python("# Slow, FIXME\nx = 1"),
        python("# TODO(me) sort\nx = 1"),
        python('def f(x):\n    """Return x.\n\n    TODO: sort.\n    """\n    return x'),
        python("def f(x):\n    # your code here\n    return x"),
        python('print("Your  code here")'),
        "Put your code\nhere.",
        "TODO: explain.\n\n" + python("x = 1"),
        "- todo: explain\n\n" + python("x = 1"),
        "It works (FIXME).",
        python("def f(x):\n    raise NotImplementedError"),
        python('def f(x):\n    """Return x."""\n    raise NotImplementedError("later")'),
        python("def f(x):\n    ..."),
        python('async def f(x):\n    """Return x."""\n    ...'),
        python("class A:\n    def f(self):\n        raise NotImplementedError()"),
        python(ABSTRACT.format(bases="", body="raise NotImplementedError", defined="def area_of(self): return 1")),
        python("def outer():\n    def inner():\n        ...\n    return inner"),
        python("def f(:\n    pass  # TODO"),
    ],
)
def test_a_leftover(response: str) -> None:
    words = LeftoverWords(LEFTOVERS)
    assert words.are_in([response, TESTS])
    assert words.are_in([python("x = 1"), response])


def test_leftovers_of_ones_own() -> None:
    words = LeftoverWords(["xxx", "lorem ipsum", "$HOME", "#x"])
    assert words.are_in([python("# xxx: sort")])
    assert words.are_in(["Lorem ipsum dolor"])
    assert not words.are_in([python("xxx = 1  # TODO")])
    assert not LeftoverWords([]).are_in(["TODO: your code here"])


@pytest.mark.parametrize("text", ["A TodoList", "Mastodon", "el método", "raise NotImplementedError", "add_todo"])
def test_the_papers_rule_is_by_substrings(text: str) -> None:
    assert has_substring(["", text], LEFTOVERS)
    assert not has_substring(["to do"], LEFTOVERS)
