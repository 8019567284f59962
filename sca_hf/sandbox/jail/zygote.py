"""The warm interpreter: forks for each program, and does nothing else.

What a process writes while it has a fork costs it a fault for every page, and what it has mapped costs every fork. So
this one imports little and touches little; the jail's first process, its parent, does the rest, and is the parent of
the programs too. It has no more rights than a program, but for the fork.
"""

import _signal  # type: ignore[import-not-found]
import gc
import marshal
import math
import os
import resource
import sys
from typing import NoReturn

from . import assertions, kernel, pages, reports, runner, streams
from .exercise import exercise
from .probe import Probe
from .runner import Full
from .seccomp import build_narrow, build_wide
from .settings import SCRATCH, Settings, limit_memory

SMALL = (
    *("bisect", "collections", "copy", "functools", "heapq", "itertools", "json", "math", "operator", "random", "re"),
    *("string", "time", "typing"),
)
"""Imported in every jail. Each module's pages are copied with each fork, so these are the cheap and common ones."""

_USUAL = """
abc array ast base64 calendar cmath contextlib csv dataclasses datetime decimal enum fractions hashlib io logging
numbers os.path pathlib pickle pprint queue statistics struct tempfile textwrap threading timeit traceback types
unittest unittest.mock urllib.parse uuid warnings weakref zlib
"""
"""Imported in full jails too."""

_OWN_CPU_SECONDS = 60
"""For the forks of all programs. A program that runs for long gets a limit without it."""

TOKEN_BYTES = 32
"""At the end of a program as its process gets it, and before what that says: it proves where it comes from."""


class Zygote:
    """`number`: page where the kernel puts the number of the program's process. `full`: None in a jail that keeps to
    what small programs need."""

    def __init__(self, settings: Settings, full: Full | None, probe: Probe, number: int) -> None:
        self._settings = settings
        self._full = full
        self._probe = probe
        self._number = number

    def warm_up(self, preload: tuple[str, ...], processes: int) -> None:
        """Imports what programs find imported, and sets limits. `processes`: descriptor of a /proc, or -1. Raises
        ImportError, OSError."""
        gc.disable()
        modules = (*SMALL, *(_USUAL.split() if self._full else ()), *preload)
        with pages.OneHeap():
            for name in modules:
                __import__(name)
            exercise(modules)
        _hide()
        runner.fix_state()
        self._record = runner.make_record()
        if self._full is not None:
            self._full.watch(self._record)
        self._probe.listen()
        pages.collapse(processes)
        _limit(self._settings)

    def serve(self, pipes: streams.Pipes) -> NoReturn:
        """Gives up all power, then forks for each order until the first process hangs up."""
        pipes.place()
        resource.setrlimit(resource.RLIMIT_NOFILE, (self._settings.open_files, self._settings.open_files))
        kernel.keep_from_forks(self._number)
        fork = kernel.forking_siblings(self._number)
        self._calls = build_narrow()
        kernel.drop_capabilities()
        kernel.install_filter(build_wide())
        gc.collect()
        # What is alive is taken out of the collector's sight, or it would touch it all in the child.
        gc.freeze()
        streams.say_ready()
        while order := streams.next_order():
            if order & 1:
                os.chdir(SCRATCH[0])
            if fork():
                self._run(order >> 1)
        os._exit(0)

    def _run(self, size: int) -> NoReturn:
        """In the program's process."""
        try:
            received = streams.take_program(size)
            self._calls.be_of(os.getpid())
            kernel.install_filter(self._calls)
        except BaseException:
            # A program can't do this to itself, so it says that none has run.
            os.kill(os.getpid(), _signal.SIGKILL)
        record = self._record
        try:
            record.offset, code, tests, collects = marshal.loads(received)
            counting = None
            try:
                if type(code) is str:
                    code, tests, collects, counting = self._compile(code, tests)
                gc.enable()
                outcome = runner.execute(code, tests, collects, record, self._full)
            except assertions.NeedsFull:
                said = reports.SAYS_NEEDS_FULL
            except assertions.Uncompilable as refusal:
                said = reports.pack("syntax-error", *refusal.place(record.offset), 0, 0)
            else:
                if counting is None:
                    said = reports.pack(*outcome, record.counted, record.last_test_line)
                else:
                    held = counting.held(record.counted, record.last_test_line)
                    said = reports.pack(*outcome, held, 0, counting.flags)
            runner.send(streams.REPORT, received[-TOKEN_BYTES:] + said)
        finally:
            os._exit(0)

    def _compile(self, code: str, tests: str) -> assertions.Prepared:
        return assertions.prepare(code, tests, None if self._full is None else self._full.rewrite)


def _limit(settings: Settings) -> None:
    file_bytes = max(settings.file_bytes, settings.output_bytes + 1)
    # Processes are counted per user namespace, since Linux 5.14: the first, this one, and the program's threads.
    for what, most in (
        (resource.RLIMIT_CPU, math.ceil(settings.cpu_seconds) + _OWN_CPU_SECONDS),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_STACK, 8 << 20),
        (resource.RLIMIT_NPROC, settings.threads + 2),
    ):
        resource.setrlimit(what, (most, most))
    limit_memory(settings)


def _hide() -> None:
    """Takes this package out of what a program can import by name."""
    package = __package__ or ""
    for name in [name for name in sys.modules if name == package or name.startswith(package + ".")]:
        del sys.modules[name]
