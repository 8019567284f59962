"""`bare_fork.py WORKERS`, with [packages to import, sources] on stdin, marshalled: prints seconds and whether all
passed.

Imports as little as it can: what a process holds is what a fork costs.
"""

import gc
import marshal
import os
import sys
import time
from types import CodeType


def main() -> None:
    """Compile all, then fork for each."""
    packages, sources = marshal.load(sys.stdin.buffer)
    for name in packages:
        __import__(name)
    workers = int(sys.argv[1])
    compiled = [compile(source, "program", "exec") for source in sources]
    del sources
    gc.collect()
    gc.freeze()
    start = time.perf_counter()
    started = []
    for share in range(workers):
        worker = os.fork()
        if worker == 0:
            os._exit(_fork_each(compiled[share::workers]))
        started.append(worker)
    passed = [os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]) == 0 for worker in started]
    print(time.perf_counter() - start, int(all(passed)))


def _fork_each(compiled: list[CodeType]) -> int:
    failed = 0
    for code in compiled:
        child = os.fork()
        if child == 0:
            try:
                exec(code, {"__name__": "__main__"})
            except BaseException:
                os._exit(1)
            os._exit(0)
        failed |= os.waitpid(child, 0)[1]
    return int(failed != 0)


if __name__ == "__main__":
    main()
