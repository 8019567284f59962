"""The pool of jails, as a caller sees it."""

import asyncio
from types import TracebackType

from sca_hf.sandbox import inherited
from sca_hf.sandbox.dispatcher import Dispatcher
from sca_hf.sandbox.verdict import Limits, Program, Verdict


class Jails:
    """Runs programs, `workers` at a time (those that sleep don't count), each in a jail under `limits`.

    `repeat=2` runs a program that passes again under another hash seed; where the two verdicts differ, it is `failed`
    and flagged "flaky". Usable from any event loop and thread, several at once. Entering raises SandboxUnavailable
    where this machine can't isolate programs; `run` does where jails keep failing.
    """

    def __init__(self, workers: int, limits: Limits = Limits(), repeat: int = 1) -> None:  # noqa: B008 (frozen)
        if workers < 1:
            raise ValueError(f"workers must be at least 1, got {workers}")
        if repeat not in (1, 2):
            raise ValueError(f"repeat must be 1 or 2, got {repeat}")
        self.limits, self.repeat = limits, repeat
        self._dispatcher = Dispatcher(workers, limits, repeat)

    async def __aenter__(self) -> "Jails":
        inherited.check(self.limits)
        await asyncio.wrap_future(self._dispatcher.start())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self._dispatcher.close)

    async def run(self, program: Program) -> Verdict:
        """The verdict on one program. Raises SandboxUnavailable, never for what a program did."""
        verdict: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self._dispatcher.submit(program, verdict)
        return await verdict
