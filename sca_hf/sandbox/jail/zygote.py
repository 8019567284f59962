"""The warm interpreter: forks for each program, and does nothing else.

What a process writes while it has a fork costs it a fault for every page, and what it has mapped costs every fork. So
this one imports little and touches little; the jail's first process, its parent, does the rest, and is the parent of
the programs too. It has no more rights than a program, but for the fork.
"""

import gc
import math
import resource
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from . import kernel, program, streams
from .seccomp import build_narrow, build_wide
from .settings import RESERVE_BYTES, Common, JailSettings, limit
from .warm_up import exercise

if TYPE_CHECKING:
    from .test_runners import Runners

SMALL = (
    *("bisect", "collections", "copy", "functools", "heapq", "itertools", "json", "math", "operator", "random", "re"),
    *("string", "time", "typing"),
)
"""Imported in every jail. Each module's pages are copied with each fork, so these are the cheap and common ones."""

_USUAL = """
abc array ast base64 calendar cmath contextlib csv dataclasses datetime decimal enum fractions hashlib io logging
numbers os.path pathlib pickle pprint queue statistics struct tempfile textwrap threading timeit traceback types
unittest urllib.parse uuid warnings weakref zlib
"""
"""Imported in full jails too."""

_OWN_CPU_SECONDS = 60
"""For the forks of all programs. A program that runs for long gets a limit without it."""


class Zygote:
    """`runners`: None in a jail that keeps to what small programs need. `preload`: modules that it imports beyond the
    usual ones."""

    def __init__(self, runners: "type[Runners] | None", preload: Sequence[str]) -> None:
        self._make_runners = runners
        self._preload = preload

    def warm_up(self, settings: JailSettings) -> None:
        """Imports what programs find imported, and sets limits. Raises ImportError, OSError."""
        for name in (*SMALL, *(_USUAL.split() if self._make_runners else ()), *self._preload):
            __import__(name)
        exercise(self._preload)
        _hide()
        program.fix_state()
        self._record = program.make_record()
        self._runners = None if self._make_runners is None else self._make_runners(self._record)
        _limit(settings)

    def serve(self, common: Common, pipes: streams.Pipes) -> NoReturn:
        """Gives up all power, then forks for each order until the first process hangs up."""
        pipes.place()
        limit(resource.RLIMIT_NOFILE, common.settings.open_files)
        common.number.keep_from_forks()
        narrow = build_narrow()
        kernel.drop_capabilities()
        kernel.install_filter(build_wide())
        # A fork's first collection would else touch, and so copy, all that is here.
        gc.collect()
        gc.freeze()
        streams.say_ready()
        program.serve(common.number, narrow, self._record, self._runners)


def _limit(settings: JailSettings) -> None:
    file_bytes = max(settings.file_bytes, settings.output_bytes + 1)
    # Processes are counted per user namespace, since Linux 5.14: the first, this one, and the program's threads.
    for what, most in (
        (resource.RLIMIT_CPU, math.ceil(settings.cpu_seconds) + _OWN_CPU_SECONDS),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_STACK, 8 << 20),
        (resource.RLIMIT_NPROC, settings.threads + 2),
    ):
        limit(what, most)
    resource.setrlimit(resource.RLIMIT_AS, (settings.memory_bytes, settings.memory_bytes + RESERVE_BYTES))


def _hide() -> None:
    """Takes this package out of what a program can import by name."""
    package = __package__ or ""
    for name in [name for name in sys.modules if name == package or name.startswith(package + ".")]:
        del sys.modules[name]
