"""What every process of an in-process engine runs first, in the place of the user's main module.

vLLM's processes outlive a parent that dies hard, idle, with its terminal or pipe held open. So each of them watches its
parent and ends with it, and writes to a log instead of the user's terminal. Since it stands in for the main module, a
user's script is not imported again in these processes, and needs no `if __name__ == "__main__"`.
"""

import os
import signal
import sys
import threading
import time

LOG_VARIABLE = "SCA_HF_ENGINE_LOG"
"""Names the file that takes the output of the engine's processes; without it they write where their parent does."""

PARENT_VARIABLE = "SCA_HF_ENGINE_PARENT"
"""The id of the process that starts one: it may be dead before the other can ask who its parent is."""

_SECONDS = 0.5


def _divert_output(path: str) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    except FileNotFoundError:
        # It is a descriptor of the parent, which has died.
        os._exit(1)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)


def _end_with_parent(parent: int) -> None:
    while True:
        # By getppid and not by a signal of the kernel: that one comes when the parent's *thread* ends.
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(_SECONDS)


if __name__ == "__mp_main__":
    if log := os.environ.get(LOG_VARIABLE):
        _divert_output(log)
    # Before vLLM is imported, which takes seconds: multiprocessing itself knows no parent before that.
    parent = int(os.environ[PARENT_VARIABLE])
    threading.Thread(target=_end_with_parent, args=(parent,), name="lifeline", daemon=True).start()
    os.environ[PARENT_VARIABLE] = str(os.getpid())  # for the processes of this one
