"""Builds a jail around itself and becomes its first process.

Run as a fresh interpreter with an empty environment and one socket, so that nothing of the parent's memory,
environment or descriptors is there. Namespaces: user, mount, PID, network (without even a loopback), IPC, UTS,
cgroup. The root is a read-only tmpfs with the interpreter, the C libraries and five devices; no /proc, no /sys, no
setuid, no exec of anything.

With the right to mount (root), the folders are bound first and the uid is dropped then, so that an interpreter under a
home of mode 0700 is in reach. Either way the jail's processes have one kernel uid that isn't root, mapped as 1000.
"""

import _signal  # type: ignore[import-not-found]
import contextlib
import errno
import json
import os
import stat
import sys
from typing import TYPE_CHECKING, Any

from . import compiler, kernel, messages, streams, supervisor
from .settings import SCRATCH, Common, JailSettings
from .zygote import Zygote

if TYPE_CHECKING:
    from .test_runners import Runners

_INSIDE = 1000
_NOBODY = 65534
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_NAMESPACES = kernel.NEW_PID | kernel.NEW_NET | kernel.NEW_IPC | kernel.NEW_UTS | kernel.NEW_CGROUP
_ROOT = "/tmp"
_OUTSIDE = "/outside"
_HIGHEST_OOM_SCORE = "1000"


def main() -> None:
    """`launcher DESCRIPTOR SETTINGS-AS-JSON`. Ends with the jail; a failure to build it is told over the socket."""
    control = int(sys.argv[1])
    given = json.loads(sys.argv[2])
    kernel.die_with_parent()
    if os.getppid() != given.pop("parent"):
        return
    kernel.keep_to(given["core"])
    step = ["start"]
    try:
        _enter(given, control, step)
    except (OSError, ImportError, MemoryError) as reason:
        number = reason.errno if isinstance(reason, OSError) else None
        messages.send(control, {"unavailable": str(reason), "step": step[0], "errno": number, "uid": os.geteuid()})


def _enter(given: dict[str, Any], control: int, step: list[str]) -> None:
    binds, links = given.pop("binds"), given.pop("links")
    path = [_inside(folder) for folder in (*sys.path[1:], *given.pop("path"))]
    preload, full, core = given.pop("preload"), given.pop("full"), given.pop("core")
    settings = JailSettings(**given)
    # While this package's files can be seen.
    beyond = _runners() if full else None
    host = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)
    _prefer_for_oom(host)
    step[0] = "user and mount namespaces"
    privileged = _new_mounts(host)
    step[0] = "namespaces for processes, network, IPC, host name and cgroups"
    kernel.unshare(_NAMESPACES)
    kernel.set_hostname("jail")
    step[0] = "first process"
    other_end, link = os.pipe()
    first = os.fork()
    if first:
        os.close(other_end)
        compiler.begin(link)
        if privileged:
            _drop_to_nobody(host)
        os.close(host)
        compiler.serve(control, link, core)
        os.close(link)
        os.waitpid(first, 0)
        os._exit(0)
    os.close(link)
    kernel.die_with_parent()
    compiler.wait_for_begin(other_end)
    step[0] = "root"
    processes = _new_root(binds, links)
    if privileged:
        step[0] = "user namespace after the bind mounts"
        _drop_to_nobody(host)
        _new_user(host)
    kernel.die_with_parent()
    os.close(host)
    os.setsid()
    # The first process of a PID namespace ignores what it does not handle: nothing inside can end it.
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    _signal.signal(_signal.SIGXFSZ, _signal.SIG_DFL)
    kernel.empty_bounding_set()
    kernel.forbid_new_privileges()
    kernel.set_dumpable(False)
    _take_from(os.devnull, 0)
    sys.path[:] = path
    sys.path_importer_cache.clear()
    sys.argv[:] = ["program.py"]
    sys.orig_argv[:] = [sys.executable, *sys.argv]
    step[0] = "warm interpreter"
    _serve(control, other_end, processes, settings, Zygote(beyond, preload))
    os._exit(0)


def _serve(control: int, link: int, processes: int, settings: JailSettings, zygote: Zygote) -> None:
    """Forks the warm interpreter, and serves as the first process."""
    streams.reserve_places()
    control, link = os.dup(control), os.dup(link)
    processes = processes if processes < 0 else os.dup(processes)
    pipes = streams.make_pipes()
    common = Common(settings, processes, kernel.SharedNumber())
    warm = os.fork()
    if warm == 0:
        zygote.warm_up(settings)
        zygote.serve(common, pipes)
    own = streams.Streams(pipes)
    if own.wait_until_ready(warm):
        supervisor.serve(control, link, common, warm, own)


def _take_from(path: str, place: int) -> None:
    """Opens a file for reading at the place of a descriptor."""
    descriptor = os.open(path, os.O_RDONLY)
    os.dup2(descriptor, place)
    os.close(descriptor)


def _runners() -> "type[Runners]":
    from .test_runners import Runners

    return Runners


def _prefer_for_oom(host: int) -> None:
    """Where memory runs out, the kernel takes a program, not the run. A container may forbid to say so."""
    try:
        with open(os.open("self/oom_score_adj", os.O_WRONLY, dir_fd=host), "w") as file:
            file.write(_HIGHEST_OOM_SCORE)
    except OSError:
        return


def _new_mounts(host: int) -> bool:
    """Enters a mount namespace of its own. Whether that was by right, with the user namespace still to come."""
    if os.geteuid() == 0:
        try:
            kernel.unshare(kernel.NEW_NS)
            return True
        except OSError as reason:
            if reason.errno != errno.EPERM:
                raise
        # Root in a container without the right to mount: as good as an ordinary user, and must not stay root.
        _drop_to_nobody(host)
    _new_user(host)
    return False


def _drop_to_nobody(host: int) -> None:
    with open(os.open("self/uid_map", os.O_RDONLY, dir_fd=host)) as file:
        mapped = [line.split() for line in file]
    if len(mapped) == 1 and mapped[0][2] == "1":
        # The only user of its namespace: an ordinary one outside, who merely looks like root.
        return
    os.setgroups([])
    os.setresgid(_NOBODY, _NOBODY, _NOBODY)
    os.setresuid(_NOBODY, _NOBODY, _NOBODY)
    # A change of uid makes /proc/self root's, and the maps unwritable.
    kernel.set_dumpable(True)
    kernel.die_with_parent()


def _new_user(host: int) -> None:
    uid, gid = os.geteuid(), os.getegid()
    kernel.unshare(kernel.NEW_USER | kernel.NEW_NS)
    for name, text in (("setgroups", "deny"), ("gid_map", f"{_INSIDE} {gid} 1"), ("uid_map", f"{_INSIDE} {uid} 1")):
        descriptor = os.open(f"self/{name}", os.O_WRONLY, dir_fd=host)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)


def _inside(path: str) -> str:
    """Where a folder of the machine lies in the jail: at its own path, but for one below a scratch folder, which the
    empty scratch folder would hide."""
    return _OUTSIDE + path if path.startswith(tuple(f"{folder}/" for folder in SCRATCH)) else path


def _new_root(binds: list[str], links: dict[str, str]) -> int:
    """Returns a descriptor of a /proc that only the first process has, for what the kernel tells of waiting; -1 where a
    container forbids it."""
    kernel.make_mounts_private()
    # Copied before the new root hides anything below its mount point.
    trees = {path: kernel.copy_tree(path) for path in binds}
    devices = {path: kernel.copy_tree(path) for path in _DEVICES}
    kernel.mount_tmpfs(_ROOT, "size=1m,mode=0755")
    for path, tree in (trees | devices).items():
        target = _ROOT + _inside(path)
        if stat.S_ISDIR(os.fstat(tree).st_mode):
            os.makedirs(target, exist_ok=True)
        else:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
        # A device can be written for all that; its node's times can't.
        attributes = kernel.NO_SUID | kernel.READ_ONLY | (0 if path in devices else kernel.NO_DEV)
        kernel.restrict_tree(tree, attributes)
        kernel.attach_tree(tree, target)
        os.close(tree)
    for path, destination in links.items():
        target = _ROOT + _inside(path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.symlink(_inside(destination), target)
    for folder in ("tmp", "dev/shm", "etc", "proc"):
        os.makedirs(f"{_ROOT}/{folder}", exist_ok=True)
    for name, text in (
        ("passwd", f"user:x:{_INSIDE}:{_INSIDE}:user:/tmp:/bin/false\n"),
        ("group", f"user:x:{_INSIDE}:\n"),
        ("hosts", "127.0.0.1 localhost\n"),
    ):
        with open(f"{_ROOT}/etc/{name}", "w") as file:
            file.write(text)
    processes = -1
    # Only while another /proc can be seen.
    with contextlib.suppress(OSError):
        kernel.mount_proc(f"{_ROOT}/proc")
        processes = os.open(f"{_ROOT}/proc", os.O_RDONLY | os.O_DIRECTORY)
        kernel.unmount(f"{_ROOT}/proc")
    kernel.change_root(_ROOT)
    root = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    kernel.restrict_tree(root, kernel.READ_ONLY | kernel.NO_SUID | kernel.NO_DEV | kernel.NO_EXEC, recursive=False)
    os.close(root)
    return processes
