"""Settings of an engine: its kind, and what each kind takes."""

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from sca_hf.settings import Settings

_RUNS_FOREIGN_CODE = {"trust_remote_code", "load_format"}  # Python files of a repository; pickled weights


class EngineSettings(Settings):
    """What completes prompts: vLLM, or servers.

    `kind`: vLLM in this process, on a Ray cluster (ray), or servers that are OpenAI-compatible (openai) or TGI (tgi).
    `urls`: where servers are. `dtype`: of the weights. `max_model_len`: tokens of prompt and completion together (null:
    what the model was made for). `max_prompt_tokens`: rows with a longer prompt are rejected. `max_num_seqs`: prompts
    that vLLM completes at once. `gpu_memory_utilization`: share of a GPU's memory that vLLM may take. `options`: any
    other argument of vLLM's engine, parallelism above all. `request_seconds`: when a request to a server is given up.
    `patience`: seconds without a success of any server, or without a replica, after which a run gives up. `replicas`:
    engines wanted on Ray; one that doesn't fit yet waits until the cluster has room. `replica_cpus`: cores of a
    replica, besides a GPU for each tensor and pipeline parallel rank of its model. `mixed`: let replicas of another
    build or processor than the first join.

    Neither speed nor place is part of a fingerprint; what servers say that they run is.
    """

    kind: Literal["vllm", "ray", "openai", "tgi"] = "vllm"
    urls: tuple[str, ...] = ()
    dtype: Literal["bfloat16", "float16", "float32"] = "bfloat16"
    max_model_len: int | None = Field(default=None, ge=64)
    max_prompt_tokens: int | None = Field(default=None, ge=1)
    max_num_seqs: int = Field(default=256, ge=1)
    gpu_memory_utilization: float = Field(default=0.9, gt=0.0, le=1.0)
    options: dict[str, bool | int | float | str] = Field(default={})
    replicas: int = Field(default=1, ge=1, le=10_000)
    replica_cpus: float = Field(default=1.0, gt=0.0)
    mixed: bool = False
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
        if (self.kind in {"vllm", "ray"}) == bool(self.urls):
            raise ValueError(
                f"engine.kind {self.kind} and engine.urls {list(self.urls)} don't fit; urls are for servers"
            )
        if not all(url.startswith(("http://", "https://")) for url in self.urls):
            raise ValueError("engine.urls must begin with http:// or https://")
        return self

    @property
    def slots(self) -> int:
        """Calls that the engine works on at once."""
        return self.max_num_seqs * max(len(self.urls), self.replicas if self.kind == "ray" else 1)

    def intent(self) -> dict[str, Any]:
        """Return what decides which prompts are too long; the dtype is the engine's to tell."""
        return self.model_dump(mode="json", include={"max_model_len", "max_prompt_tokens"})
