"""Servers of text-generation-inference, asked through its own client.

TGI tells its model, revision and dtype itself, but not how many tokens a prompt had: those count as 0 here, and what is
too long is its own to refuse (`--max-input-tokens`). The key, if the server asks for one, is taken from TGI_API_KEY.
"""

from collections.abc import Sequence

from sca_hf.engines import Completion, Conversation, EngineIdentity, Prompt, RowFailure, Sampling
from sca_hf.engines.openai import read_json
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

KEY = "TGI_API_KEY"

_REASONS = {"eos_token": "stop", "stop_sequence": "stop", "length": "length"}


def tgi_identity(model: str, urls: Sequence[str], patience: float) -> EngineIdentity:
    """Identity of what the servers run, as they tell it. Raises EngineUnavailable, also where it is not `model`."""
    name, _, revision = model.partition("@")

    def look(url: str) -> EngineIdentity:
        info = read_json(f"{url.rstrip('/')}/info", KEY, url)
        served, commit = str(info.get("model_id")), str(info.get("model_sha") or "as served")
        if served != name or (revision and not commit.startswith(revision)):
            raise EngineUnavailable(
                f"{shown(url)} serves {served!r} at {commit}, not {model!r}; give --model {served}, or serve {model!r}"
            )
        return EngineIdentity(
            name,
            f"{name}@{commit}",
            f"tgi {info.get('version', '')}".strip(),
            str(info.get("model_dtype", "as served")),
        )

    return ask_first(urls, look, patience)


def tgi_engine(
    model: str, urls: Sequence[str], limits: TokenLimits, *, patience: float, request_seconds: float
) -> RemoteEngine:
    """Return an engine of these servers. Raises EngineUnavailable where none answers, or they serve another model."""
    if limits.max_prompt_tokens is not None:
        raise EngineUnavailable(
            f"engine.max_prompt_tokens = {limits.max_prompt_tokens}: TGI doesn't tell the tokens of a prompt; set it "
            f"to null, and start the servers with --max-input-tokens {limits.max_prompt_tokens}"
        )
    identity = tgi_identity(model, urls, patience)
    servers = [_TgiServer(url, request_seconds) for url in urls]
    return RemoteEngine(identity, servers, TokenLimits(None, None), patience)


class _TgiServer:
    def __init__(self, url: str, request_seconds: float) -> None:
        from text_generation import AsyncClient

        self.url = url
        key = key_of(KEY)
        headers = {"Authorization": f"Bearer {key}"} if key else None
        self._client = AsyncClient(url.rstrip("/"), headers=headers, timeout=request_seconds)

    async def ask(self, prompt: Prompt, sampling: Sampling) -> Completion:
        if isinstance(prompt, Conversation):
            raise EngineUnavailable(
                f"{shown(self.url)} is asked for completions alone (engine.kind tgi), and a stage asks a chat model; "
                "give that stage an engine of kind openai: TGI speaks its protocol too"
            )
        import aiohttp
        from text_generation import errors

        greedy = sampling.temperature == 0
        try:
            answer = await self._client.generate(
                prompt,
                do_sample=not greedy,
                temperature=None if greedy else sampling.temperature,
                top_p=None if greedy or sampling.top_p >= 1 else sampling.top_p,
                max_new_tokens=sampling.max_tokens,
                stop_sequences=list(sampling.stop),
                seed=sampling.seed,
            )
            text, details = answer.generated_text, answer.details
            reason, tokens = _REASONS.get(details.finish_reason.value), details.generated_tokens
        except errors.ValidationError as error:
            said = without(str(error), key_of(KEY))
            raise RowFailure("prompt-too-long" if "tokens" in said else "engine-error") from None
        except (errors.OverloadedError, errors.RateLimitExceededError, errors.ShardTimeoutError) as error:
            raise Busy(without(str(error), key_of(KEY))) from None
        except errors.NotFoundError as error:
            raise EngineUnavailable(f"{shown(self.url)} is no TGI server ({error}); change engine.urls") from None
        except aiohttp.ClientConnectorError as error:
            raise Unreachable(without(str(error), key_of(KEY))) from None
        except TimeoutError:
            raise Failed("no answer in time") from None
        except Exception as error:  # its client raises what its parts raise: KeyError, ValidationError of pydantic, …
            raise Failed(without(f"{type(error).__name__}: {error}", key_of(KEY))) from None
        if reason is None:
            raise RowFailure("engine-error")
        for stop in sampling.stop:  # TGI leaves the stop text in
            text = text.partition(stop)[0]
        return Completion(text, reason, 0, tokens)  # type: ignore[arg-type]

    async def close(self) -> None:
        """It holds no connection."""
