"""Lays out the warm interpreter's memory so that its forks cost little.

A fork copies an entry of a page table for every page in use, and its end drops it again: most of what the fork of a
big interpreter costs. A large page (2 MiB) has one entry. A program that writes gets small copies, as before. And it
copies every mapping, of which a library has five.

All of this is about speed: where the C library or the kernel has it not, nothing happens.
"""

import ctypes
import os
from itertools import pairwise
from typing import NamedTuple

from .heap import LARGE_PAGE_BYTES

_COLLAPSE = 25
_READ, _WRITE, _EXECUTE = 1, 2, 4
_PRIVATE_ANONYMOUS, _TO_FIXED_PLACE = 0x22, 0x3
_FAILED = ctypes.c_void_p(-1).value
_USED_PART = 4
_PROTECTIONS = {"r": _READ, "w": _WRITE, "x": _EXECUTE}

_libc = ctypes.PyDLL(None, use_errno=True)
_libc.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
_libc.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
_libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *(ctypes.c_int,) * 3, ctypes.c_long)
_libc.mmap.restype = ctypes.c_void_p
_libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
_libc.mremap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int, ctypes.c_void_p)
_libc.mremap.restype = ctypes.c_void_p


Place = tuple[int, int]
"""Address and size."""


class _Mapping(NamedTuple):
    start: int
    end: int
    protection: int
    file: str
    used: int = 0


def enlarge_heap(processes: int) -> None:
    """Makes large pages of the heap's small ones. `processes`: descriptor of a /proc, or -1."""
    for mapping in _mappings(processes):
        if mapping.file == "[heap]":
            for page in _large_pages(mapping):
                # Refused where nothing is in use.
                _libc.madvise(page, LARGE_PAGE_BYTES, _COLLAPSE)


def join_libraries(processes: int) -> list[Place]:
    """Makes fewer mappings of a library's, and large pages of its code. For those that are new since the last time, in
    the process that has loaded them, before it forks. `processes`: descriptor of a /proc, or -1. Returns which tables
    can be written now."""
    writable = []
    for one, other in pairwise(_mappings(processes)):
        if one.file.startswith("/") and one.file == other.file and one.end == other.start:
            writable += _join(one, other)
    for mapping in _mappings(processes):
        if mapping.file.startswith("/") and mapping.protection == _READ | _EXECUTE:
            large = _large_pages(mapping)
            # What is hardly used is not worth the memory.
            if large and mapping.used >= (mapping.end - mapping.start) // _USED_PART:
                _enlarge_code(large.start, large.stop - large.start)
    return writable


def protect(tables: list[Place]) -> None:
    """As before `join_libraries`, in a process that has forked, or will not."""
    for start, size in tables:
        _libc.mprotect(start, size, _READ)


def _large_pages(mapping: _Mapping) -> range:
    return range(
        mapping.start + -mapping.start % LARGE_PAGE_BYTES,
        mapping.end - mapping.end % LARGE_PAGE_BYTES,
        LARGE_PAGE_BYTES,
    )


def _join(one: _Mapping, other: _Mapping) -> list[Place]:
    """Constants with the code that they stand beside, and tables with the data: of the five mappings that a library has
    two are left, or three. The kernel joins what may do the same, and data if both were first written as one."""
    joint = one.protection | other.protection
    if joint & (_WRITE | _EXECUTE) == _WRITE | _EXECUTE:
        return []
    changed = [(mapping.start, mapping.end - mapping.start) for mapping in (one, other) if mapping.protection != joint]
    for start, size in changed:
        _libc.mprotect(start, size, joint)
    return changed if joint & _WRITE else []


def _enlarge_code(start: int, size: int) -> None:
    """Puts large pages with the same code in the place of a library's."""
    # Elsewhere a core may have the code in a cache that does not see what is written.
    if os.uname().machine != "x86_64":
        return
    room = _libc.mmap(None, size + LARGE_PAGE_BYTES, _READ | _WRITE, _PRIVATE_ANONYMOUS, -1, 0)
    if room == _FAILED:
        return
    copy = room + -room % LARGE_PAGE_BYTES
    # Of a large page too much, a part is always left, before or after.
    if copy > room:
        _libc.munmap(room, copy - room)
    _libc.munmap(copy + size, room + LARGE_PAGE_BYTES - copy)
    ctypes.memmove(copy, start, size)
    if _libc.madvise(copy, size, _COLLAPSE) == 0 and _libc.mprotect(copy, size, _READ | _EXECUTE) == 0:
        _libc.mremap(copy, size, size, _TO_FIXED_PLACE, start)
    else:
        _libc.munmap(copy, size)


def _mappings(processes: int) -> list[_Mapping]:
    if processes < 0:
        return []
    found: list[_Mapping] = []
    try:
        with open(os.open("self/smaps", os.O_RDONLY, dir_fd=processes)) as file:
            for line in file:
                first, *rest = line.split(maxsplit=5)
                if first == "Rss:":
                    found[-1] = found[-1]._replace(used=int(rest[0]) << 10)
                elif not first.endswith(":"):
                    start, end = (int(address, 16) for address in first.split("-"))
                    protection = sum(bit for letter, bit in _PROTECTIONS.items() if letter in rest[0])
                    found.append(_Mapping(start, end, protection, rest[4].strip() if len(rest) > 4 else ""))
    except (OSError, ValueError, IndexError):
        return []
    return found
