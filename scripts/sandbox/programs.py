"""The programs that are run: good ones of three kinds, and bad ones.

The endless loops are of eight kinds that models write.
"""

# Programs stand one a line.
# ruff: noqa: E501

import random
from collections.abc import Callable

Pair = tuple[str, str]
"""Code and tests of a program."""

SMALL = [
    ("def f(a, b):\n    while b:\n        a, b = b, a % b\n    return a", "({x}, {y})"),
    ("def f(n):\n    return [i for i in range(2, n) if all(i % j for j in range(2, i))]", "({x} % 40,)"),
    ("def f(text):\n    counts = {{}}\n    for c in text:\n        counts[c] = counts.get(c, 0) + 1\n    return counts", "('ab{x}',)"),
    ("def f(xs):\n    if len(xs) < 2:\n        return xs\n    p, *rest = xs\n    return f([a for a in rest if a < p]) + [p] + f([a for a in rest if a >= p])", "([{x}, {y}, 5, 3],)"),
    ("def f(n):\n    a, b = 0, 1\n    for _ in range(n % 50):\n        a, b = b, a + b\n    return a", "({x},)"),
    ("class Stack:\n    def __init__(self):\n        self.xs = []\n    def push(self, x):\n        self.xs.append(x)\n        return self\n    def top(self):\n        return self.xs[-1]\ndef f(x, y):\n    return Stack().push(x).push(y).top()", "({x}, {y})"),
    ("def f(s):\n    return s == s[::-1]", "('{x}{y}',)"),
    ("def f(m):\n    return [list(r) for r in zip(*m)]", "([[{x}, {y}], [1, 2]],)"),
]  # fmt: skip
NUMPY = ("import numpy as np\ndef f(x, y):\n    a = np.arange(x % 50 + 1) * y\n    return int(a.sum())", "({x}, {y})")
PANDAS = (
    "import pandas as pd\ndef f(x, y):\n    d = pd.DataFrame({{'k': [1, 2, 1], 'v': [x, y, 3]}})\n    return int(d.groupby('k')['v'].sum().loc[1])",
    "({x}, {y})",
)
LOOPS = [
    ("def f(x):\n    while True:\n        x += 1", "assert f(1) == 2"),
    ("def f(xs):\n    i = total = 0\n    while i < len(xs):\n        if xs[i] < 0:\n            continue\n        total += xs[i]\n        i += 1\n    return total", "assert f([1, -1, 2]) == 3"),
    ("def f(xs, x):\n    low, high = 0, len(xs) - 1\n    while low <= high:\n        middle = (low + high) // 2\n        if xs[middle] == x:\n            return middle\n        if xs[middle] < x:\n            low = middle\n        else:\n            high = middle\n    return -1", "assert f([1, 3, 5], 4) == -1"),
    ("def f(n):\n    steps = 0\n    while n != 1:\n        n = n // 2 if n % 2 == 0 else 3 * n + 1\n        steps += 1\n    return steps", "assert f(0) == 0"),
    ("def f(x):\n    count = 0\n    while x != 1.0:\n        x += 0.1\n        count += 1\n    return count", "assert f(0.0) == 10"),
    ("def f(graph, start):\n    queue, seen = [start], set()\n    while queue:\n        node = queue[0]\n        seen.add(node)\n        for other in graph[node]:\n            if other not in seen:\n                queue.append(other)\n                seen.add(other)\n    return len(seen)", "assert f({1: [2], 2: [1]}, 1) == 2"),
    ("def f(xs):\n    changed = True\n    while changed:\n        changed = False\n        for i in range(len(xs) - 1):\n            if xs[i] >= xs[i + 1]:\n                xs[i], xs[i + 1] = xs[i + 1], xs[i]\n                changed = True\n    return xs", "assert f([2, 1, 1]) == [1, 1, 2]"),
    ("def f(text):\n    while '  ' in text:\n        text.replace('  ', ' ')\n    return text", "assert f('a  b') == 'a b'"),
]  # fmt: skip
HOG = ("def f():\n    held = []\n    while True:\n        held.append(bytearray(1 << 24))", "assert f() == 1")
SLEEPER = ("import time\ndef f():\n    time.sleep(60)\n    return 1", "assert f() == 1")
BAD = (*LOOPS, HOG, SLEEPER)


def programs(kind: str, count: int, seed: int) -> list[Pair]:
    """Programs with 12 assertions each, whose expected values come from running them; in the mix, 4 % are bad."""
    draw = random.Random(seed)
    made = []
    for number in range(count):
        template = {"numpy": NUMPY, "pandas": PANDAS}.get(kind) or SMALL[number % len(SMALL)]
        code = template[0].format()
        scope: dict[str, Callable[..., object]] = {}
        exec(code, scope)
        lines = []
        for _ in range(12):
            arguments = template[1].format(x=draw.randrange(1, 500), y=draw.randrange(1, 500))
            # Our own templates, from above.
            value = scope["f"](*eval(arguments))
            shown = arguments.removesuffix(",)").removesuffix(")").removeprefix("(")
            lines.append(f"assert f({shown}) == {value!r}")
        made.append((code, "\n".join(lines)))
    if kind == "mix":
        bad = (
            [LOOPS[number % len(LOOPS)] for number in range(count // 50)]
            + [HOG] * (count // 100)
            + [SLEEPER] * (count // 100)
        )
        made[: len(bad)] = bad
        draw.shuffle(made)
    return made
