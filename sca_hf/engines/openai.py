"""Servers that speak OpenAI's protocol: `vllm serve`, SGLang, llama.cpp, a hosted one.

Prompts go to /v1/completions, conversations to /v1/chat/completions. The key, if the server asks for one, is taken from
OPENAI_API_KEY. Start `vllm serve` as the in-process engine runs, and it gives the same completions; its defaults from
the model's generation config are overruled by each request.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any, cast, get_args

from sca_hf.engines import Completion, Conversation, EngineIdentity, FinishReason, Prompt, RowFailure, Sampling
from sca_hf.engines.http import Busy, Failed, HttpServer, Unreachable, read_json, shown
from sca_hf.engines.remote import RemoteEngine, Servers, TokenLimits
from sca_hf.engines.server_list import ask_first
from sca_hf.errors import EngineUnavailable

KEY = "OPENAI_API_KEY"

_TOO_LONG = ("context length", "context_length", "max_model_len", "maximum model length", "context size", "too long")
# What vLLM would else take from the model's generation config.
_VLLM_DEFAULTS = {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}


def openai_identity(model: str, urls: Sequence[str], patience: float, *, mixed: bool = False) -> EngineIdentity:
    """Identity of what the servers run: the model's name as they know it, its revision if `model` has one after '@',
    and what they report: the build and the context, which vLLM tells. Raises EngineUnavailable."""
    return ask_first(urls, partial(_look, model), patience, mixed=mixed)[0]


def openai_engine(
    model: str,
    urls: Sequence[str] | str,
    limits: TokenLimits,
    *,
    patience: float,
    request_seconds: float,
    mixed: bool = False,
) -> RemoteEngine:
    """Return an engine of these servers. Raises EngineUnavailable where none answers, or they have no such model."""
    name = model.partition("@")[0]
    servers = Servers(
        urls,
        partial(_look, model),
        lambda url, identity: _OpenAiServer(url, name, identity.build.startswith("vllm"), request_seconds),
        mixed,
    )
    return RemoteEngine(servers, limits, patience)


def _look(model: str, url: str) -> EngineIdentity:
    """Return what the server at `url` says that it runs."""
    name, _, revision = model.partition("@")
    models = {str(entry.get("id")): entry for entry in read_json(f"{_base(url)}/models", KEY, url).get("data", [])}
    if name not in models:
        raise EngineUnavailable(
            f"{shown(url)} has no model {name!r}; it has {list(models)}: give --model one of them, or serve {name!r}"
        )
    version, context = _vllm_version(url), models[name].get("max_model_len")
    build = "openai" if version is None else f"vllm serve {version}"
    if context is not None:
        build += f" max_model_len={context}"
    return EngineIdentity(name, f"{name}@{revision or 'as served'}", build, "as served")


class _OpenAiServer(HttpServer):
    def __init__(self, url: str, model: str, is_vllm: bool, request_seconds: float) -> None:
        super().__init__(url, KEY, request_seconds)
        self._model = model
        self._is_vllm = is_vllm
        self._base = _base(url)

    async def ask(self, prompt: Prompt, sampling: Sampling) -> Completion:
        body: dict[str, Any] = {
            "model": self._model,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_tokens,
            "seed": sampling.seed,
            **({"stop": list(sampling.stop)} if sampling.stop else {}),
            **self._extra_of(sampling),
        }
        is_chat = isinstance(prompt, Conversation)
        body |= {"messages": prompt.dicts} if isinstance(prompt, Conversation) else {"prompt": prompt}
        address = f"{self._base}/chat/completions" if is_chat else f"{self._base}/completions"
        status, headers, content = await self._post(address, body)
        if status != 200:
            said = self._hidden(f"status {status} {content.decode(errors='replace')}")
            if status in {400, 413, 422} and any(part in said.lower() for part in _TOO_LONG):
                raise RowFailure("prompt-too-long")
            if status == 404:
                raise EngineUnavailable(
                    f"{shown(self.url)} has no model {self._model!r} any more ({said}); serve it, or change --model"
                )
            if status == 400 and "chat template" in said.lower():
                raise EngineUnavailable(
                    f"{shown(self.url)} has no chat template for {self._model!r} ({said}); serve a chat model, or "
                    "start the server with --chat-template FILE"
                )
            raise self._refusal(status, headers, said)
        answer = self._content(content)
        try:
            choice, usage = answer["choices"][0], answer.get("usage")
            text = _said(choice["message"]) if is_chat else choice["text"]
            reason = choice["finish_reason"]
            read, written = (usage["prompt_tokens"], usage["completion_tokens"]) if usage else (0, 0)
            first_tokens = _first_tokens(choice) if sampling.alternatives else None
        except (KeyError, IndexError, TypeError, AttributeError) as error:  # not what the protocol says
            raise Failed(f"it answers nonsense: {type(error).__name__}") from None
        if reason == "content_filter":
            raise RowFailure("refusal")
        if reason not in get_args(FinishReason) or not isinstance(text, str):
            raise RowFailure("engine-error")
        return Completion(text, cast(FinishReason, reason), read, written, first_tokens)

    def _extra_of(self, sampling: Sampling) -> dict[str, Any]:
        """Return what is not always sent, and what only vLLM knows.

        A version of it that can't detect repetitions doesn't mind being asked to.
        """
        extra: dict[str, Any] = {"logprobs": sampling.alternatives} if sampling.alternatives else {}
        if not self._is_vllm:
            return extra
        detection = sampling.repetition_detection
        return _VLLM_DEFAULTS | extra | ({"repetition_detection": asdict(detection)} if detection else {})


def _first_tokens(choice: dict[str, Any]) -> dict[str, float] | None:
    """Return the log-probabilities of the likeliest first tokens, None where the server tells none."""
    places = (choice.get("logprobs") or {}).get("top_logprobs")
    return dict(places[0]) if places and places[0] else None


def _said(message: Mapping[str, Any]) -> Any:
    """Return what a message of the assistant says, behind what it thought where the server gives that apart."""
    thought = message.get("reasoning_content") or message.get("reasoning")
    text = message.get("content") or message.get("refusal") or ""
    return f"<think>{thought}</think>{text}" if thought else text


def _base(url: str) -> str:
    trimmed = url.rstrip("/")
    return trimmed if trimmed.endswith("/v1") else f"{trimmed}/v1"


def _vllm_version(url: str) -> str | None:
    """Return the version of vLLM, if the server is one: no other answers at /version."""
    try:
        version = read_json(f"{_base(url).removesuffix('/v1')}/version", KEY, url).get("version")
    except (Failed, Busy, Unreachable, EngineUnavailable):
        return None
    return version if isinstance(version, str) else None
