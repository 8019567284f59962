"""Whether vLLM computes the same text in any batch. It costs speed, needs a card and a backend that can, and is decided
before vLLM is imported: a process that has it can't change its mind.
"""

import os
import sys
from collections.abc import Mapping
from typing import Literal

from sca_hf.engines.gpu import Gpu
from sca_hf.errors import EngineUnavailable

VARIABLE = "VLLM_BATCH_INVARIANT"

BatchInvariant = Literal["auto", True, False]

BACKENDS = frozenset({"FLASH_ATTN", "TRITON_ATTN", "FLEX_ATTENTION", "FLASH_ATTN_MLA"})
"""Those that compute batch-invariantly with prefix caching (vLLM 0.33). FLASHINFER and TRITON_MLA switch that off."""

_LEAST_CAPABILITY = (8, 0)


def obstacle(gpu: Gpu | None, options: Mapping[str, object]) -> str | None:
    """Return why an engine with these options can't be batch-invariant with prefix caching here; None if it can."""
    if gpu is None:
        return "there is no NVIDIA GPU here"
    if gpu.capability < _LEAST_CAPABILITY:
        return f"{gpu} is below compute capability 8.0"
    backend = options.get("attention_backend")
    if backend is not None and str(backend).upper() not in BACKENDS and options.get("enable_prefix_caching", True):
        return (
            f"engine.options.attention_backend {backend} does it without prefix caching alone; "
            f"take one of {', '.join(sorted(BACKENDS))}, or set engine.options.enable_prefix_caching=false"
        )
    return None


def is_invariant(wanted: BatchInvariant, gpu: Gpu | None, options: Mapping[str, object]) -> bool:
    """Return whether the engine is to be batch-invariant. Raises EngineUnavailable where it must be and can't."""
    if wanted == "auto":
        return obstacle(gpu, options) is None
    if wanted and (why := obstacle(gpu, options)) is not None:
        raise EngineUnavailable(f"engine.batch_invariant=true: {why}; set it to auto or false")
    return wanted


def set_for_vllm(on: bool) -> None:
    """Set the environment of vLLM and its processes. Raises EngineUnavailable where vLLM is loaded otherwise."""
    was = os.environ.get(VARIABLE, "0") not in {"0", ""}
    if was != on and "vllm" in sys.modules:
        states = {True: "with", False: "without"}
        raise EngineUnavailable(
            f"vLLM is loaded {states[was]} batch invariance in this process ({VARIABLE}="
            f"{os.environ.get(VARIABLE, '')!r}), and engine.batch_invariant is {str(on).lower()}; "
            f"set engine.batch_invariant={str(was).lower()}, or start a new process"
        )
    os.environ[VARIABLE] = str(int(on))
