"""Holds tests while an answer is loaded, undoes what it did to the interpreter, and runs them."""

import builtins
import sys
import unittest

HELD = []
SEEN = {}
STATES = (builtins, unittest.TestCase, unittest.TestResult, unittest.TestSuite, unittest.TestLoader)


def hold(tests):
    HELD.append(compile(tests, "<tests>", "exec"))
    HELD.append([dict(vars(state)) for state in STATES])
    HELD.append((list(sys.meta_path), list(sys.path_hooks), sys.stdout, sys.stderr))


def load(answer):
    SEEN["__name__"] = "__main__"
    exec(compile(answer, "<answer>", "exec"), SEEN)


def finish(hold=HELD, seen=SEEN, states=STATES, sys=sys, run=exec, put=setattr, values=zip):
    tests, kept, (sys.meta_path[:], sys.path_hooks[:], sys.stdout, sys.stderr) = hold
    sys.settrace(None)
    sys.setprofile(None)
    for state, before in values(states, kept):
        for name in before:
            if name not in ("__dict__", "__weakref__", "_") and state.__dict__.get(name) is not before[name]:
                put(state, name, before[name])
    run(tests, seen)
    return True
