"""What every process of an in-process engine runs first, in the place of the user's main module.

vLLM's processes outlive a parent that dies hard, idle, with its terminal or pipe held open. So each of them watches its
parent and ends with it, and writes to a log instead of the user's terminal. Since it stands in for the main module, a
user's script is not imported again in these processes, and needs no `if __name__ == "__main__"`.
"""

import multiprocessing
import os
import signal
import sys
import threading
import time

LOG_VARIABLE = "SCA_HF_ENGINE_LOG"
"""Names the file that takes the output of the engine's processes; without it they write where their parent does."""

_SECONDS = 0.5


def _divert_output(path: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)


def _end_with_parent() -> None:
    while True:
        time.sleep(_SECONDS)
        parent = multiprocessing.parent_process()
        # By getppid and not by a signal of the kernel: that one comes when the parent's *thread* ends.
        if parent is not None and os.getppid() != parent.pid:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__mp_main__":
    if log := os.environ.get(LOG_VARIABLE):
        _divert_output(log)
    threading.Thread(target=_end_with_parent, name="lifeline", daemon=True).start()
