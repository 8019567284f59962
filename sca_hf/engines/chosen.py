"""The engine that a recipe chooses, and its identity without it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sca_hf.engines import Engine, EngineIdentity
from sca_hf.engines.model import engine_identity

if TYPE_CHECKING:
    from sca_hf.recipe import EngineSettings


def chosen_identity(model: str, settings: "EngineSettings") -> EngineIdentity:
    """What determines the completions. Loads no model, but asks servers. Raises EngineUnavailable."""
    urls: Sequence[str] = settings.urls
    if settings.kind == "openai":
        from sca_hf.engines.openai import openai_identity

        return openai_identity(model, urls, settings.patience)
    if settings.kind == "tgi":
        from sca_hf.engines.tgi import tgi_identity

        return tgi_identity(model, urls, settings.patience)
    return engine_identity(model, settings.dtype, settings.options)


def chosen_engine(model: str, settings: "EngineSettings") -> Engine:
    """The engine. Raises EngineUnavailable."""
    if settings.kind == "vllm":
        from sca_hf.engines.vllm import VllmEngine

        return VllmEngine(
            model,
            dtype=settings.dtype,
            max_model_len=settings.max_model_len,
            max_prompt_tokens=settings.max_prompt_tokens,
            max_num_seqs=settings.max_num_seqs,
            gpu_memory_utilization=settings.gpu_memory_utilization,
            options=settings.options,
        )
    from sca_hf.engines.openai import openai_engine
    from sca_hf.engines.remote import Limits
    from sca_hf.engines.tgi import tgi_engine

    make = openai_engine if settings.kind == "openai" else tgi_engine
    return make(
        model,
        settings.urls,
        Limits(settings.max_prompt_tokens, settings.max_model_len),
        patience=settings.patience,
        request_seconds=settings.request_seconds,
    )
