"""The jail's compiling process, between the pool and the first process.

It stands apart from the one that forks: a fork makes every page that its parent writes next cost a fault, and compiling
writes many. It may call little more than `read`, `write` and the allocator's: less than a program.
"""

import gc
import marshal
import select
import unicodedata  # noqa: F401 (the compiler imports it for names that aren't ASCII)
import warnings
from typing import Any

from . import assertions, kernel, messages, reports
from .reports import NEEDS_FULL
from .seccomp import build_compiling

_COMPILED_HERE_CHARS = 50_000
_COMPILED_HERE_FINALLY = 3


def serve(control: int, link: int, rewrite: assertions.Rewrite | None) -> None:
    """Compiles what comes from the pool, until it or the first process hangs up. `control`: descriptor of the pool's
    socket. `link`: of one to the first process. `rewrite`: None in a jail without the syntax tree."""
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
        answer = _pass_on(request, link, rewrite)
        if answer is not None:
            messages.send(control, answer)


def take(link: int) -> dict[str, Any] | None:
    """A program as `serve` passes it on: `offset` (lines of the code part), and either `prepared`, or else `code` and
    `tests`, which a fork has to compile. None at the end."""
    packed = messages.receive_packed(link)
    passed: dict[str, Any] | None = marshal.loads(packed) if packed else None
    if passed is not None and passed["prepared"] is not None:
        passed["prepared"] = assertions.Prepared(*passed["prepared"])
    return passed


def _pass_on(request: dict[str, Any], link: int, rewrite: assertions.Rewrite | None) -> dict[str, Any] | None:
    """Returns the report where no process of the program's own is needed for it."""
    code, tests = request["code"], request["tests"]
    offset = code.count("\n") + 1
    passed: dict[str, Any] = {"offset": offset, "prepared": None, "code": code, "tests": tests}
    if not request["careful"] and _compiles_fast(code) and _compiles_fast(tests):
        try:
            prepared = assertions.prepare(code, tests, rewrite)
            passed = {"offset": offset, "prepared": tuple(prepared)}
        except assertions.NeedsFull:
            return NEEDS_FULL
        except assertions.Uncompilable as refusal:
            return reports.nothing_ran(reports.refused(refusal, offset))
        except ImportError:
            # No files can be seen from here.
            pass
    messages.send_packed(link, marshal.dumps(passed))
    return None


def _compiles_fast(source: str) -> bool:
    """Nested `finally` blocks double the code at every level; the rest is bounded by the length."""
    return len(source) <= _COMPILED_HERE_CHARS and source.count("finally") <= _COMPILED_HERE_FINALLY
