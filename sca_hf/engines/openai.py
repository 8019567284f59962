"""Servers that speak OpenAI's protocol: `vllm serve`, SGLang, llama.cpp, a hosted one.

Prompts go to /v1/completions, conversations to /v1/chat/completions. The key, if the server asks for one, is taken from
OPENAI_API_KEY. Start `vllm serve` as the in-process engine runs, and it gives the same completions; its defaults from
the model's generation config are overruled by each request.
"""

import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast, get_args

from sca_hf.engines import Completion, Conversation, EngineIdentity, FinishReason, Prompt, RowFailure, Sampling
from sca_hf.engines.remote import (
    Busy,
    Failed,
    RemoteEngine,
    TokenLimits,
    Unreachable,
    ask_first,
    key_of,
    shown,
    without,
)
from sca_hf.errors import EngineUnavailable

if TYPE_CHECKING:
    from openai import APIStatusError

KEY = "OPENAI_API_KEY"

_LOOK_SECONDS = 10.0
_TOO_LONG = ("context length", "context_length", "max_model_len", "maximum model length", "context size", "too long")
# What vLLM would else take from the model's generation config.
_VLLM_DEFAULTS = {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}


def openai_identity(model: str, urls: Sequence[str], patience: float) -> EngineIdentity:
    """Identity of what the servers run: the model's name as they know it, its revision if `model` has one after '@',
    and the build, which vLLM tells. Raises EngineUnavailable."""
    name, _, revision = model.partition("@")

    def look(url: str) -> EngineIdentity:
        models = [str(entry.get("id")) for entry in _get(url, "/models").get("data", [])]
        if name not in models:
            raise EngineUnavailable(
                f"{shown(url)} has no model {name!r}; it has {models}: give --model one of them, or serve {name!r}"
            )
        version = _vllm_version(url)
        build = "openai" if version is None else f"vllm serve {version}"
        return EngineIdentity(name, f"{name}@{revision or 'as served'}", build, "as served")

    return ask_first(urls, look, patience)


def openai_engine(
    model: str, urls: Sequence[str], limits: TokenLimits, *, patience: float, request_seconds: float
) -> RemoteEngine:
    """Return an engine of these servers. Raises EngineUnavailable where none answers, or they have no such model."""
    identity = openai_identity(model, urls, patience)
    is_vllm = identity.build.startswith("vllm")
    servers = [_OpenAiServer(url, identity.model, is_vllm, request_seconds) for url in urls]
    return RemoteEngine(identity, servers, limits, patience)


class _OpenAiServer:
    def __init__(self, url: str, model: str, is_vllm: bool, request_seconds: float) -> None:
        from openai import AsyncOpenAI

        self.url = url
        self._model = model
        self._is_vllm = is_vllm
        self._client = AsyncOpenAI(
            base_url=_base(url), api_key=key_of(KEY) or "none", max_retries=0, timeout=request_seconds
        )

    async def ask(self, prompt: Prompt, sampling: Sampling) -> Completion:
        import openai

        how: dict[str, Any] = {
            "model": self._model,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_tokens,
            "seed": sampling.seed,
            "stop": list(sampling.stop) or None,
            "extra_body": self._extra_of(sampling),
        }
        answer: Any
        try:
            if isinstance(prompt, Conversation):
                answer = await self._client.chat.completions.create(messages=cast(Any, prompt.dicts), **how)
                text = _said(answer.choices[0].message)
            else:
                answer = await self._client.completions.create(prompt=prompt, **how)
                text = answer.choices[0].text
            reason: str = answer.choices[0].finish_reason
            usage = answer.usage
            counts = (usage.prompt_tokens, usage.completion_tokens) if usage else (0, 0)
        except openai.APITimeoutError:
            raise Failed("no answer in time") from None
        except openai.APIConnectionError as error:
            why = without(str(error.__cause__ or error), key_of(KEY))
            if type(error.__cause__).__name__ in {"ConnectError", "ConnectTimeout"}:
                raise Unreachable(why or "can't connect") from None
            raise Failed(why or "the connection was cut") from None
        except openai.APIStatusError as error:
            raise self._refusal(error) from None
        except (openai.OpenAIError, ValueError, TypeError, AttributeError, IndexError) as error:
            # Not what the protocol says: broken JSON, invalid UTF-8, no choice.
            raise Failed(without(f"it answers nonsense: {type(error).__name__}", None)) from None
        if reason == "content_filter":
            raise RowFailure("refusal")
        if reason not in get_args(FinishReason) or not isinstance(text, str):
            raise RowFailure("engine-error")
        return Completion(text, cast(FinishReason, reason), *counts)

    async def close(self) -> None:
        await self._client.close()

    def _extra_of(self, sampling: Sampling) -> dict[str, Any]:
        """Return what only vLLM knows. A version of it that can't detect repetitions doesn't mind being asked to."""
        if not self._is_vllm:
            return {}
        detection = sampling.repetition_detection
        return _VLLM_DEFAULTS | ({"repetition_detection": asdict(detection)} if detection else {})

    def _refusal(self, error: "APIStatusError") -> Exception:
        status, said = error.status_code, without(f"status {error.status_code} {error.response.text}", key_of(KEY))
        if status in {400, 413, 422} and any(part in said.lower() for part in _TOO_LONG):
            return RowFailure("prompt-too-long")
        if status == 400 and "chat template" in said.lower():
            return EngineUnavailable(
                f"{shown(self.url)} has no chat template for {self._model!r} ({said}); serve a chat model, or start "
                "the server with --chat-template FILE"
            )
        if status == 429:
            return Busy(said, _seconds(error.response.headers.get("retry-after")))
        if status in {401, 403}:
            return _wrong_key(self.url, status, KEY)
        if status == 404:
            return EngineUnavailable(
                f"{shown(self.url)} has no model {self._model!r} any more ({said}); serve it, or change --model"
            )
        if status in {502, 503, 504}:
            return Busy(said, _seconds(error.response.headers.get("retry-after")))
        return Failed(said)


def _said(message: Any) -> str:
    """Return what a message of the assistant says, behind what it thought where the server gives that apart."""
    thought = getattr(message, "reasoning_content", None) or getattr(message, "reasoning", None)
    text = message.content or getattr(message, "refusal", None) or ""
    return f"<think>{thought}</think>{text}" if thought else text


def _base(url: str) -> str:
    trimmed = url.rstrip("/")
    return trimmed if trimmed.endswith("/v1") else f"{trimmed}/v1"


def _get(url: str, path: str) -> dict[str, Any]:
    """Return what the server at `url` says at /v1`path`."""
    return read_json(f"{_base(url)}{path}", KEY, url)


def _vllm_version(url: str) -> str | None:
    """Return the version of vLLM, if the server is one: no other answers at /version."""
    try:
        version = read_json(f"{_base(url).removesuffix('/v1')}/version", KEY, url).get("version")
    except (Failed, Busy, Unreachable, EngineUnavailable):
        return None
    return version if isinstance(version, str) else None


def read_json(address: str, variable: str, url: str) -> dict[str, Any]:
    """A JSON object from `address` of the server at `url`, with the key in `variable`. Raises as `Server.ask` does."""
    key = key_of(variable)
    request = urllib.request.Request(address, headers={"Authorization": f"Bearer {key}"} if key else {})
    try:
        with urllib.request.urlopen(request, timeout=_LOOK_SECONDS) as answer:
            content = json.load(answer)
    except urllib.error.HTTPError as error:
        if error.code in {401, 403}:
            raise _wrong_key(url, error.code, variable) from None
        if error.code in {429, 502, 503, 504}:
            raise Busy(f"status {error.code}") from None
        raise Failed(f"status {error.code}") from None
    except (OSError, ValueError) as error:
        raise Unreachable(without(str(error), key)) from None
    if not isinstance(content, dict):
        raise Failed("it answers nonsense")
    return content


def _wrong_key(url: str, status: int, variable: str) -> EngineUnavailable:
    state = "is not the one that it takes" if key_of(variable) else "is not set"
    return EngineUnavailable(
        f"{shown(url)} refuses access (status {status}); {variable} {state}: set it to the server's key"
    )


def _seconds(header: str | None) -> float | None:
    try:
        return max(0.0, float(header)) if header else None
    except ValueError:  # a date: as good as none
        return None
