"""Programs that try to get out, to harm the machine or the next program, or to use more than they may.

Each is the body of `attack()`, which returns something true, or runs to its end, only if it got what it wanted. What the
parent laid out for them (a secret file, listeners, its environment) is in BAIT. `ENDS` says how those end that can't be
refused by an error.
"""

# ruff: noqa: E501

# name: body. {secret}, {port}, {udp}, {abstract}, {path}, {pid} are the bait.
REFUSED = {
    "read the parent's secret file": "return open({secret!r}).read()",
    "read /etc/shadow": "return open('/etc/shadow').read()",
    "list home folders": "import os; return os.listdir('/home')",
    "find the secret by walking": """
import os
return any('sca-bait' in name for _, _, files in os.walk('/') for name in files)
""",
    "climb out by dots": "import os; return os.path.exists('/../../../../..' + {secret!r})",
    "open the root's parent": """
import os
root = os.open('/', os.O_RDONLY)
up = os.open('../..', os.O_RDONLY, dir_fd=root)
return os.stat(up).st_ino != os.stat(root).st_ino
""",
    "read the parent's environment": "import os; return os.environ.get('SCA_BAIT')",
    "read the parent's environment from /proc": "return open('/proc/{pid}/environ').read()",
    "read its own /proc": "return open('/proc/self/maps').read()",
    "read the memory of the first process": "return open('/proc/1/mem', 'rb').read(1)",
    "read /sys": "import os; return os.listdir('/sys/kernel')",
    "read kernel messages": "return open('/dev/kmsg').read(1)",
    "read physical memory": "return open('/dev/mem', 'rb').read(1)",
    "open the disk": "import glob; return [open(path, 'rb') for path in glob.glob('/dev/[vs]d*')]",
    "make a disk node": "import os; os.mknod('/tmp/disk', 0o60600, os.makedev(254, 0)); return open('/tmp/disk', 'rb').read(1)",
    "open a terminal": "return open('/dev/tty')",
    "connect by TCP": "import socket; return socket.create_connection(('127.0.0.1', {port}), 2)",
    "connect by TCP over IPv6": "import socket; return socket.create_connection(('::1', {port}), 2)",
    "connect to a public address": "import socket; return socket.create_connection(('192.0.2.1', 80), 2)",
    "send by UDP": "import socket; return socket.socket(2, 2).sendto(b'out', ('127.0.0.1', {udp}))",
    "listen where the parent could connect": """
import socket
server = socket.socket()
server.bind(('127.0.0.1', 0))
server.listen()
return socket.create_connection(server.getsockname(), 1)
""",
    "connect to an abstract socket": "import socket; return socket.socket(1).connect('\\0' + {abstract!r}) is None",
    "connect to a socket file": "import socket; return socket.socket(1).connect({path!r}) is None",
    "open netlink": "import socket; return socket.socket(16, 3, 0)",
    "open a packet socket": "import socket; return socket.socket(17, 3, 0)",
    "open a vsock": "import socket; return socket.socket(40, 1, 0)",
    "open a raw socket": "import socket; return socket.socket(2, 3, 1)",
    "use the kernel's crypto sockets": "import socket; return socket.socket(38, 5, 0)",
    "resolve a name": "import socket; return socket.gethostbyname('example.com')",
    "signal the first process": """
import os, signal, time
os.kill(1, signal.SIGTERM)
os.kill(1, signal.SIGINT)
os.kill(1, signal.SIGKILL)
return True
""",
    "signal the parent": "import os; return os.kill({pid}, 0) is None",
    "signal the warm interpreter": """
import ctypes, os, signal
raw, sent = ctypes.CDLL(None).syscall, 0
for number in (signal.SIGTERM, signal.SIGSEGV, signal.SIGSTOP, signal.SIGURG, 34, 0):
    for victim in (2, -2, 0, -1):
        try:
            os.kill(victim, number); sent += 1
        except OSError: pass
    # tkill, tgkill, rt_sigqueueinfo, rt_tgsigqueueinfo on x86-64
    sent += [raw(200, 2, number), raw(234, 2, 2, number), raw(129, 2, number, 0), raw(297, 2, 2, number, 0)].count(0)
return sent
""",
    "have the kernel signal the warm interpreter": """
import fcntl, os, signal, socket
ours, theirs = socket.socketpair()
fcntl.fcntl(ours, fcntl.F_SETOWN, 2)
return True
""",
    "choose the signal that the kernel sends": """
import fcntl, signal, socket
fcntl.fcntl(socket.socketpair()[0], fcntl.F_SETSIG, signal.SIGTERM)
return True
""",
    "leave a hint with the file of the next program's output": """
import fcntl, struct
fcntl.fcntl(1, 1036, struct.pack('Q', 2))
return True
""",
    "make the pipe of the next program's report short": "import fcntl; return fcntl.fcntl(3, fcntl.F_SETPIPE_SZ, 4096)",
    "stop everything": "import os, signal; return os.kill(-1, signal.SIGSTOP) is None",
    "kill everything": "import os, signal; return os.kill(-1, signal.SIGKILL) is None",
    "trace the first process": "return call('ptrace', 16, 1, 0, 0) == 0",
    "ask to be traced": "return call('ptrace', 0, 0, 0, 0) == 0",
    "read memory across processes": "return call('process_vm_readv', 1, 0, 0, 0, 0, 0) == 0",
    "lower the first process's limits": "import resource; return resource.prlimit(1, resource.RLIMIT_NOFILE, (0, 0))",
    "lower the first process's priority": "import os; os.setpriority(os.PRIO_PROCESS, 1, 19); return True",
    "pin the first process": "import os; os.sched_setaffinity(1, {{0}}); return True",
    "raise its own memory limit": """
import resource
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
return True
""",
    "raise its own CPU limit": "import resource; resource.setrlimit(resource.RLIMIT_CPU, (10**6, 10**6)); return True",
    "fork": "import os; return os.fork() >= 0",
    "fork twice and leave a daemon": """
import os
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        while True: pass
return True
""",
    "fork by clone": "return call('syscall', 56, 17, 0, 0, 0, 0) >= 0",
    "fork by clone3": "return call('syscall', 435, bytes(88), 88) >= 0",
    "start a program": "import subprocess; return subprocess.run(['/bin/sh', '-c', 'true'])",
    "start the interpreter": "import subprocess, sys; return subprocess.run([sys.executable, '-c', ''])",
    "become another program": "import os, sys; os.execv(sys.executable, [sys.executable, '-c', ''])",
    "use multiprocessing": """
import multiprocessing
child = multiprocessing.get_context('fork').Process(target=print)
child.start()
return True
""",
    "make a user namespace": "return call('unshare', 0x10000000) == 0",
    "make a mount namespace": "return call('unshare', 0x00020000) == 0",
    "join a namespace": "import os; return call('setns', 0, 0) == 0",
    "mount": "return call('mount', b'tmpfs', b'/tmp', b'tmpfs', 0, None) == 0",
    "unmount": "return call('umount2', b'/tmp', 2) == 0",
    "mount by the new calls": "return call('syscall', 430, b'tmpfs', 0) >= 0",
    "remount writable": "return call('mount', None, b'/', None, 0x1020, None) == 0",
    "change the root": "import os; os.chroot('/tmp'); return True",
    "pivot the root": "return call('syscall', 155, b'.', b'.') == 0",
    "become root": "import os; os.setuid(0); return True",
    "become root by regid": "import os; os.setregid(0, 0); return True",
    "be root": "import os; return os.getuid() == 0 or os.geteuid() == 0",
    "have capabilities": """
import ctypes
header, data = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
ctypes.CDLL(None).capget(header, data)
return any(data)
""",
    "take capabilities": """
import ctypes
header, data = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)(*[0xFFFFFFFF] * 6)
return ctypes.CDLL(None).capset(header, data) == 0
""",
    "make a setuid file count": """
import os, shutil, sys
shutil.copy(sys.executable, '/tmp/setuid')
os.chmod('/tmp/setuid', 0o6755)
return not os.statvfs('/tmp').f_flag & os.ST_NOSUID or not os.statvfs('/tmp').f_flag & os.ST_NOEXEC
""",
    "use the kernel's keyrings": "return call('syscall', 248, b'user', b'bait', b'x', 1, -3) >= 0",
    "search the kernel's keyrings": "return call('syscall', 250, 0, -4, 1) >= 0",
    "use io_uring": "return call('syscall', 425, 1, bytes(120)) >= 0",
    "load a BPF program": "return call('syscall', 321, 0, bytes(120), 120) >= 0",
    "measure by perf": "return call('syscall', 298, bytes(120), 0, -1, -1, 0) >= 0",
    "handle page faults": "return call('syscall', 323, 0) >= 0",
    "make shared memory that outlives it": "return call('shmget', 12345, 4096, 0o1600) >= 0",
    "make a message queue that outlives it": "return call('msgget', 12345, 0o1600) >= 0",
    "make a POSIX queue": "return call('syscall', 240, b'bait', 0o102, 0o600, 0) >= 0",
    "make memory outside all limits": "import os; return os.memfd_create('hidden')",
    "trace through another ABI": """
import ctypes, mmap
# int 0x80 with eax = 20 (getpid of the 32-bit ABI)
code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
code.write(bytes.fromhex('b814000000cd80c3'))
address = ctypes.addressof(ctypes.c_char.from_buffer(code))
return ctypes.CFUNCTYPE(ctypes.c_int)(address)() > 0
""",
    "write into the standard library": "import os; open(os.__file__, 'a').write('#'); return True",
    "write into site-packages": "import numpy; open(numpy.__file__, 'a').write('#'); return True",
    "replace a cached module": "import importlib.util, os; os.unlink(importlib.util.cache_from_source(os.__file__)); return True",
    "write into the root": "open('/bait', 'w').write('x'); return True",
    "write into /etc": "open('/etc/passwd', 'a').write('x'); return True",
    "write into /dev": "open('/dev/bait', 'w').write('x'); return True",
    "change the clock": "import time; time.clock_settime(time.CLOCK_REALTIME, 0); return True",
    "change the host name": "import socket; socket.sethostname('bait'); return True",
    "see the host's name": "import socket; return socket.gethostname() != 'jail'",
    "see other processes": "import os; return os.getppid() != 1 or os.path.exists('/proc/1')",
    "import the jail": """
import sys
try:
    import jail.supervisor
except ImportError:
    return [name for name in sys.modules if name.startswith('jail')]
return True
""",
    "use the jail's socket": """
import os, socket, stat
return [fd for fd in range(256) if is_open(fd) and stat.S_ISSOCK(os.fstat(fd).st_mode)]
""",
    "use a descriptor of the parent's": """
import os
return len([fd for fd in range(3, 256) if is_open(fd)]) > 1  # its own report's pipe is there
""",
    "fill the scratch folder beyond its size": """
with open('/tmp/a', 'wb') as one, open('/tmp/b', 'wb') as two:
    for file in (one, two):
        for _ in range(40): file.write(bytes(1 << 20))
return True
""",
    "fill the shared memory folder": """
for name in 'ab':
    with open('/dev/shm/' + name, 'wb') as file:
        for _ in range(40): file.write(bytes(1 << 20))
return True
""",
    "make many files": """
for number in range(5000): open(f'/tmp/{{number}}', 'w').close()
return True
""",
    "open many descriptors": """
import os
held = [os.dup(0) for _ in range(5000)]
return True
""",
    "start many threads": """
import threading, time
for _ in range(2000):
    threading.Thread(target=time.sleep, args=(1,), daemon=True).start()
return True
""",
}  # fmt: skip

_FIND_TOKEN = """
import os, sys
frame = sys._getframe()
while 'received' not in frame.f_locals: frame = frame.f_back
token = frame.f_locals['received'][-32:]
"""

# name: (body, statuses that count as held)
ENDS = {
    "loop for ever": ("while True: pass", {"timeout"}),
    "loop in one bytecode": ("return 10 ** 10 ** 9", {"timeout", "out-of-memory"}),
    "sleep for ever": ("import time; time.sleep(1000)", {"timeout"}),
    "wait for a signal": ("import signal; signal.pause()", {"timeout"}),
    "ignore every signal and loop": (
        "import signal\nfor n in (1, 2, 3, 10, 12, 13, 14, 15, 24, 25): signal.signal(n, signal.SIG_IGN)\nwhile True: pass",
        {"timeout"},
    ),
    "swallow everything and loop": (
        "while True:\n try:\n  while True: pass\n except BaseException: pass",
        {"timeout"},
    ),
    "loop in threads": (
        "import threading\ndef f():\n while True: pass\nfor _ in '12345678': threading.Thread(target=f).start()\nreturn True",
        {"timeout"},
    ),
    "allocate one giant": ("return bytearray(1 << 36)", {"out-of-memory"}),
    "allocate without end": ("held = []\nwhile True: held.append(bytearray(1 << 20))", {"out-of-memory"}),
    "double a string": ("text = 'x'\nwhile True: text += text", {"out-of-memory"}),
    "repeat a string in one bytecode": ("return 'x' * (1 << 35)", {"out-of-memory"}),
    "shift an integer in one bytecode": ("return 1 << (1 << 36)", {"out-of-memory"}),
    "map shared memory": (
        "import mmap\nheld = []\nwhile True:\n  one = mmap.mmap(-1, 1 << 26); one.write(bytes(1 << 26)); held.append(one)",
        {"out-of-memory", "failed"},
    ),
    "allocate in threads": (
        "import threading as t\ndef f(x=[]):\n while True: x.append(bytearray(1 << 20))\nfor _ in '1234': t.Thread(target=f).start()",
        {"out-of-memory", "failed"},
    ),
    "recurse without end": ("def f(): return f()\nf()", {"failed"}),
    "recurse in C": (
        "import sys; sys.setrecursionlimit(10**9)\nx = None\nfor _ in range(10**6): x = (x,)\nreturn hash(x) or repr(x)",
        {"killed", "failed", "out-of-memory"},
    ),
    "flood stdout": ("while True: print('x' * 10000)", {"killed"}),
    "flood stderr by descriptor": ("import os\nwhile True: os.write(2, b'x' * 100000)", {"killed"}),
    "grow a sparse stdout": ("import os\nos.pwrite(1, b'x', 1 << 40); return True", {"killed"}),
    "write one giant file": (
        "with open('/tmp/x', 'wb') as file:\n while True: file.write(bytes(1 << 20))",
        {"killed", "failed"},
    ),
    "write to every descriptor": (
        "import os\nfor fd in range(256):\n try: os.write(fd, b'passed ' * 3000)\n except OSError: pass\nos._exit(0)",
        {"early-exit", "timeout"},
    ),
    "close every descriptor": ("import os; os.closerange(0, 65536)", {"early-exit", "failed"}),
    "forge a malformed report": (
        _FIND_TOKEN + "os.write(3, token + b'bad\\n'); os._exit(0)",
        {"early-exit"},
    ),
    "forge a report of another shape": (
        _FIND_TOKEN + "os.write(3, token + b'broken\\t\\t0\\t1\\t0\\t\\n'); os._exit(0)",
        {"early-exit"},
    ),
    "forge a report of a line that is not there": (
        _FIND_TOKEN + "os.write(3, token + b'failed\\t\\t0\\t1\\t999999\\t\\n'); os._exit(0)",
        {"failed", "early-exit"},
    ),
    "forge a report of numbers without end": (
        _FIND_TOKEN + "os.write(3, token + b'passed\\t\\t0\\t' + b'9' * 60000 + b'\\t0\\t\\n'); os._exit(0)",
        {"early-exit"},
    ),
    "ask for a fuller jail for ever": (
        _FIND_TOKEN + "os.write(3, token + b'\\n'); os._exit(0)",
        {"early-exit"},
    ),
    "die by a real-time signal": ("import os; os.kill(os.getpid(), 40)", {"killed"}),
    "crash the interpreter": ("import ctypes; ctypes.string_at(0)", {"killed"}),
    "abort": ("import os; os.abort()", {"killed"}),
    "stop itself": ("import os; os.kill(os.getpid(), 19)", {"timeout", "failed"}),
    "overflow the C stack by threads": (
        "import threading\nthreading.stack_size(1 << 30)\nfor _ in '12345678': threading.Thread(target=input).start()",
        {"failed", "out-of-memory"},
    ),
}  # fmt: skip

HARNESS = """
def call(name, *arguments):
    import ctypes
    return getattr(ctypes.CDLL(None), name)(*arguments)

def is_open(fd):
    import os
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True

def attack():
{body}

def refused():
    try:
        return not attack()
    except Exception as reason:
        print(type(reason).__name__, reason)
        return True
"""
