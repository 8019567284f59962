"""The Ray cluster of this process, which several of its parts may use at once: the last one that leaves ends it."""

import os
import threading

_TRIES = 3
_BUSY = "timed out during startup"

_lock = threading.Lock()
_users = 0
_started_here = False


def join() -> None:
    """Be on the cluster of RAY_ADDRESS, else on one that runs on this machine, else on a local one started for it.

    Raises what Ray raises.
    """
    global _users, _started_here  # noqa: PLW0603 - a process is on one cluster
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    with _lock:
        for attempt in range(1, _TRIES + 1):
            if ray.is_initialized():
                break
            try:
                ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR")
                _started_here = True
            except Exception as error:
                ray.shutdown()
                if _BUSY not in str(error) or attempt == _TRIES:  # Ray gives its own processes 30 s, and no more
                    raise
        _users += 1


def leave() -> None:
    """Be off it, after `join`. Who had started it ends it where nobody else is on it."""
    global _users, _started_here  # noqa: PLW0603
    import ray

    with _lock:
        _users -= 1
        if _users == 0 and _started_here:
            _started_here = False
            ray.shutdown()


def address() -> str:
    """Return where the cluster is, in words."""
    return os.environ.get("RAY_ADDRESS", "this machine")
