"""Puts the warm interpreter's memory into large pages.

A fork copies an entry of a page table for every page in use, and its end drops it again: most of what the fork of a
big interpreter costs. A large page (2 MiB) has one entry. A program that writes gets small copies, as before.

All of this is about speed: where the C library or the kernel has it not, nothing happens.
"""

import ctypes
import os

_LARGE = 2 << 20
_COLLAPSE = 25
_HEAP_THRESHOLD_BYTES = 32 << 20
_TRIM_THRESHOLD_BYTES = 64 << 20
_ROOM_BYTES = 2 * _LARGE
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_RAW_MEMORY = 0

_libc = ctypes.PyDLL(None, use_errno=True)
_libc.malloc.restype = ctypes.c_void_p
_libc.malloc.argtypes = (ctypes.c_size_t,)
_libc.free.argtypes = (ctypes.c_void_p,)
_libc.sbrk.restype = ctypes.c_size_t
_libc.sbrk.argtypes = (ctypes.c_ssize_t,)
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


def collapse(processes: int) -> None:
    """Makes large pages of the heap's small ones. `processes`: descriptor of a /proc, or -1."""
    if processes < 0:
        return
    try:
        with open(os.open(f"{os.getpid()}/maps", os.O_RDONLY, dir_fd=processes)) as file:
            mapped = [line.split() for line in file]
    except OSError:
        return
    for columns in mapped:
        if columns[-1] == "[heap]":
            start, end = (int(address, 16) for address in columns[0].split("-"))
            for page in range(start + -start % _LARGE, end - _LARGE + 1, _LARGE):
                # Refused where nothing is in use.
                _libc.madvise(page, _LARGE, _COLLAPSE)
