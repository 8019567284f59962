"""What an engine is: one prompt or conversation in, one completion out, many at once."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, astuple, dataclass
from typing import Literal, Protocol

from sca_hf.engines.repetition import RepetitionDetection
from sca_hf.identity import published_name

FinishReason = Literal["stop", "length", "repetition"]
Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True)
class Message:
    """What one side of a conversation says."""

    role: Role
    content: str


@dataclass(frozen=True)
class Conversation:
    """What a chat model answers: it is laid out by the model's own chat template, in the engine or its server."""

    messages: tuple[Message, ...]

    @property
    def dicts(self) -> list[dict[str, str]]:
        """Return the messages as chat templates and OpenAI's protocol take them."""
        return [{"role": message.role, "content": message.content} for message in self.messages]

    def __str__(self) -> str:
        return json.dumps(self.dicts, ensure_ascii=False)


Prompt = str | Conversation
"""A text that a model goes on with, or a conversation that it answers."""


@dataclass(frozen=True)
class Sampling:
    """How one sample is drawn. The same sampling of the same prompt by the same engine gives the same completion.

    `repetition_detection`: where the engine ends a sample that repeats itself; None, or an engine that can't: nowhere.
    `alternatives`: how many of the likeliest first tokens the completion has, if the engine can tell.
    """

    temperature: float
    max_tokens: int
    stop: tuple[str, ...]
    seed: int
    top_p: float = 1.0
    repetition_detection: RepetitionDetection | None = None
    alternatives: int = 0


@dataclass(frozen=True)
class Completion:
    """One sample. `finish_reason` is "stop" (a stop text or the end of the text), "length" (max_tokens reached) or
    "repetition" (detected by the engine). `first_tokens`: log-probabilities of the likeliest first tokens, by their
    text; None if none were asked for, or the engine tells none."""

    text: str
    finish_reason: FinishReason
    prompt_tokens: int
    completion_tokens: int
    first_tokens: Mapping[str, float] | None = None


@dataclass(frozen=True)
class EngineIdentity:
    """What of an engine determines its completions: goes into fingerprints, journal keys, lineage and cards."""

    model: str
    revision: str
    build: str
    dtype: str

    def intent(self) -> dict[str, str]:
        """Return what enters a fingerprint: the content of a local model (its revision), not the name of its folder."""
        return {key: value for key, value in asdict(self).items() if key != "model"}

    @property
    def writer(self) -> str:
        """Return the model, as a row says who wrote it: a Hub id with its commit, or the hash of a folder's content.

        The name of a folder is no part of it: the same model gives the same rows, wherever it lies.
        """
        is_whole = self.revision.startswith("local:") or "@" in self.revision
        return self.revision if is_whole else f"{self.model.partition('@')[0]}@{self.revision}"

    def published(self) -> dict[str, str]:
        """For lineage and cards: of a local model, its folder's name alone."""
        return self.intent() | {"model": published_name(self.model)}


@dataclass(frozen=True)
class Work:
    """Calls, and the tokens that they read and wrote. `cached_prompt_tokens`: of those read, what the prefix cache
    served."""

    calls: int = 0
    prompt_tokens: int = 0
    cached_prompt_tokens: int = 0
    completion_tokens: int = 0

    def __add__(self, other: "Work") -> "Work":
        return Work(*(one + another for one, another in zip(astuple(self), astuple(other), strict=True)))

    def __sub__(self, other: "Work") -> "Work":
        return Work(*(one - another for one, another in zip(astuple(self), astuple(other), strict=True)))


@dataclass
class Usage:
    """What an engine has done so far, in calls that have ended; in those under way it is `live()`, if it can tell.

    `starting_since`: when it began to get ready, by time.monotonic(), until it is; `starting_seconds`: what that took,
    loading its model above all. `trouble`: why no call succeeds at the moment.
    """

    calls: int = 0
    prompt_tokens: int = 0
    cached_prompt_tokens: int = 0
    completion_tokens: int = 0
    starting_since: float | None = None
    starting_seconds: float = 0.0
    trouble: str = ""
    live: Callable[[], Work] = Work

    @property
    def ended(self) -> Work:
        """Return the calls that have ended."""
        return Work(self.calls, self.prompt_tokens, self.cached_prompt_tokens, self.completion_tokens)

    def start(self) -> None:
        """Note that the engine begins to get ready."""
        self.starting_since = time.monotonic()

    def be_ready(self) -> None:
        """Note that it is ready."""
        if self.starting_since is not None:
            self.starting_seconds += time.monotonic() - self.starting_since
            self.starting_since = None


@dataclass(frozen=True)
class Fleet:
    """How many replicas or servers take calls, how many are waited for, and how often one was lost."""

    up: int = 0
    waiting: int = 0
    lost: int = 0


class RowFailure(Exception):
    """This one call can't be served (prompt too long, engine error after retries); `reason` becomes `reject_reason`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Engine(Protocol):
    """Completes prompts and answers conversations.

    `complete` may be awaited from any event loop and any number of times at once.
    """

    @property
    def identity(self) -> EngineIdentity: ...

    async def complete(self, prompt: Prompt, sampling: Sampling) -> Completion:
        """Return one sample. Raises RowFailure for this call only, EngineUnavailable when no call can succeed.

        Where a model or server gives what a chat model thought apart from its answer, the text begins with it, between
        `<think>` and `</think>`.
        """
        ...

    def close(self) -> None:
        """Ends the engine and all its processes."""
        ...
