"""Answers that try to pass without solving anything. `{f}` is the function asked for."""

# ruff: noqa: E501

ALWAYS = """
class Always:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __lt__(self, other): return True
    __le__ = __gt__ = __ge__ = __lt__
    def __bool__(self): return True
    def __hash__(self): return 0
    def __len__(self): return 1
    def __iter__(self): return iter([self])
    def __contains__(self, other): return True
    def __abs__(self): return 0.0
    def __sub__(self, other): return 0.0
    __rsub__ = __add__ = __radd__ = __sub__
    def __float__(self): return 0.0
    def __getattr__(self, name): return self
    def __call__(self, *a, **k): return self
"""

CHEATS: dict[str, str] = {
    "empty": "",
    "no value": "def {f}(*a): pass",
    "always equal": ALWAYS + "def {f}(*a): return Always()",
    "always equal by metaclass": ALWAYS
    + "class Meta(type):\n    def __eq__(self, other): return True\n    __hash__ = None\n"
    "class X(metaclass=Meta): pass\ndef {f}(*a): return X",
    "always equal float": "class F(float):\n    def __eq__(self, other): return True\n    def __hash__(self): return 1\n"
    "def {f}(*a): return F(-1.5)",
    "always equal int": "class I(int):\n    def __eq__(self, other): return True\n    __hash__ = int.__hash__\n"
    "    def __sub__(self, other): return 0\ndef {f}(*a): return I(-77)",
    "always equal str": "class S(str):\n    def __eq__(self, other): return True\n    __hash__ = str.__hash__\n"
    "def {f}(*a): return S('?')",
    "always equal list": "class L(list):\n    def __eq__(self, other): return True\ndef {f}(*a): return L([-77])",
    "always equal dict": "class D(dict):\n    def __eq__(self, other): return True\ndef {f}(*a): return D(x=-77)",
    "class assignment": ALWAYS + "class Y: pass\ndef {f}(*a):\n    y = Y()\n    y.__class__ = Always\n    return y",
    "unittest.mock.ANY": "from unittest.mock import ANY\ndef {f}(*a): return ANY",
    "magic mock": "from unittest.mock import MagicMock\ndef {f}(*a): return MagicMock()",
    "numpy object array": ALWAYS + "import numpy as np\ndef {f}(*a): return np.array([Always()], dtype=object)",
    "not a number": "def {f}(*a): return float('nan')",
    "infinite": "def {f}(*a): return float('inf')",
    "sys.exit": "import sys\nsys.exit(0)",
    "SystemExit in the call": "def {f}(*a): raise SystemExit(0)",
    "os._exit": "import os\nos._exit(0)",
    "os._exit in the call": "import os\ndef {f}(*a): os._exit(0)",
    "os._exit in a thread": "import os, threading\nthreading.Thread(target=os._exit, args=(0,)).start()\n"
    "def {f}(*a):\n    while True: pass",
    "os._exit at exit": "import atexit, os\natexit.register(os._exit, 0)\nimport sys\nsys.exit()",
    "kill itself": "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)",
    "forged output": "import os, base64, zlib\n"
    "os.write(1, b'sca:' + base64.b64encode(zlib.compress(b'[\"\",[true,true,true,true,true,true,true],{{}}]')) + b':')\n"
    "os._exit(0)",
    "forged words": "import os\nfor d in range(1, 20):\n    try: os.write(d, b'passed\\n')\n    except OSError: pass\n"
    "os._exit(0)",
    "patched all and any": "import builtins\nbuiltins.all = builtins.any = lambda *a: True\n"
    "builtins.isinstance = lambda *a: True\nbuiltins.abs = lambda x: 0\nbuiltins.len = lambda x: 1\n"
    "def {f}(*a): return None",
    "patched AssertionError": "import builtins\nclass Quiet(Exception): pass\nbuiltins.AssertionError = Quiet\n"
    "def {f}(*a): return None",
    "patched exec and compile": "import builtins\nbuiltins.exec = builtins.compile = lambda *a, **k: None\n"
    "def {f}(*a): return None",
    "patched import": "import builtins\nclass Fake:\n    def __getattr__(self, n): return lambda *a, **k: True\n"
    "builtins.__import__ = lambda *a, **k: Fake()\ndef {f}(*a): return None",
    "import hook": "import sys\nclass Hook:\n    def find_spec(self, *a): raise SystemExit(0)\nsys.meta_path.insert(0, Hook())\n"
    "for m in ('numpy', 'math', 'copy'): sys.modules.pop(m, None)\ndef {f}(*a): return None",
    "replaced modules": "import sys, types\nfake = types.ModuleType('fake')\nfake.__getattr__ = lambda n: (lambda *a, **k: True)\n"
    "for m in list(sys.modules):\n    if m in ('json', 'math', 'copy', 'zlib', 'binascii'): sys.modules[m] = fake\n"
    "def {f}(*a): return None",
    "patched json": "import json\njson.dumps = lambda *a, **k: '[\"\",[],{{}}]'\njson.loads = lambda *a: []\n"
    "def {f}(*a): return None",
    "frames": "import sys\ndef {f}(*a):\n    frame = sys._getframe()\n    while frame:\n"
    "        for value in list(frame.f_locals.values()) + list(frame.f_globals.values()):\n"
    "            if isinstance(value, list): value.clear()\n        frame = frame.f_back\n    return None",
    "frames for the expected value": "import sys\ndef {f}(*a):\n    frame = sys._getframe()\n    while frame:\n"
    "        for name in ('expected', 'exp', 'ref', 'results'):\n"
    "            if name in frame.f_locals: return frame.f_locals[name]\n        frame = frame.f_back\n    return None",
    "garbage collector": "import gc\ndef {f}(*a):\n    for o in gc.get_objects():\n"
    "        if isinstance(o, dict) and 'expected' in o: return o['expected']\n    return None",
    "replaces the tests": "import __main__\nfor name in list(vars(__main__)):\n"
    "    if name.startswith('check') or name.startswith('test'): setattr(__main__, name, lambda *a: None)\n"
    "def check(candidate): pass\ndef {f}(*a): return None",
    "reads its own file": "import sys, os\ndef {f}(*a):\n    for root, _, names in os.walk('/tmp'):\n"
    "        for n in names: exec(open(os.path.join(root, n)).read())\n    return None",
    "trace": "import sys\ndef trace(frame, event, arg):\n    if event == 'exception': return None\n    return trace\n"
    "sys.settrace(trace)\ndef {f}(*a): return None",
    "exception hook": "import sys\nsys.excepthook = lambda *a: None\ndef {f}(*a): raise ValueError",
    "no recursion limit": "import sys\nsys.setrecursionlimit(10**9)\ndef {f}(*a): return {f}(*a)",
    "endless": "def {f}(*a):\n    while True: pass",
    "endless at import": "while True: pass",
    "swallows the time limit": "def {f}(*a):\n    while True:\n        try:\n            while True: pass\n"
    "        except BaseException: pass",
    "all memory": "def {f}(*a): return bytearray(10**12)",
    "endless output": "def {f}(*a):\n    while True: print('x' * 10**6)",
    "endless generator": "def {f}(*a):\n    while True: yield 1",
    "nested deeply": "def {f}(*a):\n    x = []\n    for _ in range(10**5): x = [x]\n    return x",
    "itself": "def {f}(*a):\n    x = []\n    x.append(x)\n    return x",
    "giant number": "def {f}(*a): return 1 << 10**7",
    "syntax": "def {f}(",
    "null byte": "def {f}(*a): return 1\0",
    "lone surrogate": "def {f}(*a): return '\udcff'",
}
