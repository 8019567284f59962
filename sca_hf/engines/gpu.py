"""Which GPU computes here, asked of NVIDIA's driver: neither torch nor vLLM is imported, which takes seconds."""

import ctypes
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import cache

from sca_hf.errors import EngineUnavailable

LIBRARY = "libnvidia-ml.so.1"

_NAME_BYTES = 96
_FORM = re.compile(r"(\S.*) sm_(\d+)(\d)")


@dataclass(frozen=True)
class Gpu:
    """A kind of GPU. `capability`: its compute capability, (9, 0) for Hopper."""

    name: str
    capability: tuple[int, int]

    def __str__(self) -> str:
        return f"{self.name} sm_{self.capability[0]}{self.capability[1]}"


@cache
def gpu() -> Gpu | None:
    """Return the first GPU that this process may use (CUDA_VISIBLE_DEVICES); None where there is none of NVIDIA's."""
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError:
        return None
    if library.nvmlInit_v2():
        return None
    try:
        handle = _handle(library, os.environ.get("CUDA_VISIBLE_DEVICES"))
        return None if handle is None else _kind(library, handle)
    finally:
        library.nvmlShutdown()


def read_gpu(text: str) -> Gpu:
    """Return the kind of GPU that a text names, as `str` of it does. Raises EngineUnavailable."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise EngineUnavailable(
            f"engine.device {text!r} names no GPU; give its name and compute capability, as in "
            "'NVIDIA H100 80GB HBM3 sm_90' (nvidia-smi --query-gpu=name,compute_cap --format=csv)"
        )
    return Gpu(match[1], (int(match[2]), int(match[3])))


def gpu_of(device: str | None) -> Gpu | None:
    """Return the kind of GPU that computes: the one that setting `device` names, else that of this machine."""
    return gpu() if device is None else read_gpu(device)


def _handle(library: ctypes.CDLL, visible: str | None) -> ctypes.c_void_p | None:
    first = "0" if visible is None else visible.split(",")[0].strip()
    handle = ctypes.c_void_p()
    if first.isdecimal():
        failed = library.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(int(first)), ctypes.byref(handle))
    else:  # "GPU-…", "MIG-…"; empty or "-1": none
        failed = library.nvmlDeviceGetHandleByUUID(first.encode(), ctypes.byref(handle))
    return None if failed else handle


def _kind(library: ctypes.CDLL, handle: ctypes.c_void_p) -> Gpu | None:
    name = ctypes.create_string_buffer(_NAME_BYTES)
    if library.nvmlDeviceGetName(handle, name, ctypes.c_uint(_NAME_BYTES)):
        return None
    with suppress(AttributeError):  # old drivers know no slices; of one, the whole card has the capability
        whole = ctypes.c_void_p()
        if not library.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(handle, ctypes.byref(whole)):
            handle = whole
    major, minor = ctypes.c_int(), ctypes.c_int()
    if library.nvmlDeviceGetCudaComputeCapability(handle, ctypes.byref(major), ctypes.byref(minor)):
        return None
    return Gpu(name.value.decode(errors="replace"), (major.value, minor.value))
