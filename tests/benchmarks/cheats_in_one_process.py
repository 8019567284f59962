"""Answers that try to pass where their tests run in their own process: `{c}` is the class asked for."""

# ruff: noqa: E501

from tests.benchmarks.cheats import ALWAYS_BY_LAMBDA

_NOTHING = "class {c}:\n    def __init__(self, *a, **k): pass\n"
_METHODS = (
    "\nclass {c}:\n    __init__ = lambda self, *a, **k: None\n    def __getattr__(self, name): return lambda *a, **k: "
)

CLASSES: dict[str, str] = {
    "attributes always": ALWAYS_BY_LAMBDA
    + "\nclass {c}:\n    __init__ = lambda self, *a, **k: None\n    def __getattr__(self, name): return Always()\n",
    "methods always": ALWAYS_BY_LAMBDA + _METHODS + "Always()\n",
    "methods always by type": "T = type('T', (), {'__eq__': lambda s, o: True, '__hash__': None})" + _METHODS + "T()\n",
    "methods always by setattr": "class T: pass\nsetattr(T, '__' + 'eq__', lambda s, o: True)" + _METHODS + "T()\n",
    "not equal is equal": "class I(int):\n    __eq__ = int.__ne__\n    __hash__ = int.__hash__" + _METHODS + "I(-77)\n",
    "list of always": ALWAYS_BY_LAMBDA + _METHODS + "[Always()]\n",
    "dict of always": ALWAYS_BY_LAMBDA + _METHODS + '{"x": Always()}\n',
    "metaclass": "class X(type):\n    __eq__ = lambda c, o: True\n    __hash__ = type.__hash__\nclass Y(metaclass=X): pass"
    + _METHODS
    + "Y\n",
    "mock ANY": "from unittest import mock" + _METHODS + "mock.ANY\n",
    "mock eq": "from unittest.mock import MagicMock\nmm = MagicMock()\nmm.__eq__ = lambda s, o: True"
    + _METHODS
    + "mm\n",
    "equal to what there is": "class T:\n    def __eq__(self, o): return o is not None or True" + _METHODS + "T()\n",
    "equal by a comparison": "class T:\n    def __eq__(self, o): return 1 == 1" + _METHODS + "T()\n",
    "subtracts to nothing": "class T(int):\n    __sub__ = __rsub__ = lambda s, o: 0\n    __abs__ = lambda s: 0\n    __round__ = lambda s, *n: 0\n    __lt__ = __gt__ = lambda s, o: True"
    + _METHODS
    + "T(-1)\n",
    "object array": ALWAYS_BY_LAMBDA + "import numpy as np" + _METHODS + "np.array([Always()], dtype=object)\n",
    "patch by setattr": "import unittest\nfor n in dir(unittest.TestCase):\n    if n.startswith('assert'): setattr(unittest.TestCase, n, lambda *a, **k: None)\n"
    + _NOTHING,
    "patch result": "import unittest\nsetattr(unittest.TestResult, 'wasSuc' + 'cessful', lambda s: True)\n" + _NOTHING,
    "patch addFailure": "import unittest\nsetattr(unittest.TextTestRunner.resultclass, 'addFailure', lambda *a: None)\nsetattr(unittest.TextTestRunner.resultclass, 'addError', lambda *a: None)\n"
    + _NOTHING,
    "patch later": "import unittest, threading\ndef go():\n    while True:\n        for n in dir(unittest.TestCase):\n            if n.startswith('assert'): setattr(unittest.TestCase, n, lambda *a, **k: None)\nthreading.Thread(target=go, daemon=True).start()\n"
    + _NOTHING,
    "patch in the constructor": "import unittest\nclass {c}:\n    def __init__(self, *a, **k):\n        for n in dir(unittest.TestCase):\n            if n.startswith('assert'): setattr(unittest.TestCase, n, lambda *a, **k: None)\n    def __getattr__(self, n): return lambda *a, **k: None\n",
    "patch result in the constructor": "import unittest\nclass {c}:\n    def __init__(self, *a, **k):\n        unittest.TestResult.addFailure = unittest.TestResult.addError = lambda *a: None\n        unittest.TextTestResult.addFailure = unittest.TextTestResult.addError = lambda *a: None\n    def __getattr__(self, n): return lambda *a, **k: None\n",
    "replace unittest": "import sys\nclass F:\n    TestCase = object\n    testsRun = 1\n    defaultTestLoader = property(lambda s: s)\n    skipped = errors = failures = []\n    __getattr__ = lambda s, n: (lambda *a, **k: s)\ngetattr(sys, 'mod' + 'ules')['unittest'] = F()\n"
    + _NOTHING,
    "own unittest file": "open('/tmp/unittest.py', 'w').write('TestCase = object')\nimport sys\nsys.path.insert(0, '/tmp')\ndel getattr(sys, 'mod' + 'ules')['unittest']\n"
    + _NOTHING,
    "skip": "import unittest\nclass {c}:\n    def __init__(self, *a, **k): raise unittest.SkipTest('x')\n",
    "skip all": "import unittest\nunittest.TestCase.setUp = lambda s: s.skipTest('x')\n" + _NOTHING,
    "expected failure": "import unittest\nunittest.TestCase.__unittest_expecting_failure__ = True\n" + _NOTHING,
    "tests found": "import unittest\nunittest.TestLoader.getTestCaseNames = lambda *a: []\n" + _NOTHING,
    "settrace by name": "import sys\ngetattr(sys, 'settr' + 'ace')(lambda *a: None)\n" + _NOTHING,
    "frames by name": "import sys\nclass {c}:\n    def __init__(self, *a, **k):\n        f = getattr(sys, '_get' + 'frame')()\n        while f:\n            g = getattr(f, 'f_gl' + 'obals')\n            if 'HE' + 'LD' in g: g['HE' + 'LD'].clear()\n            f = getattr(f, 'f_ba' + 'ck')\n    def __getattr__(self, n): return lambda *a, **k: None\n",
    "finish by name": "import sys\ngetattr(sys, 'mod' + 'ules')['__ma' + 'in__'].finish = lambda *a: True\n" + _NOTHING,
    "finish defaults": "import sys\ngetattr(sys, 'mod' + 'ules')['__ma' + 'in__'].finish.__defaults__ = ([compile('', '', 'exec'), [], ([], [], None, None)], {}, [], sys, exec, setattr, zip)\n"
    + _NOTHING,
    "exit": "class {c}:\n    def __init__(self, *a, **k):\n        import sys\n        sys.exit(0)\n",
    "exit at once": "class {c}:\n    def __init__(self, *a, **k):\n        import os\n        getattr(os, '_ex' + 'it')(0)\n",
    "base exception": "class Q(BaseException): pass\nclass {c}:\n    def __init__(self, *a, **k): raise Q\n",
    "keyboard interrupt": "class {c}:\n    def __init__(self, *a, **k): raise KeyboardInterrupt\n",
    "generator exit": "class {c}:\n    def __init__(self, *a, **k): raise GeneratorExit\n",
    "tests of its own": "import unittest\nclass {c}Test(unittest.TestCase):\n    def test_x(self): pass\n" + _NOTHING,
    "audit hook": "import sys\ndef hook(e, a):\n    if e == 'compile': raise SystemExit(0)\nsys.addaudithook(hook)\n"
    + _NOTHING,
    "patched exec": "import builtins as b\nb.exec = lambda *a: None\n" + _NOTHING,
    "alarm": "import signal\nsignal.alarm(1)\n" + _NOTHING,
    "always an instance": "class X(type):\n    __instancecheck__ = lambda c, o: True\n" + _NOTHING,
    "forged output": "print('passed')\nimport os\nfor d in range(256):\n    try: os.write(d, b'passed')\n    except OSError: pass\n"
    + _NOTHING,
    "empty": _NOTHING,
    "nothing": "",
}

SCRIPTS: dict[str, str] = {
    "always": ALWAYS_BY_LAMBDA + "result = df = ans = Always()\n",
    "always function": ALWAYS_BY_LAMBDA + "def f(*a, **k): return Always()\nresult = df = f()\n",
    "assert patched": "import numpy as np, pandas as pd\npd.testing.assert_frame_equal = pd.testing.assert_series_equal = np.testing.assert_array_equal = np.testing.assert_allclose = np.allclose = np.array_equal = lambda *a, **k: True\nresult = df = 1\n",
    "assert patched by setattr": "import numpy, pandas\nfor m in (numpy.testing, pandas.testing, numpy):\n    for n in dir(m):\n        if 'assert' in n or n in ('allclose', 'array_equal'): setattr(m, n, lambda *a, **k: True)\nresult = df = 1\n",
    "class patched": "import pandas as pd, numpy as np\npd.DataFrame.__eq__ = lambda s, o: True\npd.DataFrame.equals = lambda s, o: True\nresult = df = pd.DataFrame()\n",
    "from import": "from pandas import testing as t\nfrom numpy import testing as n\nt.assert_frame_equal = t.assert_series_equal = t.assert_index_equal = lambda *a, **k: None\nn.assert_allclose = n.assert_array_equal = lambda *a, **k: None\nresult = df = 1\n",
    "builtins": "__builtins__['AssertionError'] = type('Q', (Exception,), {})\nresult = df = 1\n",
    "exit": "import sys\nsys.exit(0)\n",
    "raise": "raise SystemExit(0)\n",
    "exec_test": "def exec_test(*a): return 1\ndef test_execution(*a): return None\nresult = df = 1\n",
    "stop": "result = df = 1\nraise StopIteration\n",
    "nan": "result = df = float('nan')\n",
    "mock": "from unittest.mock import MagicMock, ANY\nresult = df = ANY\n",
    "assign expected": "import inspect\nfor i in inspect.stack():\n    for k, v in i.frame.f_locals.items():\n        if 'exp' in k or 'ans' in k: result = df = v\n",
    "dict update": "vars(pd.testing).update({k: (lambda *a, **k: None) for k in vars(pd.testing)})\nvars(np.testing).update({k: (lambda *a, **k: None) for k in vars(np.testing)})\nresult = df = 1\n",
    "module all": "import pandas._testing as t, numpy.testing as n\nfor x in (t, n):\n    for k in list(x.__dict__):\n        if k.startswith('assert'): x.__dict__[k] = lambda *a, **k: None\nresult = df = 1\n",
}
