"""The jail's compiling process, between the pool and the first process.

It stands apart from the first process, which has rights of its own, since Python's compiler takes what a model wrote.
It may call little more than `read`, `write` and the allocator's, less than a program, and choose its core.
"""

import errno
import gc
import marshal
import os
import warnings
from typing import Any, NamedTuple

from . import assertions, kernel, messages, reports
from .reports import NEEDS_FULL
from .seccomp import build_compiling

_START = b"\0"

_COMPILED_HERE_CHARS = 50_000
_COMPILED_HERE_FINALLY = 3


def begin(link: int) -> None:
    """Takes the last files that the compiling process needs, while it may, and lets the first process go on."""
    # Here, so that no other process of the jail has them. Python's compiler takes the second for names that aren't
    # ASCII.
    import select  # noqa: F401
    import unicodedata  # noqa: F401

    os.write(link, _START)


def serve(control: int, link: int, core: int, rewrite: assertions.Rewrite | None) -> None:
    """Compiles what comes from the pool, until it or the first process hangs up. `control`: descriptor of the pool's
    socket. `link`: of a pipe to the first process. `core`: where this is. `rewrite`: None in a jail without the syntax
    tree."""
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
        answer = _pass_on(request, link, rewrite)
        if answer is not None:
            messages.send(control, answer)


def wait_for_begin(link: int) -> None:
    """In the first process, which is about to change the files that both see. Raises OSError if the other has ended."""
    if os.read(link, len(_START)) != _START:
        raise OSError(errno.EPIPE, "the compiling process has ended")


class Passed(NamedTuple):
    """A program as the first process gets it."""

    packed: bytes
    """For the program's own process, by `marshal`: lines of the code part; both parts, compiled, or else as text; and
    whether tests of pytest's style are to be run."""
    counting: assertions.Counting
    compiled: bool
    core: int
    """Where it is to run."""
    cpu_seconds: float
    """What the compilation took."""


def take(link: int) -> Passed | None:
    """The next program; None at the end."""
    packed = messages.receive_packed(link)
    if not packed:
        return None
    program, counting, *rest = marshal.loads(packed)
    return Passed(program, assertions.Counting(*counting), *rest)


def _pass_on(request: dict[str, Any], link: int, rewrite: assertions.Rewrite | None) -> dict[str, Any] | None:
    """Returns the report where no process of the program's own is needed for it."""
    code, tests = request["code"], request["tests"]
    offset = code.count("\n") + 1
    compiled, counting = False, assertions.NOT_COUNTED
    if not request["careful"] and _compiles_fast(code) and _compiles_fast(tests):
        try:
            prepared = assertions.prepare(code, tests, rewrite)
            packed = marshal.dumps((offset, prepared.code, prepared.tests, prepared.collects))
            compiled, counting = True, prepared.counting
        except assertions.NeedsFull:
            return NEEDS_FULL
        except assertions.Uncompilable as refusal:
            return reports.nothing_ran(reports.refused(refusal, offset))
        except ImportError:
            # No files can be seen from here.
            pass
    if not compiled:
        packed = marshal.dumps((offset, code, tests, False))
    messages.send_packed(link, marshal.dumps((packed, tuple(counting), compiled, request["core"])))
    return None


def _compiles_fast(source: str) -> bool:
    """Nested `finally` blocks double the code at every level; the rest is bounded by the length."""
    return len(source) <= _COMPILED_HERE_CHARS and source.count("finally") <= _COMPILED_HERE_FINALLY
