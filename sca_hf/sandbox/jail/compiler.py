"""The jail's compiling process, between the pool and the first process.

It stands apart from the first process, which has rights of its own, since Python's compiler takes what a model wrote.
It may call little more than `read`, `write` and the allocator's, less than a program, and choose its core.
"""

import _signal  # type: ignore[import-not-found]
import errno
import gc
import marshal
import os
import resource
import time
import warnings
from typing import Any, NamedTuple

from . import assertions, kernel, messages, reports
from .seccomp import build_compiling
from .settings import limit

_START = b"\0"

_COMPILED_HERE_CHARS = 50_000
_LONGEST_SECONDS = 0.5
"""Of CPU time for a program. One that takes longer ends this process by a signal, and the jail with it: it is tried
again "carefully", that is, compiled by its own process under the limits of a program."""
_MOST_BYTES = 512 << 20
"""Of memory. What takes more is left to the program's own process too."""


def begin(link: int) -> None:
    """Takes the last files that the compiling process needs, while it may, and lets the first process go on."""
    # Here, so that no other process of the jail has them. Python's compiler takes the second for names that aren't
    # ASCII.
    import select  # noqa: F401
    import unicodedata  # noqa: F401

    os.write(link, _START)


def serve(control: int, link: int, core: int) -> None:
    """Compiles what comes from the pool, until it or the first process hangs up. `control`: descriptor of the pool's
    socket. `link`: of a pipe to the first process. `core`: where this is."""
    import select

    kernel.forbid_new_privileges()
    kernel.drop_capabilities()
    kernel.set_dumpable(False)
    # The compiler's opinion on the tests is nobody's stderr.
    warnings.simplefilter("ignore", SyntaxWarning)
    waiting = select.poll()
    waiting.register(control, select.POLLIN)
    waiting.register(link, 0)
    gc.freeze()
    limit(resource.RLIMIT_CORE, 0)
    limit(resource.RLIMIT_AS, _MOST_BYTES)
    kernel.install_filter(build_compiling())
    while True:
        for descriptor, _ in waiting.poll():
            if descriptor == link:
                return
        request = messages.receive(control)
        if request is None:
            return
        if request["core"] != core:
            core = request["core"]
            kernel.keep_to(core)
        answer = _pass_on(request, link)
        if answer is not None:
            messages.send(control, answer)


def wait_for_begin(link: int) -> None:
    """In the first process, which is about to change the files that both see. Raises OSError if the other has ended."""
    if os.read(link, len(_START)) != _START:
        raise OSError(errno.EPIPE, "the compiling process has ended")


class Passed(NamedTuple):
    """A program as the first process gets it."""

    packed: bytes
    """For the program's own process, by `marshal`: both parts, compiled, and what is known of them; or both as text."""
    flags: list[str]
    core: int
    """Where it is to run."""
    cpu_seconds: float
    """What the compilation took."""


def take(link: int) -> Passed | None:
    """The next program; None at the end."""
    packed = messages.receive_packed(link)
    if not packed:
        return None
    return Passed(*marshal.loads(packed))


def _pass_on(request: dict[str, Any], link: int) -> dict[str, Any] | None:
    """Returns the report where no process of the program's own is needed for it."""
    code, tests = request["code"], request["tests"]
    packed, flags = marshal.dumps((code, tests, None)), list[str]()
    start = time.process_time()
    if not request["careful"] and len(code) + len(tests) <= _COMPILED_HERE_CHARS:
        _signal.setitimer(_signal.ITIMER_PROF, _LONGEST_SECONDS)
        try:
            prepared = assertions.prepare(code, tests)
            packed, flags = marshal.dumps((prepared.code, prepared.tests, tuple(prepared.facts))), prepared.flags
        except assertions.Uncompilable as refusal:
            # What is out of memory here need not be so there.
            if refusal.status != "out-of-memory":
                return reports.nothing_ran(reports.refused(refusal), time.process_time() - start)
        except ImportError:
            # No files can be seen from here.
            pass
        finally:
            _signal.setitimer(_signal.ITIMER_PROF, 0)
    messages.send_packed(link, marshal.dumps((packed, flags, request["core"], time.process_time() - start)))
    return None
