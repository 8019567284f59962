"""Settings of an engine: its kind, and what each kind takes."""

import math
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from sca_hf.engines.batch_invariance import BatchInvariant
from sca_hf.engines.server_list import read_urls
from sca_hf.settings import Settings

_RUNS_FOREIGN_CODE = {"trust_remote_code", "load_format"}  # Python files of a repository; pickled weights


class EngineSettings(Settings):
    """What completes prompts: vLLM, or servers.

    `kind`: vLLM in this process, on a Ray cluster (ray), or servers that are OpenAI-compatible (openai) or TGI (tgi).
    `urls`: where servers are, or a file with an address a line, which may change while a run goes. `dtype`: of the
    weights. `max_model_len`: tokens of prompt and completion together (null: what the model was made for).
    `max_prompt_tokens`: rows with a longer prompt are rejected. `max_num_seqs`: prompts that vLLM completes at once.
    `gpu_memory_utilization`: share of a GPU's memory that vLLM may take. `options`: any other argument of vLLM's
    engine, parallelism above all. `batch_invariant`: vLLM writes the same text in any batch, for 22-35 % of its speed
    by reports; auto does where card and attention backend do it with prefix caching. `device`: the kind of GPU that
    computes, where this machine has another or none, such as "NVIDIA H100 80GB HBM3 sm_90". `request_seconds`: when a
    request to a server is given up. `patience`: seconds without a success of any server, or without a replica, after
    which a run gives up. `replicas`: engines wanted on Ray; one that doesn't fit yet waits until the cluster has room.
    `replica_cpus`: cores of a replica, besides a GPU for each tensor and pipeline parallel rank of its model. `mixed`:
    let replicas and servers join that are of another build or processor than the first; part of the fingerprint where
    it is set.

    Neither speed nor place is part of a fingerprint; what servers say that they run is.
    """

    kind: Literal["vllm", "ray", "openai", "tgi"] = "vllm"
    urls: tuple[str, ...] | str = ()
    dtype: Literal["bfloat16", "float16", "float32"] = "bfloat16"
    max_model_len: int | None = Field(default=None, ge=64)
    max_prompt_tokens: int | None = Field(default=None, ge=1)
    max_num_seqs: int = Field(default=256, ge=1)
    gpu_memory_utilization: float = Field(default=0.9, gt=0.0, le=1.0)
    options: dict[str, bool | int | float | str] = Field(default={})
    replicas: int = Field(default=1, ge=1, le=10_000)
    replica_cpus: float = Field(default=1.0, gt=0.0)
    mixed: bool = False
    batch_invariant: BatchInvariant = "auto"
    device: str | None = Field(default=None, min_length=1)
    request_seconds: float = Field(default=600.0, gt=0.0)
    patience: float = Field(default=300.0, gt=0.0)

    @field_validator("options")
    @classmethod
    def _no_foreign_code(cls, options: dict[str, bool | int | float | str]) -> dict[str, bool | int | float | str]:
        refused = sorted(_RUNS_FOREIGN_CODE & options.keys())
        if refused:
            raise ValueError(f"{refused} would run code that comes with a model; take them out")
        return options

    @model_validator(mode="after")
    def _urls_fit(self) -> Self:
        shown = self.urls if isinstance(self.urls, str) else list(self.urls)
        if (self.kind in {"vllm", "ray"}) == bool(self.urls):
            raise ValueError(f"engine.kind {self.kind} and engine.urls {shown} don't fit; urls are for servers")
        if isinstance(self.urls, str):
            if "://" in self.urls:
                raise ValueError(f"engine.urls {shown} is not a file; give a list of addresses: [{shown}]")
        elif not all(url.startswith(("http://", "https://")) for url in self.urls):
            raise ValueError("engine.urls must begin with http:// or https://")
        return self

    @property
    def slots(self) -> int:
        """Calls that the engine works on at once."""
        return self.max_num_seqs * self.engines

    @property
    def engines(self) -> int:
        """Replicas or servers; 1 for vLLM in this process."""
        return self.replicas if self.kind == "ray" else max(1, len(read_urls(self.urls)))

    @property
    def ranks(self) -> int:
        """Tensor times pipeline parallel ranks of an engine: the GPUs of one replica."""
        return math.prod(int(self.options.get(f"{way}_parallel_size", 1)) for way in ("tensor", "pipeline"))

    def intent(self) -> dict[str, Any]:
        """Return what decides which prompts are too long, and whether whoever answered may differ from who said who it
        is; the dtype is the engine's to tell."""
        intent = self.model_dump(mode="json", include={"max_model_len", "max_prompt_tokens"})
        return intent | ({"mixed": True} if self.mixed else {})
