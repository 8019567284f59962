"""The Ray cluster of this process, which several of its parts may use at once: the last one that leaves ends it."""

import os
import threading
from concurrent.futures import Future

_TRIES = 3
_BUSY = "timed out during startup"

_lock = threading.Lock()
_users = 0
_held: "_Held | None" = None


class _Held:
    """A cluster that was joined here, in a thread of its own that stays until the last user has left.

    The kernel ends a local Ray with the *thread* that started it (Ray asks for that, by PR_SET_PDEATHSIG), and its
    driver terminates the whole process a minute later. Those that join come from threads that end: an engine's, or one
    of an event loop's pool.
    """

    def __init__(self) -> None:
        self._joined: Future[None] = Future()
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._hold, name="ray-cluster", daemon=True)
        self._thread.start()
        self._joined.result()

    def leave(self) -> None:
        """End what was started, or leave what was found."""
        self._left.set()
        self._thread.join()

    def _hold(self) -> None:
        import ray

        try:
            _init()
        except Exception as error:
            self._joined.set_exception(error)
            return
        self._joined.set_result(None)
        self._left.wait()
        ray.shutdown()


def join() -> None:
    """Be on the cluster of RAY_ADDRESS, else on one that runs on this machine, else on a local one started for it.

    Raises what Ray raises.
    """
    global _users, _held  # noqa: PLW0603 - a process is on one cluster
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    with _lock:
        if not ray.is_initialized():
            _held = _Held()
        _users += 1


def leave() -> None:
    """Be off it, after `join`. What was joined here is left where nobody else is on it."""
    global _users, _held  # noqa: PLW0603

    with _lock:
        _users -= 1
        if _users == 0 and _held is not None:
            held, _held = _held, None
            held.leave()


def address() -> str:
    """Return where the cluster is, in words."""
    return os.environ.get("RAY_ADDRESS", "this machine")


def _init() -> None:
    import ray

    for attempt in range(1, _TRIES + 1):
        try:
            ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR")
            return
        except Exception as error:
            ray.shutdown()
            if _BUSY not in str(error) or attempt == _TRIES:  # Ray gives its own processes 30 s, and no more
                raise
