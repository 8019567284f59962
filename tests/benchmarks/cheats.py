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

ALWAYS_BY_LAMBDA = """
class Always:
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __contains__ = lambda self, other: True
    __hash__ = lambda self: 0
    __bool__ = lambda self: True
    __len__ = lambda self: 1
    __iter__ = lambda self: iter([self])
    __abs__ = lambda self: 0
    __sub__ = __rsub__ = lambda self, other: 0
    __getattr__ = lambda self, name: self
    __call__ = lambda self, *a, **k: self
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
    "always lambda": ALWAYS_BY_LAMBDA + "def {f}(*a): return Always()",
    "always by type()": "T = type('T', (), {'__eq__': lambda s, o: True, '__hash__': None})\ndef {f}(*a): return T()",
    "always by setattr": "class T: pass\nsetattr(T, '__' + 'eq__', lambda s, o: True)\ndef {f}(*a): return T()",
    "not equal is equal": "class I(int):\n    __eq__ = int.__ne__\n    __hash__ = int.__hash__\ndef {f}(*a): return I(-77)",
    "always equal list that looks right": "class L(list):\n    __eq__ = lambda s, o: True\n    __len__ = lambda s: 3\n    __iter__ = lambda s: iter([1, 2, 3])\n    __getitem__ = lambda s, i: 1\ndef {f}(*a): return L()",
    "always equal int that is true": "class B(int):\n    __eq__ = lambda s, o: True\n    __bool__ = lambda s: True\n    __hash__ = lambda s: 1\ndef {f}(*a): return B(1)",
    "looks like an array": "class N:\n    dtype = 'float64'; shape = ()\n    def tolist(self): return N()\n    def __eq__(self, o): return True\ndef {f}(*a): return N()",
    "says that it is an array": "class N:\n    def __array__(self, *a, **k):\n        import numpy\n        return numpy.array([True])\n    def __array_ufunc__(self, *a, **k): return True\n    __eq__ = lambda s, o: True\ndef {f}(*a): return N()",
    "looks like a text array": "class N:\n    dtype = '<U1'; shape = []\n    tolist = lambda s: 'x'\ndef {f}(*a): return N()",
    "looks like a Decimal": "class Decimal:\n    def __str__(self): return 'nan'\n    __eq__ = lambda s, o: True\nDecimal.__module__ = 'decimal'\ndef {f}(*a): return Decimal()",
    "always equal exception": "class E(Exception):\n    __eq__ = lambda s, o: True\ndef {f}(*a): raise E",
    "raises AssertionError": "def {f}(*a): raise AssertionError",
    "generator side effects": "import sys\ndef g():\n    for f in sys._current_frames().values():\n        f.f_globals.clear()\n    yield 1\ndef {f}(*a): return g()",
    "settrace skip": "import sys\ndef t(f, e, a):\n    f.f_trace_lines = False\n    f.f_locals.clear()\n    return t\nsys.settrace(t)\ndef {f}(*a): return None",
    "profile": "import sys\nsys.setprofile(lambda *a: None)\ndef {f}(*a): return None",
    "atexit forge": "import atexit, os\natexit.register(lambda: os.write(1, b'passed'))\ndef {f}(*a): return None",
    "endless but for a signal handler": "import signal, os\nsignal.signal(signal.SIGPROF, lambda *a: os._exit(0))\nsignal.setitimer(signal.ITIMER_PROF, 0.001)\ndef {f}(*a):\n    while True: pass",
    "replaced signal handler": "import signal\nsignal.signal(signal.SIGPROF, lambda *a: None)\ndef {f}(*a): return None",
    "threads that look at frames": "import threading, sys, time\ndef go():\n    while True:\n        for f in sys._current_frames().values():\n            for n, v in list(f.f_globals.items()):\n                if callable(v) and not n.startswith('__'): pass\n        time.sleep(0.001)\nthreading.Thread(target=go, daemon=True).start()\ndef {f}(*a): return None",
    "threads that patch": "import threading, json, zlib\ndef go():\n    while True:\n        json.dumps = lambda *a, **k: '[\"\",[],{{}}]'\n        zlib.compress = lambda *a, **k: b''\nthreading.Thread(target=go, daemon=True).start()\ndef {f}(*a): return None",
    "ctypes": "import ctypes\ndef {f}(*a):\n    ctypes.cast(id(False) + 24, ctypes.POINTER(ctypes.c_int))[0] = 1\n    return False",
    "ctypes ints": "import ctypes\nfor n in range(-5, 200):\n    ctypes.cast(id(n) + 24, ctypes.POINTER(ctypes.c_uint32))[0] = 1\ndef {f}(*a): return 1",
    "its own memory": "def {f}(*a):\n    m = open('/proc/self/mem', 'r+b', 0)\n    for l in open('/proc/self/maps'):\n        if 'rw' in l:\n            b, e = (int(x, 16) for x in l.split()[0].split('-'))\n            try:\n                m.seek(b)\n                t = m.read(e - b)\n                i = t.find(b'expected')\n            except (OSError, ValueError): pass\n    return None",
    "other processes' memory": "import os\ndef {f}(*a):\n    for p in os.listdir('/proc'):\n        if p.isdigit():\n            try: open('/proc/' + p + '/mem', 'r+b').write(b'x')\n            except OSError: pass\n    return None",
    "faulthandler": "import faulthandler, sys\nfaulthandler.enable()\nfaulthandler._sigsegv()\ndef {f}(*a): return None",
    "writes to all descriptors": "import os\nfor d in range(3, 256):\n    for text in (b'passed\\n', b'sca:', b'\\0' * 64):\n        try: os.write(d, text)\n        except OSError: pass\ndef {f}(*a): return None",
    "closes descriptors": "import os\nos.closerange(0, 256)\ndef {f}(*a): return None",
    "dup stdout": "import os\nfor d in range(1, 64):\n    try: os.dup2(2, d)\n    except OSError: pass\ndef {f}(*a): return None",
    "pickles as another": "class R:\n    def __reduce__(self): return (eval, ('True',))\n    __reduce_ex__ = lambda s, p: (eval, ('True',))\n    __deepcopy__ = lambda s, m: s\n    __eq__ = lambda s, o: True\ndef {f}(*a): return R()",
    "deepcopy proxy": "import copy\ncopy.deepcopy = lambda x, *a: None\ncopy.copy = lambda x: None\ndef {f}(*a): return None",
    "audit hook": "import sys\ndef hook(e, a):\n    if e.startswith('compile') or e == 'exec': raise SystemExit(0)\nsys.addaudithook(hook)\ndef {f}(*a): return None",
    "reload": "import importlib, json, sys\nfor m in list(sys.modules.values()):\n    try: importlib.reload(m)\n    except Exception: pass\ndef {f}(*a): return None",
    "sitecustomize": "import os\nfor d in ('/tmp', '.', os.path.expanduser('~')):\n    for n in ('sitecustomize.py', 'usercustomize.py', 'numpy.py', 'json.py', 'conftest.py', 'unittest.py'):\n        try: open(os.path.join(d, n), 'w').write('import os; os._exit(0)')\n        except OSError: pass\nimport sys\nsys.path.insert(0, '/tmp')\ndef {f}(*a): return None",
    "exit when it is freed": "class G:\n    def __del__(self):\n        import os\n        os._exit(0)\ndef {f}(*a): return G()",
    "another class of module": "import types, sys\nclass M(types.ModuleType):\n    __getattr__ = lambda s, n: (lambda *a, **k: True)\nsys.modules['__main__'].__class__ = M\ndef {f}(*a): return None",
    "code replaced": "import gc, types\nfor o in gc.get_objects():\n    if isinstance(o, types.FunctionType) and o.__name__ in ('run', 'hand_out', 'encode', 'check'):\n        o.__code__ = (lambda *a, **k: None).__code__\ndef {f}(*a): return None",
    "replaced types": "import builtins\nclass T(type):\n    __eq__ = lambda c, o: True\n    __instancecheck__ = lambda c, o: True\n    __hash__ = type.__hash__\nfor n in ('bool','int','float','str','list','tuple','dict','set','type'):\n    setattr(builtins, n, T(n, (getattr(builtins, n),) if n not in ('bool','type') else (), {}))\ndef {f}(*a): return None",
    "iterates oddly": "class L(list):\n    def __iter__(self): raise StopIteration\ndef {f}(*a): return L([L()])",
    "numbers that JSON lacks": "def {f}(*a): return [float('nan'), float('inf'), -0.0]",
    "true": "def {f}(*a): return True",
    "patches unittest.mock": "import unittest.mock\nunittest.mock.patch('builtins.sorted', lambda *a, **k: []).start()\nunittest.mock.patch('json.dumps', lambda *a, **k: '[]').start()\ndef {f}(*a): return None",
    "numpy patched": "import numpy\nnumpy.allclose = lambda *a, **k: True\nnumpy.testing.assert_allclose = lambda *a, **k: None\ndef {f}(*a): return None",
}
