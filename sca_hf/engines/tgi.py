"""Servers of text-generation-inference.

Requests, answers and errors are those of its own client, `text_generation`; the connections are ours, since that client
opens one for each call and keeps an answer's headers to itself. TGI tells its model, revision and dtype itself, but not
how many tokens a prompt had: those count as 0 here, and what is too long is its own to refuse (`--max-input-tokens`).
The key, if the server asks for one, is taken from TGI_API_KEY.
"""

from collections.abc import Sequence
from functools import partial
from typing import cast

from sca_hf.engines import Completion, Conversation, EngineIdentity, FinishReason, Prompt, RowFailure, Sampling
from sca_hf.engines.http import Busy, Failed, HttpServer, read_json, seconds_of, shown
from sca_hf.engines.remote import RemoteEngine, Servers, TokenLimits
from sca_hf.engines.server_list import ask_first
from sca_hf.errors import EngineUnavailable

KEY = "TGI_API_KEY"

_REASONS = {"eos_token": "stop", "stop_sequence": "stop", "length": "length"}


def tgi_identity(model: str, urls: Sequence[str], patience: float, *, mixed: bool = False) -> EngineIdentity:
    """Identity of what the servers run, as they tell it. Raises EngineUnavailable, also where it is not `model`."""
    return ask_first(urls, partial(_look, model), patience, mixed=mixed)[0]


def tgi_engine(
    model: str,
    urls: Sequence[str] | str,
    limits: TokenLimits,
    *,
    patience: float,
    request_seconds: float,
    mixed: bool = False,
) -> RemoteEngine:
    """Return an engine of these servers. Raises EngineUnavailable where none answers, or they serve another model."""
    if limits.max_prompt_tokens is not None:
        raise EngineUnavailable(
            f"engine.max_prompt_tokens = {limits.max_prompt_tokens}: TGI doesn't tell the tokens of a prompt; set it "
            f"to null, and start the servers with --max-input-tokens {limits.max_prompt_tokens}"
        )
    servers = Servers(urls, partial(_look, model), lambda url, identity: _TgiServer(url, KEY, request_seconds), mixed)
    return RemoteEngine(servers, TokenLimits(None, None), patience)


def _look(model: str, url: str) -> EngineIdentity:
    """Return what the server at `url` says that it runs."""
    name, _, revision = model.partition("@")
    info = read_json(f"{url.rstrip('/')}/info", KEY, url)
    served, commit = str(info.get("model_id")), str(info.get("model_sha") or "as served")
    if served != name or (revision and not commit.startswith(revision)):
        raise EngineUnavailable(
            f"{shown(url)} serves {served!r} at {commit}, not {model!r}; give --model {served}, or serve {model!r}"
        )
    build = f"tgi {info.get('version', '')}".strip()
    if info.get("max_total_tokens") is not None:
        build += f" max_total_tokens={info['max_total_tokens']}"
    return EngineIdentity(name, f"{name}@{commit}", build, str(info.get("model_dtype", "as served")))


class _TgiServer(HttpServer):
    async def ask(self, prompt: Prompt, sampling: Sampling) -> Completion:
        if isinstance(prompt, Conversation):
            raise EngineUnavailable(
                f"{shown(self.url)} is asked for completions alone (engine.kind tgi), and a stage asks a chat model; "
                "give that stage an engine of kind openai: TGI speaks its protocol too"
            )
        from text_generation.errors import parse_error
        from text_generation.types import Parameters, Request, Response

        greedy = sampling.temperature == 0
        parameters = Parameters(
            details=True,
            do_sample=not greedy,
            temperature=None if greedy else sampling.temperature,
            top_p=None if greedy or sampling.top_p >= 1 else sampling.top_p,
            max_new_tokens=sampling.max_tokens,
            stop=list(sampling.stop),
            seed=sampling.seed,
        )
        request = Request(inputs=prompt, stream=False, parameters=parameters)
        status, headers, content = await self._post(self.url, request.model_dump())
        answer = self._content(content)
        try:
            if status != 200:
                raise self._meant(parse_error(status, answer), status, seconds_of(headers.get("Retry-After")))
            response = Response(**answer[0])
            text, details = response.generated_text, response.details
            reason, tokens = _REASONS.get(details.finish_reason.value), details.generated_tokens
        except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
            raise Failed(f"it answers nonsense (status {status}): {type(error).__name__}") from None
        if reason is None:
            raise RowFailure("engine-error")
        for stop in sampling.stop:  # TGI leaves the stop text in
            text = text.partition(stop)[0]
        return Completion(text, cast(FinishReason, reason), 0, tokens)

    def _meant(self, error: Exception, status: int, seconds: float | None) -> Exception:
        """Return what an error of its client means."""
        from text_generation import errors

        said = self._hidden(error)
        match error:
            case errors.ValidationError():
                return RowFailure("prompt-too-long" if "tokens" in said else "engine-error")
            case errors.OverloadedError() | errors.RateLimitExceededError() | errors.ShardTimeoutError():
                return Busy(said, seconds)
            case errors.NotFoundError():
                return EngineUnavailable(f"{shown(self.url)} is not a TGI server ({said}); change engine.urls")
        return self._refusal(status, {}, said)
