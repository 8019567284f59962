"""Responses, and hand-made suites of tests for them: sound ones, and ones that would pass whatever the response did."""

from dataclasses import dataclass

RESPONSES = {
    "evens": "def evens(xs):\n    return [x for x in xs if x % 2 == 0]",
    "mean": "def mean(xs):\n    if not xs:\n        raise ValueError('no values')\n    return sum(xs) / len(xs)",
    "slug": "def slug(text):\n    return '-'.join(text.lower().split())",
    "is_prime": (
        "def is_prime(n):\n    if n < 2:\n        return False\n"
        "    for d in range(2, int(n ** 0.5) + 1):\n        if n % d == 0:\n            return False\n    return True"
    ),
    "count": (
        "def count(words):\n    counts = {}\n    for word in words:\n"
        "        counts[word] = counts.get(word, 0) + 1\n    return counts"
    ),
    "Stack": (
        "class Stack:\n    def __init__(self):\n        self._items = []\n\n"
        "    def push(self, item):\n        self._items.append(item)\n\n"
        "    def pop(self):\n        if not self._items:\n            raise IndexError('empty stack')\n"
        "        return self._items.pop()\n\n    def __len__(self):\n        return len(self._items)"
    ),
    "Point": (
        "from dataclasses import dataclass\n\n\n@dataclass(frozen=True)\nclass Point:\n    x: int\n    y: int\n\n"
        "    def moved(self, dx, dy):\n        return Point(self.x + dx, self.y + dy)\n\n"
        "    def __add__(self, other):\n        return Point(self.x + other.x, self.y + other.y)"
    ),
    "chunks": "def chunks(xs, size):\n    for begin in range(0, len(xs), size):\n        yield xs[begin:begin + size]",
    "memoize": (
        "import functools\n\n\ndef memoize(function):\n    known = {}\n\n    @functools.wraps(function)\n"
        "    def remembered(x):\n        if x not in known:\n            known[x] = function(x)\n"
        "        return known[x]\n    return remembered"
    ),
    "find": (
        "def find(rows, name):\n    for row in rows:\n"
        "        if row['name'] == name:\n            return row\n    return None"
    ),
    "sort_in_place": "def sort_in_place(xs):\n    for i in range(len(xs)):\n        for j in range(i):\n"
    "            if xs[i] < xs[j]:\n                xs[i], xs[j] = xs[j], xs[i]",
    "main": (
        "def parse(line):\n    name, amount = line.split(':')\n    return name.strip(), int(amount)\n\n\n"
        "def main(lines):\n    total = sum(parse(line)[1] for line in lines)\n    return f'total: {total}'"
    ),
}


@dataclass(frozen=True)
class Suite:
    """`response`: its name in RESPONSES."""

    response: str
    tests: str


VACUOUS = {
    # Expected values from the function under test.
    "the same call on both sides": Suite("evens", "assert evens([1, 2]) == evens([1, 2])"),
    "expected by the function": Suite("mean", "expected = mean([1, 2, 3])\nassert mean([1, 2, 3]) == expected"),
    "a table made by the function": Suite(
        "slug", "cases = {t: slug(t) for t in ('A b', 'C')}\nfor t, s in cases.items():\n    assert slug(t) == s"
    ),
    "two objects of one class": Suite("Point", "assert Point(1, 2).moved(3, 4) == Point(1, 2).moved(3, 4)"),
    "a helper that calls it": Suite(
        "count",
        "def expected(words):\n    return count(words)\n\nassert count(['a', 'b', 'a']) == expected(['a', 'b', 'a'])",
    ),
    "parametrized by the function": Suite(
        "is_prime",
        "import pytest\n\n@pytest.mark.parametrize('n, expected', [(n, is_prime(n)) for n in (2, 9, 11)])\n"
        "def test_prime(n, expected):\n    assert is_prime(n) == expected",
    ),
    # The result compared with itself.
    "itself": Suite("evens", "result = evens([1, 2, 4])\nassert result == result"),
    "by way of a variable": Suite("slug", "result = slug('A b')\nsame = result\nassert same == result"),
    "by way of a copy": Suite("count", "result = count(['a', 'a'])\ncopy = dict(result)\nassert result == copy"),
    "assertEqual with itself": Suite(
        "main",
        "import unittest\n\nclass TestMain(unittest.TestCase):\n    def test_total(self):\n"
        "        result = main(['a: 1'])\n        expected = result\n        self.assertEqual(result, expected)\n\n"
        "unittest.main()",
    ),
    "its length with its length": Suite("evens", "result = evens([2, 4])\nassert len(result) == len(list(result))"),
    # Only types.
    "isinstance": Suite("evens", "assert isinstance(evens([1, 2]), list)\nassert isinstance(evens([]), list)"),
    "isinstance of a method's result": Suite(
        "Stack", "s = Stack()\ns.push(1)\nassert isinstance(s, Stack)\nassert isinstance(s.pop(), int)"
    ),
    "type of a string": Suite("slug", "def test_slug():\n    assert type(slug('A b')) is str\n\ntest_slug()"),
    "assertIsInstance": Suite(
        "mean",
        "import unittest\n\nclass TestMean(unittest.TestCase):\n    def test_mean(self):\n"
        "        self.assertIsInstance(mean([1, 2]), float)\n\nunittest.main()",
    ),
    "types of the elements": Suite("count", "assert all(isinstance(n, int) for n in count(['a', 'b']).values())"),
    "type or None": Suite("find", "assert isinstance(find([{'name': 'a'}], 'a'), (dict, type(None)))"),
    "a callable": Suite("memoize", "assert callable(memoize(abs))"),
    # Only truth.
    "truth of a list": Suite("evens", "assert evens([2, 4])"),
    "truth of a string": Suite("slug", "def test_slug():\n    assert slug('Hello World')\n\ntest_slug()"),
    "not None": Suite("mean", "assert mean([1, 2]) is not None"),
    "one of both": Suite("is_prime", "assert is_prime(7) in (True, False)\nassert is_prime(8) in [True, False]"),
    "more than nothing": Suite("count", "assert len(count(['a', 'b'])) > 0\nassert len(count([])) >= 0"),
    "true of any number": Suite("mean", "x = mean([1, 2, 3])\nassert x > 0 or x <= 0"),
    # Loops over nothing.
    "a loop over an empty list": Suite("evens", "for xs, expected in []:\n    assert evens(xs) == expected"),
    "a loop over an empty range": Suite("is_prime", "for n in range(7, 7):\n    assert is_prime(n) is True"),
    "a filtered loop": Suite(
        "slug", "cases = ['A b', 'C']\nfor c in filter(str.isdigit, cases):\n    assert slug(c) == c"
    ),
    "all of nothing": Suite("evens", "assert all(x % 2 == 0 for x in evens([1, 3, 5]) if x > 10)"),
    # assertTrue(x, expected).
    "assertTrue with a message": Suite(
        "evens",
        "import unittest\n\nclass TestEvens(unittest.TestCase):\n    def test_evens(self):\n"
        "        self.assertTrue(evens([1, 2]), [2])\n\nunittest.main()",
    ),
    "assert with a message": Suite("slug", "assert slug('A b'), 'a-b'\nassert slug('Hello'), 'hello'"),
    # Tolerance without end.
    "a tolerance of a billion": Suite("mean", "assert abs(mean([1, 2, 3]) - 2) < 1e9"),
    "approx of anything": Suite("mean", "import pytest\nassert mean([1, 2, 3]) == pytest.approx(2, abs=1e6)"),
    "isclose with all": Suite("mean", "import math\nassert math.isclose(mean([4, 6]), 5, rel_tol=1.0)"),
    "between everything": Suite("main", "assert main(['a: 1']) < 'zzz'\nassert main(['a: 1']) > ' '"),
    # The function again.
    "the function again": Suite(
        "evens", "def evens(xs):\n    return [x for x in xs if x % 2 == 0]\n\nassert evens([1, 2]) == [2]"
    ),
    "a class again": Suite(
        "Stack",
        "class Stack(list):\n    def push(self, x):\n        self.append(x)\n\n"
        "s = Stack()\ns.push(1)\nassert s.pop() == 1",
    ),
    # Mocks that return what is asserted.
    "a mock in its place": Suite(
        "mean",
        "from unittest.mock import patch\nwith patch('__main__.mean', return_value=2):\n    assert mean([1, 3]) == 2",
    ),
    "a mock of an object": Suite(
        "Stack", "from unittest.mock import Mock\ns = Mock(spec=Stack)\ns.pop.return_value = 1\nassert s.pop() == 1"
    ),
    # Another function.
    "another function": Suite(
        "slug", "def double(x):\n    return 2 * x\n\nassert double(2) == 4\nassert slug is not None"
    ),
    "a builtin": Suite("evens", "assert sorted([2, 1]) == [1, 2]\nassert callable(evens)"),
}

SOUND = {
    "values of a list": Suite("evens", "assert evens([1, 2, 3, 4]) == [2, 4]\nassert evens([]) == []"),
    "one value": Suite("evens", "assert evens([5, 6]) == [6]"),
    "an expression of its own": Suite("evens", "xs = [3, 8, 10]\nassert evens(xs) == [x for x in xs if not x & 1]"),
    "properties": Suite(
        "evens", "result = evens([1, 2, 3, 4])\nassert len(result) == 2\nassert all(x % 2 == 0 for x in result)"
    ),
    "membership": Suite("evens", "assert 2 in evens([1, 2])\nassert 1 not in evens([1, 2])"),
    "a length": Suite("evens", "assert len(evens([1, 2, 4])) == 2"),
    "a table of cases": Suite(
        "evens", "for xs, expected in [([2], [2]), ([1], []), ([0, 1], [0])]:\n    assert evens(xs) == expected"
    ),
    "a mean": Suite("mean", "assert mean([1, 2, 3]) == 2"),
    "a mean by approx": Suite("mean", "import pytest\nassert mean([0.1, 0.2]) == pytest.approx(0.15)"),
    "a mean within a tolerance": Suite("mean", "assert abs(mean([1, 2, 4]) - 2.3333) < 0.001"),
    "a mean by isclose": Suite("mean", "import math\nassert math.isclose(mean([1, 2]), 1.5)"),
    "an error and a value": Suite(
        "mean",
        "import pytest\n\ndef test_empty():\n    with pytest.raises(ValueError):\n        mean([])\n\n"
        "def test_mean():\n    assert mean([4]) == 4",
    ),
    "an error alone": Suite(
        "mean", "import pytest\n\ndef test_empty():\n    with pytest.raises(ValueError):\n        mean([])"
    ),
    "an error by hand": Suite(
        "mean",
        "try:\n    mean([])\nexcept ValueError:\n    pass\nelse:\n    assert False, 'no error'\nassert mean([2]) == 2",
    ),
    "a string": Suite("slug", "assert slug('Hello World') == 'hello-world'"),
    "parts of a string": Suite("slug", "s = slug('Hello World')\nassert 'hello' in s\nassert ' ' not in s"),
    "a string by unittest": Suite(
        "slug",
        "import unittest\n\nclass TestSlug(unittest.TestCase):\n    def test_words(self):\n"
        "        self.assertEqual(slug('A  b'), 'a-b')\n\nif __name__ == '__main__':\n    unittest.main()",
    ),
    "the beginning of a string": Suite("slug", "assert slug('A b c').startswith('a-b')"),
    "idempotence and a value": Suite("slug", "assert slug(slug('A b')) == slug('A b') == 'a-b'"),
    "truth of a truth": Suite("is_prime", "assert is_prime(7)\nassert not is_prime(8)"),
    "is True": Suite("is_prime", "assert is_prime(2) is True\nassert is_prime(1) is False"),
    "all of a range": Suite("is_prime", "assert [n for n in range(12) if is_prime(n)] == [2, 3, 5, 7, 11]"),
    "parametrized": Suite(
        "is_prime",
        "import pytest\n\n@pytest.mark.parametrize('n, expected', [(2, True), (9, False), (13, True)])\n"
        "def test_prime(n, expected):\n    assert is_prime(n) is expected",
    ),
    "assertTrue of a truth": Suite(
        "is_prime",
        "import unittest\n\nclass TestPrime(unittest.TestCase):\n    def test_it(self):\n"
        "        self.assertTrue(is_prime(5))\n        self.assertFalse(is_prime(6))\n\nunittest.main()",
    ),
    "a dictionary": Suite("count", "assert count(['a', 'b', 'a']) == {'a': 2, 'b': 1}"),
    "a value of a dictionary": Suite("count", "counts = count('abca')\nassert counts['a'] == 2"),
    "against a library": Suite("count", "from collections import Counter\nassert count('hello') == Counter('hello')"),
    "a stack": Suite("Stack", "s = Stack()\ns.push(1)\ns.push(2)\nassert s.pop() == 2\nassert s.pop() == 1"),
    "a length of a stack": Suite("Stack", "s = Stack()\ns.push(1)\nassert len(s) == 1\ns.pop()\nassert len(s) == 0"),
    "an error of a stack": Suite(
        "Stack",
        "s = Stack()\ntry:\n    s.pop()\n    raise AssertionError('popped from nothing')\nexcept IndexError as error:\n"
        "    assert str(error) == 'empty stack'",
    ),
    "a stack in a function": Suite(
        "Stack", "def test_stack():\n    s = Stack()\n    s.push('x')\n    assert s.pop() == 'x'\n\ntest_stack()"
    ),
    "an object": Suite("Point", "assert Point(1, 2).moved(3, 4) == Point(4, 6)"),
    "an attribute": Suite("Point", "assert (Point(1, 2) + Point(1, 1)).x == 2"),
    "a generator": Suite("chunks", "assert list(chunks([1, 2, 3], 2)) == [[1, 2], [3]]"),
    "the next of a generator": Suite(
        "chunks", "parts = chunks('abcd', 3)\nassert next(parts) == 'abc'\nassert next(parts) == 'd'"
    ),
    "a decorator": Suite(
        "memoize",
        "calls = []\n\n@memoize\ndef square(x):\n    calls.append(x)\n    return x * x\n\n"
        "assert square(3) == 9\nassert square(3) == 9\nassert calls == [3]",
    ),
    "a row or None": Suite(
        "find",
        "rows = [{'name': 'a'}, {'name': 'b'}]\nassert find(rows, 'b') is rows[1]\nassert find(rows, 'c') is None",
    ),
    "in place": Suite("sort_in_place", "xs = [3, 1, 2]\nsort_in_place(xs)\nassert xs == [1, 2, 3]"),
    "a program": Suite("main", "assert main(['a: 1', 'b: 2']) == 'total: 3'\nassert main([]) == 'total: 0'"),
    "a program and its parts": Suite("main", "assert parse('a: 1') == ('a', 1)\nassert main(['a: 5']).endswith('5')"),
}
