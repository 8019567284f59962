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

_LARGE = 2 << 20
_COLLAPSE = 25
_HEAP_THRESHOLD_BYTES = 32 << 20
_TRIM_THRESHOLD_BYTES = 64 << 20
_ROOM_BYTES = 2 * _LARGE
_READ, _WRITE, _EXECUTE = 1, 2, 4
_PROTECTIONS = {"r": _READ, "w": _WRITE, "x": _EXECUTE}
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_RAW_MEMORY = 0

_libc = ctypes.PyDLL(None, use_errno=True)
_libc.malloc.restype = ctypes.c_void_p
_libc.malloc.argtypes = (ctypes.c_size_t,)
_libc.free.argtypes = (ctypes.c_void_p,)
_libc.sbrk.restype = ctypes.c_size_t
_libc.sbrk.argtypes = (ctypes.c_ssize_t,)
_libc.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
_libc.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)


class _RawAllocator(ctypes.Structure):
    """`PyMemAllocatorEx`."""

    _fields_ = tuple((name, ctypes.c_void_p) for name in ("context", "malloc", "calloc", "realloc", "free"))


class _ArenaAllocator(ctypes.Structure):
    """`PyObjectArenaAllocator`."""

    _fields_ = tuple((name, ctypes.c_void_p) for name in ("context", "allocate", "free"))


class OneHeap:
    """While entered, the interpreter's arenas come from the C library's heap, which is one piece, and no longer from
    mappings of their own in between those of libraries.

    The thresholds are what the C library comes to by itself, at most, once programs free large blocks.
    """

    def __enter__(self) -> None:
        self._usual = _ArenaAllocator()
        self._there = hasattr(_libc, "mallopt")
        if not self._there:
            return
        _libc.mallopt(_M_MMAP_THRESHOLD, _HEAP_THRESHOLD_BYTES)
        _libc.mallopt(_M_TRIM_THRESHOLD, _TRIM_THRESHOLD_BYTES)
        # Never used: what comes next begins with a large page.
        _libc.malloc(-_libc.sbrk(0) % _LARGE)
        raw = _RawAllocator()
        ctypes.pythonapi.PyMem_GetAllocator(_RAW_MEMORY, ctypes.byref(raw))
        ctypes.pythonapi.PyObject_GetArenaAllocator(ctypes.byref(self._usual))
        # Arenas from before would be freed in the wrong way: none is. `getppid` does nothing with its arguments.
        ignore = ctypes.cast(_libc.getppid, ctypes.c_void_p)
        ctypes.pythonapi.PyObject_SetArenaAllocator(ctypes.byref(_ArenaAllocator(raw.context, raw.malloc, ignore)))

    def __exit__(self, *_: object) -> None:
        if not self._there:
            return
        # Frees an arena by `munmap`, which refuses one from the heap or empties it: either way nobody uses it again.
        ctypes.pythonapi.PyObject_SetArenaAllocator(ctypes.byref(self._usual))
        # So that the heap's last large page is whole, too.
        _libc.free(_libc.malloc(_ROOM_BYTES))


class _Mapping(NamedTuple):
    start: int
    end: int
    protection: int
    file: str


def collapse(processes: int) -> None:
    """Makes large pages of the heap's small ones, and fewer mappings of a library's. `processes`: descriptor of a
    /proc, or -1."""
    mappings = _mappings(processes)
    for mapping in mappings:
        if mapping.file == "[heap]":
            for page in range(mapping.start + -mapping.start % _LARGE, mapping.end - _LARGE + 1, _LARGE):
                # Refused where nothing is in use.
                _libc.madvise(page, _LARGE, _COLLAPSE)
    for one, other in pairwise(mappings):
        if one.file.startswith("/") and one.file == other.file and one.end == other.start:
            _join(one, other)


def _join(one: _Mapping, other: _Mapping) -> None:
    """Constants with the code that they stand beside, and tables with the data: of the five mappings that a library has
    two are left, or three. The kernel joins what may do the same, and data if both were first written as one."""
    for mapping in (one, other):
        joint = one.protection | other.protection
        if joint & (_WRITE | _EXECUTE) != _WRITE | _EXECUTE and mapping.protection != joint:
            _libc.mprotect(mapping.start, mapping.end - mapping.start, joint)


def _mappings(processes: int) -> list[_Mapping]:
    if processes < 0:
        return []
    try:
        with open(os.open(f"{os.getpid()}/maps", os.O_RDONLY, dir_fd=processes)) as file:
            lines = [line.split(maxsplit=5) for line in file]
    except OSError:
        return []
    found = []
    for addresses, letters, _, _, _, *rest in lines:
        start, end = (int(address, 16) for address in addresses.split("-"))
        protection = sum(bit for letter, bit in _PROTECTIONS.items() if letter in letters)
        found.append(_Mapping(start, end, protection, rest[0].strip() if rest else ""))
    return found
