"""How far a stage is, shown once a moment while it runs."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TextIO

from datasets.utils.logging import disable_progress_bar, enable_progress_bar
from rich.console import Console
from rich.live import Live
from rich.text import Text

from sca_hf.console.advice import FIRST_ROWS, warning
from sca_hf.engines import Usage
from sca_hf.stages.context import Progress

_LOOK_SECONDS = 0.25
_LINE_SECONDS = 60.0
_BAR_WIDTH = 12


@dataclass
class Line:
    """A line on how far a stage is; tokens a second are those since it was made last, the rest that of the whole.

    The whole begins with the engine's first completion: neither loading a model nor what a journal held says how long
    the rest takes.
    """

    stage: str
    progress: Progress
    _began: float = field(default_factory=time.monotonic)
    _then: float = field(default_factory=time.monotonic)
    _before: Usage = field(default_factory=Usage)
    _first: Usage = field(default_factory=Usage)
    _held: int = 0

    def __post_init__(self) -> None:
        self._before = self._first = _copy(self.progress.usage)

    def text(self, now: float) -> str:
        """Return the line, `now` by time.monotonic()."""
        progress = self.progress
        if (progress.rows_done == 0) if progress.usage is None else (progress.usage.calls == self._first.calls):
            self._began, self._held = now, progress.rows_done
        rows = progress.rows_done - self._held
        seconds = max(now - self._began, 1e-3)
        parts = [f"{self.stage:<13} {_bar(progress)} {progress.rows_done:,}/{progress.rows:,} rows"]
        if rows:
            parts.append(f"{rows / seconds:,.1f} rows/s")
        if progress.usage is not None:
            usage, since = _copy(progress.usage), max(now - self._then, 1e-3)
            read = usage.prompt_tokens - self._first.prompt_tokens
            cached = usage.cached_prompt_tokens - self._first.cached_prompt_tokens
            running = min(progress.calls, progress.slots)
            parts += [
                f"{(usage.prompt_tokens - self._before.prompt_tokens) / since:,.0f} tokens/s in",
                f"{(usage.completion_tokens - self._before.completion_tokens) / since:,.0f} out",
                f"prefix cache {cached / read:.0%}" if read else "prefix cache -",
                f"{running:,} running, {progress.calls - running:,} waiting" if usage.calls else "starting the engine",
            ]
            self._before, self._then = usage, now
        if progress.fleet is not None and (fleet := progress.fleet()) is not None:
            parts.append(f"replicas {fleet.up:,} up, {fleet.waiting:,} waiting, {fleet.lost:,} lost")
        if progress.jails:
            parts.append(f"jails {min(progress.programs, progress.jails)}/{progress.jails}")
            if progress.programs_done:
                parts.append(f"{progress.passes / progress.programs_done:.0%} of {progress.programs_done:,} passed")
        left = progress.rows - progress.rows_done
        parts.append(f"{_clock(seconds * left / max(rows, 1))} left" if rows or not left else "-:-- left")
        return " · ".join(parts)

    def whole(self, now: float) -> str:
        """Return the line with the speeds of all the time until `now`, for the end."""
        self._before, self._then = self._first, self._began
        return self.text(now)


@contextmanager
def shown(stage: str, progress: Progress, look: Callable[[str], str], output: TextIO | None = None) -> Iterator[None]:
    """Show a stage's progress on `output` (the standard error): one line that changes on a terminal, else a line a
    minute, so that a log stays short; and a last one at the end. Also, once, a warning if nearly all of its first rows
    are rejected; `look`: see `sca_hf.console.advice.warning`."""
    console = Console(file=output or sys.stderr, highlight=False)
    line = Line(stage, progress)
    ended = threading.Event()
    warned = False

    def warn() -> None:
        nonlocal warned
        if not warned and progress.judged >= FIRST_ROWS:
            warned = True
            if text := warning(stage, progress, look):
                console.print(text, markup=False, soft_wrap=True)

    def on_terminal() -> None:
        with Live(console=console, refresh_per_second=4, transient=True) as live:
            while not ended.wait(_LOOK_SECONDS):
                live.update(Text(line.text(time.monotonic())))
                warn()

    def on_lines() -> None:
        said = time.monotonic()
        while not ended.wait(min(_LOOK_SECONDS, _LINE_SECONDS)):
            warn()
            now = time.monotonic()
            if now - said >= _LINE_SECONDS:
                console.print(line.text(now), markup=False, soft_wrap=True)
                said = now

    thread = threading.Thread(target=on_terminal if console.is_terminal else on_lines, name="progress", daemon=True)
    disable_progress_bar()
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        warn()
        console.print(line.whole(time.monotonic()), markup=False, soft_wrap=True)
        enable_progress_bar()


def _copy(usage: Usage | None) -> Usage:
    if usage is None:
        return Usage()
    return Usage(usage.calls, usage.prompt_tokens, usage.cached_prompt_tokens, usage.completion_tokens)


def _bar(progress: Progress) -> str:
    done = _BAR_WIDTH * progress.rows_done // max(progress.rows, 1)
    return "█" * done + "░" * (_BAR_WIDTH - done)


def _clock(seconds: float) -> str:
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
