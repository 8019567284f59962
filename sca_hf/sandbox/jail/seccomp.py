"""The system call filter of a program: a list of what is allowed; all else does not exist (ENOSYS).

Two layers of raw `prctl`. The wide one is put on the warm interpreter, once: what programs may call, and how it forks
them. The narrow one takes that away, in every fork: it is small, since the kernel compiles it each time. The kernel
checks the architecture first: a call through another ABI (32-bit, x32) fails too, since its numbers mean something
else. The jail's first process, and the one that compiles, have lists of their own.
"""

import ctypes
import errno
import os
import struct
from collections.abc import Sequence

from .syscalls import ALLOWED, PRETENDED

_LOAD, _AND, _JUMP, _JUMP_EQ, _JUMP_GE, _JUMP_SET, _RETURN = 0x20, 0x54, 0x05, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NUMBER, _ARCH = 0, 4
_ARGUMENTS = (16, 24, 32)
_CLONE_THREAD = 0x10000
_X32 = 0x40000000
_INSTRUCTION = struct.Struct("HBBI")
_UNIX, _INET, _INET6 = 1, 2, 10
_STREAM, _DATAGRAM, _PACKETS, _KIND = 1, 2, 5, 0xF
_TCP, _UDP = 6, 17
_SIGKILL = 9
_OWN = 0xFFFF_FFF0
"""Stands for the number of the process that a filter is put on."""
# TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX: what files, sockets and `isatty` use.
_IOCTLS = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
# F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GETLK, F_GETOWN, F_OFD_GETLK, F_DUPFD_CLOEXEC, F_GETPIPE_SZ,
# F_GET_SEALS. Others reach beyond the caller: to whom signals go, how long a pipe is, hints that stay with a file.
_FCNTLS = (0, 1, 2, 3, 4, 5, 9, 36, 1030, 1032, 1034)
# F_SETLK, F_SETLKW, F_OFD_SETLK, F_OFD_SETLKW: pretended, as `flock`.
_LOCKS = (6, 7, 37, 38)
# By level: what is left of a socket's options without names, filters, modules of the kernel and passed credentials.
_SOCKET_OPTIONS = {
    1: (2, 6, 9, 13, 15, 18, 20, 21, 66, 67),  # SO_REUSEADDR to SO_SNDTIMEO_NEW
    _TCP: (1, 4, 5, 6, 12, 18),  # TCP_NODELAY to TCP_USER_TIMEOUT
    0: (1, 2),  # IP_TOS, IP_TTL
    41: (26,),  # IPV6_V6ONLY
}
# SO_SNDBUF, SO_RCVBUF: pretended, since the kernel's memory is no program's.
_BUFFER_SIZES = (7, 8)
# PR_SET_NAME, PR_GET_NAME, PR_SET_VMA: what the C library's threads and allocator use.
_PRCTLS = (15, 16, 0x53564D41)

_ABIS = {"x86_64": (0xC000003E, 1), "aarch64": (0xC00000B7, 2)}
# What the first process calls beyond a program: file systems, streams, and ending, limiting and placing its children.
_FIRST = "mount:165:40 umount2:166:39 kill:62:129 prlimit64:302:261 fcntl:72:25 sched_setaffinity:203:122"
_SPECIAL = (
    "socket:41:198 socketpair:53:199 setsockopt:54:208 clone:56:220 fork:57:- vfork:58:- clone3:435:435 "
    "prlimit64:302:261 kill:62:129 tkill:200:130 tgkill:234:131 "
    "ioctl:16:29 fcntl:72:25 prctl:157:167 setxattr:188:5 lsetxattr:189:6 fsetxattr:190:7 removexattr:197:14 "
    "lremovexattr:198:15 fremovexattr:199:16"
)

# For the allocator, a socket, a pipe, the wait for the first process, and a limit of time.
_COMPILING = (
    "read write close poll ppoll mmap munmap mremap mprotect madvise brk futex wait4 getrandom clock_gettime "
    "setitimer rt_sigaction rt_sigprocmask rt_sigreturn restart_syscall sched_yield exit exit_group"
)

Instruction = tuple[int, int, int, int]


class _Program(ctypes.Structure):
    """`struct sock_fprog`."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


class Filter:
    """Instructions as `prctl` takes them, at `address`."""

    def __init__(self, instructions: Sequence[Instruction]) -> None:
        self._packed = bytearray(b"".join(_INSTRUCTION.pack(*instruction) for instruction in instructions))
        first = ctypes.c_char.from_buffer(self._packed)
        self._program = _Program(len(instructions), ctypes.addressof(first))
        self.address = ctypes.addressof(self._program)
        places = [place for place, instruction in enumerate(instructions) if instruction[-1] == _OWN]
        self.owner = ctypes.addressof(first) + places[0] * _INSTRUCTION.size + 4 if places else 0
        """Address of the number of the process that it is of, 32 bits."""

    def be_of_caller(self) -> None:
        ctypes.c_uint32.from_address(self.owner).value = os.getpid()


def build_first() -> Filter:
    """For the first process, which no program comes from. Raises OSError on an architecture that has no table."""
    audit, column = _abi()
    allowed = _numbers(ALLOWED, column) | _numbers(_FIRST, column)
    return _list(audit, {number: [_answer(0)] for number in allowed.values()})


def build_wide() -> Filter:
    """For the warm interpreter, inherited by programs. Raises OSError on an architecture that has no table."""
    audit, column = _abi()
    leaves = {number: [_answer(0)] for number in _numbers(ALLOWED, column).values()}
    leaves |= {number: [_DONE] for number in _numbers(PRETENDED, column).values()}
    special = _numbers(_SPECIAL, column)
    leaves.update(_special(special))
    leaves.update({special[name]: [_answer(0)] for name in ("kill", "tgkill", *_narrowed())})
    return _list(audit, leaves)


def build_compiling() -> Filter:
    """For the process that compiles. Raises OSError on an architecture that has no table."""
    audit, column = _abi()
    numbers = _numbers(ALLOWED, column)
    leaves = {numbers[name]: [_answer(0)] for name in _COMPILING.split() if name in numbers}
    # Where it runs itself.
    leaves[_numbers(_FIRST, column)["sched_setaffinity"]] = _one_of(0, (0,), errno.EPERM)
    return _list(audit, leaves)


def build_narrow() -> Filter:
    """For a program, beside the wide one. Raises OSError on an architecture that has no table."""
    column = _abi()[1]
    special = _numbers(_SPECIAL, column)
    body: list[Instruction] = [(_LOAD, 0, 0, _NUMBER)]
    for name, leaf in _narrowed().items():
        body += [(_JUMP_EQ, 0, len(leaf), special[name]), *leaf]
    # Which argument is the signal.
    body += [(_JUMP_EQ, 0, 2, special["kill"]), (_LOAD, 0, 0, _ARGUMENTS[1]), (_JUMP, 0, 0, 2)]
    body += [(_JUMP_EQ, 0, 1 + len(_TO_ITSELF), special["tgkill"]), (_LOAD, 0, 0, _ARGUMENTS[2])]
    return Filter([*body, *_TO_ITSELF, _answer(0)])


def _list(audit: int, leaves: dict[int, list[Instruction]]) -> Filter:
    head = [
        (_LOAD, 0, 0, _ARCH),
        (_JUMP_EQ, 1, 0, audit),
        _answer(errno.ENOSYS),
        (_LOAD, 0, 0, _NUMBER),
        (_JUMP_GE, 0, 1, _X32),
        _answer(errno.ENOSYS),
    ]
    return Filter([*head, *_search(_segments(leaves))])


def _abi() -> tuple[int, int]:
    machine = os.uname().machine
    if machine not in _ABIS:
        raise OSError(errno.ENOSYS, f"no system call table for {machine}, only for {', '.join(_ABIS)}")
    return _ABIS[machine]


def _special(number: dict[str, int]) -> dict[int, list[Instruction]]:
    """Calls whose arguments decide, for all."""
    leaves = {
        # No socket with a name of its own: what others send there is the kernel's memory, and theirs is gone.
        "socket": _if(0, (_INET, _INET6), _internet_socket(), [_answer(errno.EAFNOSUPPORT)]),
        "socketpair": _if(0, (_UNIX,), _pair(), [_answer(errno.EAFNOSUPPORT)]),
        "setsockopt": _socket_option(),
        "fork": [_answer(errno.EAGAIN)],
        "vfork": [_answer(errno.EAGAIN)],
        # Its flags are behind a pointer; the C library falls back to clone.
        "clone3": [_answer(errno.ENOSYS)],
        # The jail's first process has the same uid: its limits must not be in reach.
        "prlimit64": _one_of(0, (0,), errno.EPERM),
        "ioctl": _one_of(1, _IOCTLS, errno.ENOTTY),
        "fcntl": _if(1, _LOCKS, [_DONE], _one_of(1, _FCNTLS, errno.EINVAL)),
        # By a thread's number alone, which may be another process's.
        "tkill": [_answer(errno.EPERM)],
    }
    for name in number:
        if name.endswith("xattr"):
            leaves[name] = [_answer(errno.ENOTSUP)]
    return {number[name]: leaf for name, leaf in leaves.items() if name in number}


def _internet_socket() -> list[Instruction]:
    """By kind and protocol. Others would have the kernel look for a module."""
    refused = [_answer(errno.EPROTONOSUPPORT)]
    stream = _if(2, (0, _TCP), [_answer(0)], refused)
    datagram = _if(1, (_DATAGRAM,), _if(2, (0, _UDP), [_answer(0)], refused), refused, _KIND)
    return _if(1, (_STREAM,), stream, datagram, _KIND)


def _pair() -> list[Instruction]:
    """Not of datagrams, which could have a name."""
    refused = [_answer(errno.EPROTONOSUPPORT)]
    return _if(1, (_STREAM, _PACKETS), _if(2, (0,), [_answer(0)], refused), refused, _KIND)


def _socket_option() -> list[Instruction]:
    body = [_answer(errno.ENOPROTOOPT)]
    for level, names in _SOCKET_OPTIONS.items():
        options = _one_of(2, names, errno.ENOPROTOOPT)
        if level == 1:
            options = _if(2, _BUFFER_SIZES, [_DONE], options)
        body = _if(1, (level,), options, body)
    return body


def _answer(error: int) -> Instruction:
    return (_RETURN, 0, 0, _ERRNO | error if error else _ALLOW)


_DONE: Instruction = (_RETURN, 0, 0, _ERRNO)
"""Does nothing and returns 0."""

# Signals go to the process itself alone: the warm interpreter has the same uid. And none but the jail and the kernel
# sends SIGKILL, so that an unexplained one is known to be the machine's.
_TO_ITSELF: list[Instruction] = [
    (_JUMP_EQ, 0, 1, _SIGKILL),
    _answer(errno.EPERM),
    (_LOAD, 0, 0, _ARGUMENTS[0]),
    (_JUMP_EQ, 1, 0, _OWN),
    _answer(errno.EPERM),
    _answer(0),
]


def _narrowed() -> dict[str, list[Instruction]]:
    """Calls that the warm interpreter makes freely, and programs in part."""
    return {
        # Threads only: without cgroups the memory of children would be unbounded.
        "clone": [(_LOAD, 0, 0, _ARGUMENTS[0]), (_JUMP_SET, 1, 0, _CLONE_THREAD), _answer(errno.EAGAIN), _answer(0)],
        "prctl": _one_of(0, _PRCTLS, errno.EPERM),
    }


def _one_of(argument: int, values: Sequence[int], error: int) -> list[Instruction]:
    """Allow if the lower half of the argument is one of the values (all of these are C ints)."""
    return _if(argument, values, [_answer(0)], [_answer(error)])


def _if(
    argument: int, values: Sequence[int], then: list[Instruction], other: list[Instruction], mask: int = 0xFFFF_FFFF
) -> list[Instruction]:
    """`then` if the masked lower half of the argument is one of the values, else `other`; both end in an answer."""
    tests = [(_JUMP_EQ, len(values) - place + len(other), 0, value) for place, value in enumerate(values, 1)]
    return [(_LOAD, 0, 0, _ARGUMENTS[argument]), (_AND, 0, 0, mask), *tests, *other, *then]


def _numbers(table: str, column: int) -> dict[str, int]:
    fields = (entry.split(":") for entry in table.split())
    return {entry[0]: int(entry[column]) for entry in fields if entry[column] != "-"}


def _segments(leaves: dict[int, list[Instruction]]) -> list[tuple[int, list[Instruction]]]:
    """(first number, answer) of consecutive runs, from 0 on."""
    segments: list[tuple[int, list[Instruction]]] = []
    absent = [_answer(errno.ENOSYS)]
    for number in range(max(leaves) + 2):
        leaf = leaves.get(number, absent)
        if not segments or segments[-1][1] != leaf:
            segments.append((number, leaf))
    return segments


def _search(segments: list[tuple[int, list[Instruction]]]) -> list[Instruction]:
    """Binary search: installing a filter makes the kernel run it once for every call number."""
    if len(segments) == 1:
        return segments[0][1]
    middle = len(segments) // 2
    left, right = _search(segments[:middle]), _search(segments[middle:])
    return [(_JUMP_GE, len(left), 0, segments[middle][0]), *left, *right]
