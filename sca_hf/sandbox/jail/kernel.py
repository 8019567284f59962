"""System calls that Python has no function for, by ctypes, and where a process runs."""

import contextlib
import ctypes
import mmap
import os

from .seccomp import Filter

NEW_NS, NEW_CGROUP, NEW_UTS, NEW_IPC = 0x00020000, 0x02000000, 0x04000000, 0x08000000
NEW_USER, NEW_PID, NEW_NET = 0x10000000, 0x20000000, 0x40000000

READ_ONLY, NO_SUID, NO_DEV, NO_EXEC = 0x1, 0x2, 0x4, 0x8

_MS_PRIVATE_ALL = 0x4000 | (1 << 18)
_MS_NOSUID_NODEV_NOEXEC, _MS_NOATIME = 0x2 | 0x4 | 0x8, 0x400
_MNT_DETACH = 2
_AT_FDCWD, _AT_EMPTY_PATH, _AT_RECURSIVE = -100, 0x1000, 0x8000
_OPEN_TREE_CLONE = 1
_MOVE_FROM_FD = 0x4
(
    _OPEN_TREE,
    _MOVE_MOUNT,
    _MOUNT_SETATTR,
) = 428, 429, 442
_PIVOT_ROOT = 41 if os.uname().machine == "aarch64" else 155
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 1, 4, 22, 24, 38
_SECCOMP_FILTER = 2
_CAPABILITY_VERSION_3 = 0x20080522

# PyDLL keeps the GIL: none of these calls blocks, and a forked child must not wait for it.
_libc = ctypes.PyDLL(None, use_errno=True)


class _MountAttributes(ctypes.Structure):
    _fields_ = (
        ("set", ctypes.c_uint64),
        ("clear", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("user_namespace", ctypes.c_uint64),
    )


def unshare(flags: int) -> None:
    _call("unshare", _libc.unshare(flags))


def make_mounts_private() -> None:
    _call("mount --make-rprivate /", _libc.mount(None, b"/", None, ctypes.c_ulong(_MS_PRIVATE_ALL), None))


def mount_tmpfs(path: str, options: str) -> None:
    """A new, empty tmpfs over `path`, in which reading changes nothing."""
    flags = ctypes.c_ulong(_MS_NOSUID_NODEV_NOEXEC | _MS_NOATIME)
    _call(f"mount tmpfs on {path}", _libc.mount(b"tmpfs", path.encode(), b"tmpfs", flags, options.encode()))


def mount_proc(path: str) -> None:
    _call("mount proc", _libc.mount(b"proc", path.encode(), b"proc", ctypes.c_ulong(_MS_NOSUID_NODEV_NOEXEC), None))


def unmount(path: str) -> None:
    _call(f"umount {path}", _libc.umount2(path.encode(), _MNT_DETACH))


def copy_tree(path: str) -> int:
    """A descriptor of a private copy of the mount tree at `path`, not attached anywhere yet."""
    flags = _OPEN_TREE_CLONE | _AT_RECURSIVE | os.O_CLOEXEC
    number = _libc.syscall(_OPEN_TREE, _AT_FDCWD, os.fsencode(path), ctypes.c_uint(flags))
    return _call(f"open_tree {path}", number)


def attach_tree(tree: int, path: str) -> None:
    _call(f"move_mount {path}", _libc.syscall(_MOVE_MOUNT, tree, b"", _AT_FDCWD, os.fsencode(path), _MOVE_FROM_FD))


def restrict_tree(tree: int, attributes: int, recursive: bool = True) -> None:
    """Sets mount attributes (READ_ONLY, NO_SUID, …) on the tree behind a descriptor."""
    wanted = _MountAttributes(attributes, 0, 0, 0)
    flags = _AT_EMPTY_PATH | (_AT_RECURSIVE if recursive else 0)
    size = ctypes.sizeof(wanted)
    _call("mount_setattr", _libc.syscall(_MOUNT_SETATTR, tree, b"", flags, ctypes.byref(wanted), size))


def change_root(path: str) -> None:
    """Makes `path` (a mount point) the root and lets go of the old one."""
    os.chdir(path)
    _call("pivot_root", _libc.syscall(_PIVOT_ROOT, b".", b"."))
    _call("umount old root", _libc.umount2(b".", _MNT_DETACH))
    os.chdir("/")


def set_hostname(name: str) -> None:
    _call("sethostname", _libc.sethostname(name.encode(), len(name)))


def die_with_parent() -> None:
    """SIGKILL when the thread that started this one ends. A change of credentials clears it."""
    _prctl(_PR_SET_PDEATHSIG, 9)


def set_dumpable(dumpable: bool) -> None:
    _prctl(_PR_SET_DUMPABLE, int(dumpable))


def forbid_new_privileges() -> None:
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def empty_bounding_set() -> None:
    """No capability can come back by exec. Stops at the last that the kernel knows."""
    for capability in range(64):
        if _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            break


_CLONE = 220 if os.uname().machine == "aarch64" else 56
_CLONE_PARENT, _CLONE_PARENT_SETTID = 0x8000, 0x100000
_CLONE_CHILD_CLEARTID, _CLONE_CHILD_SETTID = 0x200000, 0x1000000
_SIGCHLD = 17
_PR_GET_TID_ADDRESS = 40


class SharedNumber:
    """A number in memory that this process and those that it forks have in common."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, mmap.PAGESIZE)
        self.place = ctypes.c_uint32.from_buffer(self._page)

    def keep_from_forks(self) -> None:
        """What this process forks from now on has no such memory."""
        self._page.madvise(mmap.MADV_DONTFORK)


def fork_sibling(number: SharedNumber) -> int:
    """Fork this process, which has no other thread, to make another child of its parent.

    Returns 0 in the child, whose process number is in `number` before the child begins. Nothing that Python or the C
    library do after a fork is done: with one thread, there is nothing to do. Raises OSError.
    """
    flags = _CLONE_PARENT | _CLONE_PARENT_SETTID | _SIGCHLD
    own = ctypes.c_void_p()
    # Where the C library keeps the number of this thread, so that the child's copy is its own.
    if _libc.prctl(_PR_GET_TID_ADDRESS, ctypes.byref(own), 0, 0, 0) == 0 and own.value:
        flags |= _CLONE_CHILD_SETTID | _CLONE_CHILD_CLEARTID
    # The last two change places between architectures; without CLONE_SETTLS one of them means nothing.
    return _call("clone", _libc.syscall(_CLONE, flags, None, ctypes.byref(number.place), own, own))


def drop_capabilities() -> None:
    _call("capset", _libc.capset((ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0), (ctypes.c_uint32 * 6)()))


def install_filter(program: Filter) -> None:
    _call("seccomp", _libc.prctl(_PR_SET_SECCOMP, _SECCOMP_FILTER, ctypes.c_void_p(program.address), 0, 0))


def keep_to(core: int, process: int = 0) -> None:
    """Where a container forbids it, a process is where it was."""
    with contextlib.suppress(OSError):
        os.sched_setaffinity(process, {core})


def _prctl(option: int, value: int) -> None:
    _call(f"prctl {option}", _libc.prctl(option, value, 0, 0, 0))


def _call(name: str, result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return int(result)
