"""A function of batches in a process of its own, which may crash, hang or run out of memory.

with CrashProofWorker(judge_files) as judged:
    rows = judged(files)      # one result each; None for an input whose worker crashed or hung
"""

import multiprocessing
import os
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, TypeVar

from sca_hf.sandbox.jail.kernel import die_with_parent

Input = TypeVar("Input")
Result = TypeVar("Result")

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class _Child:
    process: ForkProcess
    pipe: Connection

    def cpu_seconds(self) -> float:
        """CPU time that it has used so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_bytes().rpartition(b")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()


class CrashProofWorker(Generic[Input, Result]):
    """`function` gives one result for each of its batch, and can be sent to workers, and so can this.

    `cpu_seconds`: that a batch may take; wall-clock time is bounded at 20 times as much. `memory`: bytes that it may
    map beyond what this process has. A batch that breaks a bound is halved until the one that does it is alone.
    What `function` raises is raised here.
    """

    def __init__(
        self, function: Callable[[Sequence[Input]], Sequence[Result]], cpu_seconds: float = 60, memory: int = 2 * 2**30
    ) -> None:
        self.function, self.cpu_seconds, self.memory = function, cpu_seconds, memory
        self._child: _Child | None = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_child": None}

    def __enter__(self) -> "CrashProofWorker[Input, Result]":
        return self

    def __exit__(
        self, type: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def __call__(self, batch: Sequence[Input]) -> list[Result | None]:
        """The results, in order."""
        results = self._ask(batch) if batch else []
        if results is not None:
            return list(results)
        if len(batch) == 1:
            return [None]
        half = len(batch) // 2
        return self(batch[:half]) + self(batch[half:])

    def _ask(self, batch: Sequence[Input]) -> Sequence[Result] | None:
        """None: the process came to no end, and is gone."""
        child = self._child = self._child or self._start()
        try:
            child.pipe.send(batch)
            cpu_end, wall_end = child.cpu_seconds() + self.cpu_seconds, time.monotonic() + 20 * self.cpu_seconds
            while not child.pipe.poll(0.2):
                if time.monotonic() > wall_end or child.cpu_seconds() > cpu_end:
                    self._end()
                    return None
            results, error = child.pipe.recv()
        except (EOFError, OSError):
            self._end()
            return None
        if error is not None:
            raise error
        result: Sequence[Result] = results
        return result

    def _start(self) -> _Child:
        context = multiprocessing.get_context("fork")
        here, there = context.Pipe()
        process = context.Process(target=self._serve, args=(here, there), daemon=True)
        process.start()
        there.close()
        return _Child(process, here)

    def _serve(self, parents: Connection, pipe: Connection) -> None:
        die_with_parent()  # in the midst of a batch, too
        parents.close()  # so that the end of the parent is seen here
        mapped = int(Path("/proc/self/statm").read_bytes().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (mapped + self.memory, mapped + self.memory))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        while True:
            try:
                batch = pipe.recv()
            except (EOFError, OSError):
                return
            try:
                answer: tuple[Any, BaseException | None] = (self.function(batch), None)
            except MemoryError:
                return  # what is left of the memory may not do for an answer
            except Exception as error:
                answer = (None, error)
            pipe.send(answer)

    def _end(self) -> None:
        if self._child is not None:
            self._child.end()
            self._child = None
