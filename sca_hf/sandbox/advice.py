"""Why a jail could not be built here, and how to allow it."""

import errno
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_NEEDED_SINCE = (5, 14)
_SWITCHES = (
    ("/proc/sys/kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"),
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
    ),
    ("/proc/sys/user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=10000"),
    ("/proc/sys/user/max_pid_namespaces", "0", "sysctl -w user.max_pid_namespaces=10000"),
    ("/proc/sys/user/max_net_namespaces", "0", "sysctl -w user.max_net_namespaces=10000"),
)


def explain(refusal: Mapping[str, Any]) -> str:
    """One line: what a jail lacked (`step`, `unavailable`, `errno` as the launcher told them) and the fix."""
    return f"no jail can be built here, at {refusal['step']}: {refusal['unavailable']}; {_fix(refusal)}"


def kernel_switches() -> list[str]:
    """Commands (as root) that would lift what the kernel's settings forbid."""
    return [fix for path, value, fix in _SWITCHES if _read(path) == value]


def _fix(refusal: Mapping[str, Any]) -> str:
    switches = kernel_switches()
    if switches:
        return f"allow it with: {' && '.join(switches)} (as root)"
    release = tuple(int(part) for part in platform.release().split("-")[0].split(".")[:2])
    if refusal["errno"] == errno.ENOSYS and release < _NEEDED_SINCE:
        return f"it needs Linux 5.14 or later, this is {platform.release()}"
    if refusal["errno"] in (errno.EPERM, errno.ENOSYS, errno.EACCES):
        return (
            "in a container, start it with `--security-opt seccomp=unconfined --security-opt apparmor=unconfined` "
            "(Docker, Podman) or a seccomp profile that allows unshare and mount"
        )
    if refusal["errno"] in (errno.ENOMEM, errno.ENOSPC, errno.EMFILE, errno.ENFILE, errno.EAGAIN):
        return "the machine is out of memory, processes, namespaces or descriptors: use fewer workers"
    return "run `python -m sca_hf.sandbox check` for what this machine can isolate"


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return None
