"""Where the warm interpreter's objects lie.

A fork copies an entry of a page table for every page in use, but one for 2 MiB in one piece (`pages`), and every page
that it writes. So all objects come to lie in one heap, and those that every program writes, if only their counts of
references, side by side.

Imported first of all, so it imports little. This is about speed: where the C library has it not, nothing happens.
"""

import ctypes
import gc
import sys

LARGE_PAGE_BYTES = 2 << 20
_HEAP_THRESHOLD_BYTES = 32 << 20
_TRIM_THRESHOLD_BYTES = 64 << 20
_ROOM_BYTES = 2 * LARGE_PAGE_BYTES
_GROWTH_BYTES = 8 << 20
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_RAW_MEMORY, _MEMORY, _OBJECTS = range(3)
_SWITCH = "_PyMem_SetDefaultAllocator"
"""What makes an interpreter that was started without its own allocator use it."""
_MOST_OBJECTS, _LONGEST_HEAP_BYTES = 1_000_000, 1 << 40
# CPython's own allocator: the sizes that it is for, and of how much memory all pieces have one size (since 3.10).
_STEP_BYTES, _LARGEST_SMALL_BYTES, _POOL_BYTES = 16, 512, 16 << 10
_EMPTY_BYTES = sys.getsizeof(b"")
_LARGE_SIZES = (*(1 << power for power in range(20, 12, -1)), *range(4096, 0, -_STEP_BYTES))

_libc = ctypes.PyDLL(None)
_libc.malloc.restype = ctypes.c_void_p
_libc.malloc.argtypes = (ctypes.c_size_t,)
_libc.free.argtypes = (ctypes.c_void_p,)
_libc.sbrk.restype = ctypes.c_size_t
_libc.sbrk.argtypes = (ctypes.c_ssize_t,)
_there = hasattr(_libc, "mallopt")
_is_debug_build = hasattr(sys, "gettotalrefcount")
"""Which looks for marks at what it frees."""
ENVIRONMENT = (
    {"PYTHONMALLOC": "malloc"} if _there and hasattr(ctypes.pythonapi, _SWITCH) and not _is_debug_build else {}
)
"""For an interpreter that is to `join`: all that it makes before lies in the heap, too."""


class _RawAllocator(ctypes.Structure):
    """`PyMemAllocatorEx`."""

    _fields_ = tuple((name, ctypes.c_void_p) for name in ("context", "malloc", "calloc", "realloc", "free"))


class _ArenaAllocator(ctypes.Structure):
    """`PyObjectArenaAllocator`."""

    _fields_ = tuple((name, ctypes.c_void_p) for name in ("context", "allocate", "free"))


_usual = _ArenaAllocator()


def join() -> None:
    """From now on the interpreter's arenas come from the C library's heap, which is one piece, and no longer from
    mappings of their own in between those of libraries.

    The thresholds are what the C library comes to by itself, at most, once programs free large blocks.
    """
    if not _there:
        return
    _libc.mallopt(_M_MMAP_THRESHOLD, _HEAP_THRESHOLD_BYTES)
    _libc.mallopt(_M_TRIM_THRESHOLD, _TRIM_THRESHOLD_BYTES)
    # Never used: what comes next begins with a large page.
    _allocate(-_libc.sbrk(0) % LARGE_PAGE_BYTES)
    # What a fork's heap grows by is a mapping of its own, and no large page lies in two.
    for block in [_allocate(_GROWTH_BYTES) for _ in range(2)]:
        _libc.free(block)
    raw = _RawAllocator()
    ctypes.pythonapi.PyMem_GetAllocator(_RAW_MEMORY, ctypes.byref(raw))
    ctypes.pythonapi.PyObject_GetArenaAllocator(ctypes.byref(_usual))
    # Arenas from before, if any, would be freed in the wrong way: none is. `getppid` ignores its arguments.
    ignore = ctypes.cast(_libc.getppid, ctypes.c_void_p)
    ctypes.pythonapi.PyObject_SetArenaAllocator(ctypes.byref(_ArenaAllocator(raw.context, raw.malloc, ignore)))
    if ENVIRONMENT:
        for domain in (_MEMORY, _OBJECTS):
            ctypes.pythonapi[_SWITCH](domain, None)


def part() -> None:
    """After `join`: arenas have mappings of their own again, which are given back."""
    if not _there:
        return
    # Frees an arena by `munmap`, which refuses one from the heap or empties it: either way nobody uses it again.
    ctypes.pythonapi.PyObject_SetArenaAllocator(ctypes.byref(_usual))


class Holes:
    """What earlier objects have left free in between others, allocated and kept, so that the next ones lie together.
    After `join`."""

    def __init__(self) -> None:
        self._kept: list[object] = []
        self.edge = 0
        """Address from which on the next ones lie: a large page begins here."""
        if _there:
            end = _fill_heap()
            self.edge = end + -end % LARGE_PAGE_BYTES
            _allocate(self.edge - end)
        self.fill()

    def fill(self) -> None:
        """Also those that have come about since."""
        try:
            if _there:
                self._fill()
        except MemoryError:
            # They stay.
            return

    def _fill(self) -> None:
        # Empties the interpreter's own lists of free objects, too. What is alive is taken out of the collector's sight,
        # for the next time, and since it would touch it all in a fork.
        gc.collect()
        gc.freeze()
        size, edge, far = _LARGEST_SMALL_BYTES, self.edge, self.edge + _LONGEST_HEAP_BYTES
        # No `for`: its iterator would leave a hole at the end.
        while size:
            beyond: list[object] = []
            most = len(self._kept) + _MOST_OBJECTS
            # Of one piece, and one more: then all that have room left lie beyond.
            while len(beyond) * size <= _POOL_BYTES and len(self._kept) < most:
                thing = _of_size(size, len(self._kept) + len(beyond))
                # What comes from no heap lies higher than all of it.
                (beyond if edge <= id(thing) < far else self._kept).append(thing)
            size -= _STEP_BYTES
        _fill_heap()


def _fill_heap() -> int:
    """For the larger ones, which the C library allocates, the arenas of small ones among them. Returns the address from
    which on all is free."""
    end = _allocate(_ROOM_BYTES)
    _libc.free(end)
    for size in _LARGE_SIZES:
        while (block := _allocate(size)) < end:
            pass
        _libc.free(block)
    return end


def _allocate(size: int) -> int:
    block: int | None = _libc.malloc(size)
    if block is None:
        raise MemoryError
    return block


def _of_size(size: int, number: int) -> object:
    if size == 16:
        return object()
    return (1 << 20) + number if size == 32 else bytes(size - _EMPTY_BYTES)
