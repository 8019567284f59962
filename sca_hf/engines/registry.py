"""The kinds of engines: for each, how its identity is found without it, and how it is made. Imported when asked for."""

import logging
from collections.abc import Callable
from typing import Any, NamedTuple

from sca_hf.engines import Engine, EngineIdentity
from sca_hf.engines.batch_invariance import obstacle
from sca_hf.engines.gpu import gpu, gpu_of
from sca_hf.engines.model import check_model, check_options, engine_identity, runs_on_cpu
from sca_hf.engines.remote import TokenLimits
from sca_hf.engines.server_list import read_urls
from sca_hf.engines.settings import EngineSettings
from sca_hf.errors import EngineUnavailable

_log = logging.getLogger(__name__)


class Kind(NamedTuple):
    """A kind of engine, by two functions of a model's name and settings."""

    identity: Callable[[str, EngineSettings], EngineIdentity]
    engine: Callable[[str, EngineSettings], Engine]


def check_engine(settings: EngineSettings) -> None:
    """Raise EngineUnavailable for options that the installed engine doesn't know. Starts nothing."""
    if settings.kind in {"vllm", "ray"}:
        check_options(settings.options)


def check_weights(model: str, settings: EngineSettings) -> None:
    """Raise EngineUnavailable for a model that the engine could load from nowhere. Reads nothing and asks nobody."""
    if settings.kind in {"vllm", "ray"}:
        check_model(model)


def identity_of(model: str, settings: EngineSettings) -> EngineIdentity:
    """Return what determines the completions. Loads no model, but asks servers. Raises EngineUnavailable."""
    return KINDS[settings.kind].identity(model, settings)


def make_engine(model: str, settings: EngineSettings) -> Engine:
    """Return the engine, which starts at its first call. Raises EngineUnavailable."""
    return KINDS[settings.kind].engine(model, settings)


def _vllm_identity(model: str, settings: EngineSettings) -> EngineIdentity:
    return engine_identity(model, settings.dtype, settings.options, settings.batch_invariant, settings.device)


def _vllm(model: str, settings: EngineSettings) -> Engine:
    from sca_hf.engines.vllm.engine import VllmEngine

    _tell_invariance(settings)
    return VllmEngine(model, **_vllm_arguments(settings))


def _tell_invariance(settings: EngineSettings) -> None:
    """Say why the same prompt may get another text in another batch."""
    if settings.batch_invariant != "auto" or runs_on_cpu():
        return
    if why := obstacle(gpu_of(settings.device), settings.options):
        _log.warning("engine.batch_invariant is off: %s", why)


def _vllm_arguments(settings: EngineSettings) -> dict[str, Any]:
    limits = ("max_model_len", "max_prompt_tokens", "max_num_seqs", "gpu_memory_utilization")
    names = ("dtype", *limits, "options", "batch_invariant", "device")
    return {name: getattr(settings, name) for name in names}


def _ray(model: str, settings: EngineSettings) -> Engine:
    from sca_hf.engines.ray.engine import Placement, ray_engine

    _tell_invariance(settings)
    if not runs_on_cpu() and not (settings.device or gpu()):
        raise EngineUnavailable(
            "this machine has no GPU, so the cluster's kind isn't known, which is part of who answers; set "
            "engine.device to it, as in 'NVIDIA H100 80GB HBM3 sm_90' (nvidia-smi --query-gpu=name,compute_cap)"
        )
    placement = Placement(
        replicas=settings.replicas,
        gpus=0 if runs_on_cpu() else settings.ranks,
        cpus=settings.replica_cpus,
        wait_seconds=settings.patience,
    )
    return ray_engine(
        _vllm_identity(model, settings), model, _vllm_arguments(settings), placement, mixed=settings.mixed
    )


def _openai_identity(model: str, settings: EngineSettings) -> EngineIdentity:
    from sca_hf.engines.openai import openai_identity

    return openai_identity(model, read_urls(settings.urls), settings.patience, mixed=settings.mixed)


def _openai(model: str, settings: EngineSettings) -> Engine:
    from sca_hf.engines.openai import openai_engine

    return openai_engine(model, settings.urls, _token_limits(settings), **_patience(settings), mixed=settings.mixed)


def _tgi_identity(model: str, settings: EngineSettings) -> EngineIdentity:
    from sca_hf.engines.tgi import tgi_identity

    return tgi_identity(model, read_urls(settings.urls), settings.patience, mixed=settings.mixed)


def _tgi(model: str, settings: EngineSettings) -> Engine:
    from sca_hf.engines.tgi import tgi_engine

    return tgi_engine(model, settings.urls, _token_limits(settings), **_patience(settings), mixed=settings.mixed)


def _token_limits(settings: EngineSettings) -> TokenLimits:
    return TokenLimits(settings.max_prompt_tokens, settings.max_model_len)


def _patience(settings: EngineSettings) -> dict[str, float]:
    return {"patience": settings.patience, "request_seconds": settings.request_seconds}


KINDS = {
    "vllm": Kind(_vllm_identity, _vllm),
    "ray": Kind(_vllm_identity, _ray),
    "openai": Kind(_openai_identity, _openai),
    "tgi": Kind(_tgi_identity, _tgi),
}
