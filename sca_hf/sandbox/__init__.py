"""Runs model-written programs, which are hostile until shown otherwise, and says what became of them.

    async with Jails(workers=2) as jails:
        verdict = await jails.run(Program(code="def add(a, b): return a + b", tests="assert add(1, 2) == 3"))
    assert verdict.status == "passed"

A program runs in a fork of a warm interpreter inside a jail of its own namespaces. Such a jail has three processes:
`jail/compiler.py` compiles, `jail/supervisor.py` is the first one inside and watches, `jail/zygote.py` forks. What
makes a pass mean something: `jail/instrument.py`.

It is protected: files (only the interpreter can be seen, nothing can be written but two small scratch folders, new
for each program), the environment and memory of the run, its processes, the network and every socket of the machine,
its keyrings, clock, disks and host name; memory, CPU, descriptors, threads and output within limits, compilation
included; the next program from this one, and other jails. What is not there for that reason: child processes, sockets
with a name (`socket.socketpair` has none), descriptors sent over one; locks of files are granted and do nothing.

It is not protected: the kernel itself from an unknown flaw in a call that `jail/syscalls.py` allows; caches of the
processor; and **the verdict from forgery inside the one process that both run in**. A program that walks frames or
the garbage collector's objects can find the run's token, one that uses ctypes can write anywhere, one that replaces
the counting functions in its own module or in `builtins` can count what did not hold, and an `__eq__` that is always
true satisfies any comparison. Nothing inside one process can prevent that; such a program is flagged by what it
mentions (`Verdict.flags`), and a name put together at run time escapes the flags.
"""

from sca_hf.sandbox.pool import Jails
from sca_hf.sandbox.verdict import FORGING_FLAGS, JAIL_VERSION, REFERENCE_LIMITS, Flag, Limits, Program, Status, Verdict

__all__ = [
    "FORGING_FLAGS",
    "JAIL_VERSION",
    "REFERENCE_LIMITS",
    "Flag",
    "Jails",
    "Limits",
    "Program",
    "Status",
    "Verdict",
]
