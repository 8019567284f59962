"""Judge the files of a stream one by one, as far as is asked for: part by part, in order, by many processes.

A part is some files of one shard. What was judged is kept until the stage is done, so that after a kill a part is
neither judged nor, but for the shard that was being read, asked for again.
"""

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias

import pyarrow as pa
from datasets import Dataset, Features, concatenate_datasets

from sca_hf.corpus.hub import File, FileStream
from sca_hf.parallel.checkpoints import Checkpoints
from sca_hf.parallel.crash_proof import CrashProofWorker
from sca_hf.sandbox.jail.kernel import die_with_parent
from sca_hf.stage import REJECT_REASON

Row: TypeAlias = dict[str, Any]
JudgeFiles: TypeAlias = Callable[[Sequence[File], CrashProofWorker[File, list[Row]]], list[Row]]

PART_FILES = 250

_worker: CrashProofWorker[File, list[Row]] | None = None  # of a worker


class SeedStream:
    """The judged rows of a stream, in its order, of as many of its first files as were read so far.

    `judge`: the rows of some files. `folder`: for the rows read, Arrow. `passed`: rows without a reason among them.
    `over`: whether there is no more to read.
    """

    def __init__(
        self,
        stream: FileStream,
        judge: JudgeFiles,
        worker: CrashProofWorker[File, list[Row]],
        checkpoints: Checkpoints,
        workers: int,
        folder: Path,
        features: Features,
    ) -> None:
        self._stream, self._judge, self._checkpoints, self._folder = stream, judge, checkpoints, folder
        self._features, self._pieces = features, list[Dataset]()
        self.passed, self.over = 0, False
        self._window = 2 * workers
        self._pool = ProcessPoolExecutor(workers, multiprocessing.get_context("fork"), _start_worker, (worker,))
        self._pool.submit(os.getpid).result()  # forks all of them, before the connections to the Hub have threads
        self._parts = self._judged()

    def __enter__(self) -> "SeedStream":
        return self

    def __exit__(
        self, type: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def read(self, enough: int | None) -> Dataset:
        """Read on until `enough` rows passed (None: to the end); gives all rows so far."""
        path = self._folder / f"seeds-{len(self._pieces)}.arrow"
        schema = self._features.arrow_schema
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, schema) as writer:
            while enough is None or self.passed < enough:
                part = next(self._parts, None)
                if part is None:
                    self.over = True
                    break
                self._stream.files += part["files"]
                self.passed += sum(row[REJECT_REASON] is None for row in part["rows"])
                writer.write_batch(pa.RecordBatch.from_pylist(part["rows"], schema))
        self._pieces.append(Dataset.from_file(str(path)))
        return concatenate_datasets(self._pieces)

    def _judged(self) -> Iterator[Row]:
        """Yield every part, in order; at most `_window` of them are read before they are judged."""
        waiting: deque[Row | Future[Row]] = deque()
        for part in self._begun():
            waiting.append(part)
            while len(waiting) > self._window:
                yield _made(waiting.popleft())
        while waiting:
            yield _made(waiting.popleft())

    def _begun(self) -> Iterator[Row | Future[Row]]:
        for shard in range(self._stream.shards):
            number, over = 0, False
            while not over and (part := self._checkpoints.kept(self._key(shard, number))) is not None:
                yield part
                number, over = number + 1, part["files"] < PART_FILES
            if over:
                continue
            for files in self._stream.parts(shard, number, PART_FILES):
                key = self._key(shard, number)
                yield self._checkpoints.kept(key) or self._pool.submit(
                    _judge_part, self._judge, self._checkpoints, key, files
                )
                number += 1

    def _key(self, shard: int, number: int) -> list[str]:
        return [self._stream.source.sha, str(PART_FILES), str(shard), str(number)]


def _made(part: Row | Future[Row]) -> Row:
    return part.result() if isinstance(part, Future) else part


def _judge_part(judge: JudgeFiles, checkpoints: Checkpoints, key: Sequence[str], files: Sequence[File]) -> Row:
    worker = _worker
    assert worker is not None
    return checkpoints.part(key, lambda: {"files": len(files), "rows": judge(files, worker)})


def _start_worker(worker: CrashProofWorker[File, list[Row]]) -> None:
    global _worker  # noqa: PLW0603  the pool has no other way to give its workers something of their own
    _worker = worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends the pool
    die_with_parent()  # it holds the pipes of the others open, so none of them would see the end of the parent
