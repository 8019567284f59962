"""The kinds of engines: for each, how its identity is found without it, and how it is made. Imported when asked for."""

from collections.abc import Callable
from typing import Any, NamedTuple

from sca_hf.engines import Engine, EngineIdentity
from sca_hf.engines.model import check_options, engine_identity, runs_on_cpu
from sca_hf.engines.remote import TokenLimits
from sca_hf.engines.settings import EngineSettings


class Kind(NamedTuple):
    """A kind of engine, by two functions of a model's name and settings."""

    identity: Callable[[str, EngineSettings], EngineIdentity]
    engine: Callable[[str, EngineSettings], Engine]


def check_engine(settings: EngineSettings) -> None:
    """Raise EngineUnavailable for options that the installed engine doesn't know. Starts nothing."""
    if settings.kind in {"vllm", "ray"}:
        check_options(settings.options)


def identity_of(model: str, settings: EngineSettings) -> EngineIdentity:
    """Return what determines the completions. Loads no model, but asks servers. Raises EngineUnavailable."""
    return KINDS[settings.kind].identity(model, settings)


def make_engine(model: str, settings: EngineSettings) -> Engine:
    """Return the engine, which starts at its first call. Raises EngineUnavailable."""
    return KINDS[settings.kind].engine(model, settings)


def _vllm_identity(model: str, settings: EngineSettings) -> EngineIdentity:
    return engine_identity(model, settings.dtype, settings.options)


def _vllm(model: str, settings: EngineSettings) -> Engine:
    from sca_hf.engines.vllm.engine import VllmEngine

    return VllmEngine(model, **_vllm_arguments(settings))


def _vllm_arguments(settings: EngineSettings) -> dict[str, Any]:
    names = ("dtype", "max_model_len", "max_prompt_tokens", "max_num_seqs", "gpu_memory_utilization", "options")
    return {name: getattr(settings, name) for name in names}


def _ray(model: str, settings: EngineSettings) -> Engine:
    from sca_hf.engines.ray.engine import Placement, ray_engine

    ranks = int(settings.options.get("tensor_parallel_size", 1)) * int(
        settings.options.get("pipeline_parallel_size", 1)
    )
    placement = Placement(
        replicas=settings.replicas,
        gpus=0 if runs_on_cpu() else ranks,
        cpus=settings.replica_cpus,
        wait_seconds=settings.patience,
    )
    return ray_engine(
        _vllm_identity(model, settings), model, _vllm_arguments(settings), placement, mixed=settings.mixed
    )


def _openai_identity(model: str, settings: EngineSettings) -> EngineIdentity:
    from sca_hf.engines.openai import openai_identity

    return openai_identity(model, settings.urls, settings.patience)


def _openai(model: str, settings: EngineSettings) -> Engine:
    from sca_hf.engines.openai import openai_engine

    return openai_engine(model, settings.urls, _token_limits(settings), **_patience(settings))


def _tgi_identity(model: str, settings: EngineSettings) -> EngineIdentity:
    from sca_hf.engines.tgi import tgi_identity

    return tgi_identity(model, settings.urls, settings.patience)


def _tgi(model: str, settings: EngineSettings) -> Engine:
    from sca_hf.engines.tgi import tgi_engine

    return tgi_engine(model, settings.urls, _token_limits(settings), **_patience(settings))


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
