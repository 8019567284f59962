"""A run of `sca_hf.run` that notes what its engine and its jails are asked, for scripts/generation/kills.py.

    python scripts/generation/noted_run.py NOTES ARGUMENTS-OF-sca_hf.run…

A line of NOTES has a word, a key and the time: `ready` (the engine is loaded), `asked`, `answered` or `refused` (a
call), `written` (its result is in the journal), and `token` (the first of a completion, by vLLM's own clock, noted when
the last is there). It is on disk before the next thing happens.
"""

import contextvars
import os
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from sca_hf.engines import Completion, RowFailure
from sca_hf.engines.vllm.engine import VllmEngine
from sca_hf.identity import digest
from sca_hf.pipeline.journal import Journal
from sca_hf.run import main
from sca_hf.sandbox import Jails

_key: contextvars.ContextVar[str] = contextvars.ContextVar("_key")


def run_noted(notes: str, arguments: list[str]) -> int:
    """The run; gives its exit code."""
    descriptor = os.open(notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def note(what: str, key: str = "-", at: float | None = None) -> None:
        os.write(descriptor, f"{what} {key} {time.monotonic() if at is None else at}\n".encode())

    def noted(call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def and_noted(self: Any, *asked: Any) -> Any:
            key = digest(*map(repr, asked))
            _key.set(key)  # the journal writes in the same task
            note("asked", key)
            try:
                answer = await call(self, *asked)
            except RowFailure:
                note("refused", key)
                raise
            note("answered", key)
            return answer

        return and_noted

    prepare, completion, put = VllmEngine._prepare, VllmEngine._completion, Journal.put

    def prepare_noted(self: VllmEngine) -> None:
        prepare(self)
        note("ready")

    def completion_noted(self: VllmEngine, final: Any) -> Completion:
        note("token", at=final.metrics.first_token_ts)
        return completion(self, final)

    def put_noted(self: Journal, key: str, value: dict[str, Any]) -> None:
        put(self, key, value)
        note("written", _key.get())

    VllmEngine.complete = noted(VllmEngine.complete)  # type: ignore[method-assign, assignment]
    VllmEngine._prepare = prepare_noted  # type: ignore[method-assign]
    VllmEngine._completion = completion_noted  # type: ignore[method-assign]
    Jails.run = noted(Jails.run)  # type: ignore[method-assign, assignment]
    Journal.put = put_noted  # type: ignore[method-assign]
    return main([*arguments, "--set", "engine.options.disable_log_stats=false"])


if __name__ == "__main__":
    sys.exit(run_noted(sys.argv[1], sys.argv[2:]))
