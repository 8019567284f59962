"""Loops without an end are timeouts at once; those that end, however late or oddly, run until then."""

import textwrap
from typing import Any

import pytest

from sca_hf.sandbox import Limits, Program

LIMITS = Limits(cpu_seconds=20.0, wall_seconds=60.0, memory_mb=512)
_SAID = "endless loop at line"

ENDLESS = {
    "nothing": "while True:\n    pass",
    "counting": "n = 0\nwhile True:\n    n += 1",
    "a condition that nothing changes": """
        def below(values, limit):
            i = total = 0
            while i < len(values):
                if values[i] > limit:
                    continue
                total += values[i]
                i += 1
            return total
        below([1, 5, 2], 3)""",
    "a search that keeps its middle": """
        def search(values, wanted):
            low, high = 0, len(values) - 1
            while low < high:
                middle = (low + high) // 2
                if values[middle] < wanted:
                    low = middle
                else:
                    high = middle - 1
            return low
        search([1, 3, 5], 4)""",
    "away from its end": "def f(n):\n    while n > 0:\n        n += 1\nf(3)",
    "past its end": "def f(n):\n    while n != 10:\n        n += 3\nf(3)",
    "a cycle of values": """
        def steps(n):
            count = 0
            while n != 1:
                n = n // 2 if n % 2 == 0 else 3 * n + 1
                count += 1
            return count
        steps(-5)""",
    "subtraction that stays": """
        def gcd(a, b):
            while a != b:
                if a > b:
                    a -= b
                else:
                    b -= a
            return a
        gcd(0, 4)""",
    "a root that is never so exact": """
        def root(n):
            x = n
            while abs(x * x - n) > 1e-30:
                x = (x + n / x) / 2
            return x
        root(2.0)""",
    "digits of a negative number": "def f(n):\n    c = 0\n    while n != 0:\n        n //= 10\n        c += 1\nf(-5)",
    "a cycle of nodes": """
        class Node:
            def __init__(self, following):
                self.following = following
        first = Node(None)
        first.following = Node(first)
        def length(node):
            count = 0
            while node is not None:
                node = node.following
                count += 1
            return count
        length(first)""",
    "an attribute that nothing changes": """
        class Queue:
            def __init__(self):
                self.size = 3
            def drain(self):
                while self.size > 0:
                    pass
        Queue().drain()""",
    "a loop in a loop": "i = 0\nwhile i < 5:\n    j = 0\n    while j < 5:\n        j += 1",
    "a shared variable": """
        def outer():
            n = 1
            def inner():
                nonlocal n
                while n > 0:
                    n += 1
            inner()
        outer()""",
    "under a handler": "try:\n    while True:\n        pass\nexcept Exception:\n    pass",
    "longer than a jump's argument": "def f(n, a):\n    while n > 0:\n" + "        a = a + n - n\n" * 40 + "f(1, 2)",
}

# Each takes a second or so, most of it in the loop, and ends.
ENDING = {
    "late": "def f(n):\n    while n != 9_000_001:\n        n += 3\n    return 1\nassert f(1) == 1",
    "on a remainder": "def f(n):\n    while n % 5_000_011:\n        n += 1\n    return 1\nassert f(1) == 1",
    "by a product": """
        def f(n, a):
            while n < 4_000_000:
                a = -a
                n += a + 2
            return 1
        assert f(0, 1)""",
    "a small difference": """
        def f(a, b):
            while a > b:
                a += 2
                b += 3
            return 1
        assert f(6_000_000, 0)""",
    "a float that grows": "def f(x):\n    while x < 1e6:\n        x += 0.25\n    return 1\nassert f(0.0)",
    "a float that stops": "def f(x):\n    while x != x + 1:\n        x += 5e9\n    return 1\nassert f(0.0)",
    "a float too large": """
        def f(n, x):
            n = 10 ** 300
            i = 0
            while True:
                n += 10 ** 303
                i += 1
                if i > 400_000:
                    x = 1.0 * n
        try:
            f(1, 1)
        except OverflowError:
            ended = 1
        assert ended""",
    "by zero": """
        def f(n):
            while True:
                n -= 1
                1 // n
        try:
            f(3_000_000)
        except ZeroDivisionError:
            ended = 1
        assert ended""",
    "in a period": """
        def f(n):
            a, b, c = 1, 2, 3
            while n > 0:
                a, b, c = b, c, a
                if a == 3:
                    n -= 1
            return a
        assert f(900_000)""",
    "by an equality of its own": """
        class Odd:
            count = 0
            def __eq__(self, other):
                Odd.count += 1
                return Odd.count > 800_000
        def f(odd):
            while not odd == 1:
                pass
            return 1
        assert f(Odd())""",
    "by a truth of its own": """
        class Odd:
            count = 0
            def __bool__(self):
                Odd.count += 1
                return Odd.count < 800_000
        def f(odd):
            while odd:
                pass
            return 1
        assert f(Odd())""",
    "by a property": """
        class Odd:
            count = 0
            @property
            def more(self):
                self.count += 1
                return self.count < 800_000
        def f(odd):
            while odd.more:
                pass
            return 1
        assert f(Odd())""",
    "by an attribute that is looked up": """
        class Odd:
            count = 0
            def __getattr__(self, name):
                Odd.count += 1
                return Odd.count < 800_000
        def f(odd):
            while odd.more:
                pass
            return 1
        assert f(Odd())""",
    "by a subclass of int": """
        class Odd(int):
            count = 0
            def __lt__(self, other):
                Odd.count += 1
                return Odd.count < 800_000
        def f(n):
            while n < 1:
                pass
            return 1
        assert f(Odd(0))""",
    "by an entry of its own": """
        class Odd(dict):
            def __missing__(self, key):
                self.count = getattr(self, 'count', 0) + 1
                return self.count < 800_000
        def f(odd):
            while odd[1]:
                pass
            return 1
        assert f(Odd())""",
    "by a thread": """
        import threading, time
        go_on = True
        def stop():
            global go_on
            time.sleep(0.5)
            go_on = False
        threading.Thread(target=stop).start()
        def f():
            while go_on:
                pass
            return 1
        assert f()""",
    "by an alarm": """
        import signal
        go_on = True
        def stop(number, frame):
            global go_on
            go_on = False
        signal.signal(signal.SIGALRM, stop)
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        def f():
            while go_on:
                pass
            return 1
        assert f()""",
    "by an alarm that no name tells of": """
        alarms = __import__('sig' + 'nal')
        class Alarm(Exception): pass
        def stop(number, frame): raise Alarm
        getattr(alarms, 'sig' + 'nal')(alarms.SIGALRM, stop)
        alarms.alarm(1)
        def f():
            while True:
                pass
        try:
            f()
        except Alarm:
            ended = 1
        assert ended""",
    "by a trace": """
        import sys
        turns = 0
        def trace(frame, event, argument):
            global turns
            turns += 1
            if turns > 300_000:
                raise ValueError
            return trace
        def f():
            while True:
                turns
        sys.settrace(trace)
        try:
            f()
        except ValueError:
            sys.settrace(None)
        def g(): return 1
        assert g()""",
    "by a finalizer": """
        import os
        class Last:
            def __init__(self, following): self.following = following
            def __del__(self):
                global go_on
                go_on = False
        def chain(length):
            node = None
            for _ in range(length):
                node = Last(node)
            return node
        def f(node):
            while go_on_for(node):
                node = node.following
            return 1
        def go_on_for(node): return node is not None
        go_on = True
        assert f(chain(300_000))""",
    "at the end of a long chain": """
        class Node:
            pass
        first = node = Node()
        for _ in range(700_000):
            node.following = Node()
            node = node.following
        node.following = None
        def f(node):
            while node is not None:
                node = node.following
            return 1
        assert f(first)""",
    "by a name in another module": """
        import string
        def f(n):
            string.go_on = 3_000_000
            while string.go_on:
                string.go_on -= 1
            return 1
        assert f(1)""",
    "a generator": """
        def count():
            n = 0
            while True:
                n += 1
                yield n
        def f():
            for n in count():
                if n > 2_000_000:
                    return n
        assert f()""",
    "through other frames": """
        def one(n):
            while n % 3 == 0:
                n += 1
            return n
        def f(n):
            while n < 2_000_000:
                n = one(n) + 1
            return n
        assert f(0)""",
    "for every turn an exception": """
        def f(x):
            while True:
                x += 1
        count = 0
        def g():
            global count
            while count < 400_000:
                try:
                    f("text")
                except TypeError:
                    count += 1
            return 1
        assert g()""",
    "at the recursion limit": """
        def depth(n):
            try:
                return depth(n + 1)
            except RecursionError:
                return n
        first, count = depth(0), 0
        while count < 4000:
            assert depth(0) == first
            count += 1""",
    "by memory": """
        def f(text):
            while True:
                text += "some more text" * 1000
        try:
            f("")
        except MemoryError:
            ended = 1
        assert ended""",
}


@pytest.mark.parametrize("name", ENDLESS)
def test_a_loop_without_an_end_is_a_timeout_before_its_time_is_up(name: str, run_programs: Any) -> None:
    (verdict,) = run_programs([Program(textwrap.dedent(ENDLESS[name]).strip(), "")], limits=LIMITS, workers=1)
    assert verdict.identity == ("timeout", None, None, 0, ())
    assert _SAID in verdict.stderr


def test_loops_that_end_run_until_then(run_programs: Any) -> None:
    tests = "def one(): return 1\nassert one() == 1"
    programs = {
        name: Program(textwrap.dedent(code).strip() + "\ndef one(): return 1", tests) for name, code in ENDING.items()
    }
    verdicts = run_programs(list(programs.values()), limits=LIMITS)
    wrong = {
        name: (verdict.identity, verdict.stderr[-300:])
        for name, verdict in zip(programs, verdicts, strict=True)
        if _SAID in verdict.stderr or verdict.status not in ("passed", "no-assertion")
    }
    assert wrong == {}
