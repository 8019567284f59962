"""How far a stage is, shown once a moment while it runs."""

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from sca_hf.console.advice import FIRST_ROWS, warning
from sca_hf.console.remaining import calls_to_come, tokens_to_come
from sca_hf.engines import Usage, Work
from sca_hf.stages.progress import Progress
from sca_hf.wording import counted

_LOOK_SECONDS = 0.25
_LINE_SECONDS = 60.0
_WINDOW_SECONDS = 30.0  # over which speeds are taken
_BAR_WIDTH = 12
_NAME_WIDTH = 14
_STARTED_SECONDS = 1.0  # an engine that took less to get ready has loaded nothing

# A process that is forked while another thread writes has a stream whose lock nobody gives back: it would not end.
_writing = threading.RLock()
os.register_at_fork(before=_writing.acquire, after_in_parent=_writing.release, after_in_child=_writing.release)


@dataclass(frozen=True)
class _Look:
    """How far a stage is at a time (by time.monotonic()): rows that are done, and the work of the engine."""

    time: float
    rows: int
    work: Work


class Line:
    """What is said of a running stage. Speeds are those of the last half minute, in the end those of the whole.

    The whole begins when the engine is ready: to load a model says nothing of how long the rest takes.
    """

    def __init__(self, stage: str, progress: Progress, now: float) -> None:
        self.stage, self.progress = stage, progress
        self._usage = progress.usage or Usage()
        self._calls_before = self._usage.calls
        self._looks: deque[_Look] = deque()
        self._first = self._last = _Look(now, progress.done, self._usage.ended)
        self.look(now)

    def look(self, now: float) -> None:
        """Take in how far it is, `now` by time.monotonic()."""
        self._last = _Look(now, self.progress.done, self._usage.ended + self._usage.live())
        if self._usage.starting_since is not None:
            self._first = self._last
            self._looks.clear()
        self._looks.append(self._last)
        while len(self._looks) > 2 and self._looks[1].time <= now - _WINDOW_SECONDS:
            self._looks.popleft()

    def parts(self) -> list[str]:
        """Return what there is to say while it runs."""
        progress, usage = self.progress, self._usage
        said = [self._rows()]
        if progress.usage is not None:
            begun, to_come = progress.calls_done + progress.calls, round(calls_to_come(progress))
            about = "~" if progress.calls_per_row > 1 and to_come else ""
            said.append(f"{progress.calls_done:,}/{about}{counted(begun + to_come, 'call')}")
        if usage.starting_since is not None:
            return [*said, f"loading the model for {clock(self._last.time - usage.starting_since)}", *self._replicas()]
        said.append(progress.phase or self._left())
        if usage.trouble:
            said.append(usage.trouble)
        elif progress.usage is not None and self._last.work.calls + progress.calls > self._calls_before:
            before, running = self._looks[0], min(progress.calls, progress.slots)
            said += self._speeds(self._last.work - before.work, self._last.time - before.time)
            said.append(f"{running:,} running, {progress.calls - running:,} waiting")
        said += self._replicas()
        if progress.jails:
            said.append(f"jails {min(progress.programs, progress.jails)}/{progress.jails}")
        return [*said, *self._programs()]

    def whole(self) -> list[str]:
        """Return what there is to say in the end."""
        progress, work = self.progress, self._last.work - self._first.work
        seconds = self._last.time - self._first.time
        said = [self._rows(), clock(seconds)]
        if progress.usage is not None:
            replayed = max(progress.calls_done - (self._usage.calls - self._calls_before), 0)
            calls = counted(progress.calls_done, "call")
            said.append(f"{calls}, {replayed:,} of them replayed" if replayed else calls)
            said += self._speeds(work, seconds) if work.prompt_tokens else []
        return [*said, *self._programs()]

    def _rows(self) -> str:
        done, rows, unit = self.progress.done, self.progress.rows, self.progress.unit
        if not rows:
            return f"{self.stage:<{_NAME_WIDTH - 1}} {counted(done, unit)}"
        filled = min(_BAR_WIDTH * done // rows, _BAR_WIDTH)
        bar = "█" * filled + "░" * (_BAR_WIDTH - filled)
        return f"{self.stage:<{_NAME_WIDTH - 1}} {bar} {done:,}/{counted(rows, unit)}"

    def _speeds(self, work: Work, seconds: float) -> list[str]:
        seconds = max(seconds, 1e-3)
        said = [f"{work.prompt_tokens / seconds:,.0f} tokens/s read, {work.completion_tokens / seconds:,.0f} written"]
        if work.prompt_tokens:
            said.append(f"prefix cache {work.cached_prompt_tokens / work.prompt_tokens:.0%}")
        return said

    def _replicas(self) -> list[str]:
        fleet = self.progress.fleet() if self.progress.fleet is not None else None
        return [f"replicas {fleet.up:,} up, {fleet.waiting:,} waiting, {fleet.lost:,} lost"] if fleet else []

    def _programs(self) -> list[str]:
        progress = self.progress
        said = []
        if progress.programs_done > progress.attempts_done:
            said.append(counted(progress.programs_done, "program"))
        if progress.attempts_done:
            said.append(f"{progress.passes / progress.attempts_done:.0%} of {progress.attempts_done:,} passed")
        return said

    def _left(self) -> str:
        seconds = self.seconds_left()
        return "-:-- left" if seconds is None else f"{clock(seconds)} left"

    def seconds_left(self) -> float | None:
        """Return the time that is left: by tokens at the speed of the whole, without an engine by rows at the last
        speed. None while it can't be told."""
        last, first, before = self._last, self._first, self._looks[0]
        if self.progress.usage is None:
            rows = last.rows - before.rows
            left = max(self.progress.rows - last.rows, 0)
            return (last.time - before.time) * left / rows if self.progress.rows and rows > 0 else None
        written = (last.work - first.work).completion_tokens
        tokens = tokens_to_come(self.progress, self._usage.live())
        return tokens * (last.time - first.time) / written if tokens is not None and written > 0 else None


@contextmanager
def shown(stage: str, progress: Progress, look: Callable[[str], str], output: TextIO | None = None) -> Iterator[None]:
    """Show a stage's progress on `output` (the standard error): lines that change on a terminal, else a line a minute,
    so that a log stays short; and a last one at the end. Also, once each: where a run that was ended goes on, what it
    took to load the model, and a warning if nearly all of the first rows are rejected (`look`: see
    `sca_hf.console.advice.warning`)."""
    console = Console(file=output or sys.stderr, highlight=False)
    line = Line(stage, progress, time.monotonic())
    usage = progress.usage or Usage()
    news = _news(line, look, usage.calls, usage.starting_seconds)
    ended = threading.Event()

    def tell(parts: list[str]) -> None:
        say(_packed(parts, console.width) if console.is_terminal else " · ".join(parts))

    def tell_news() -> None:
        for text in next(news):
            say(text)

    def say(text: str) -> None:
        with _writing:
            console.print(text, markup=False, soft_wrap=True)

    def on_terminal() -> None:
        live = Live(console=console, auto_refresh=False, transient=True)
        with _writing:
            live.start()
        while not ended.wait(_LOOK_SECONDS):
            line.look(time.monotonic())
            with _writing:
                live.update(Text(_packed(line.parts(), console.width)), refresh=True)
            tell_news()
        with _writing:
            live.stop()

    def on_lines() -> None:
        said = time.monotonic()
        while not ended.wait(min(_LOOK_SECONDS, _LINE_SECONDS)):
            now = time.monotonic()
            line.look(now)
            tell_news()
            if now - said >= _LINE_SECONDS:
                tell(line.parts())
                said = now

    thread = threading.Thread(target=on_terminal if console.is_terminal else on_lines, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        line.look(time.monotonic())
        tell_news()
        tell(line.whole())


def _news(line: Line, look: Callable[[str], str], calls_before: int, loaded_before: float) -> Iterator[list[str]]:
    """Yield, each time that it is asked, what has happened since that is said once. `calls_before`, `loaded_before`:
    the engine's calls and seconds of loading when the stage began, which may be over at the first look."""
    progress, usage = line.progress, line.progress.usage or Usage()
    goes_on = loaded = warned = False
    while True:
        news = []
        programs = 0 if progress.usage else progress.programs_done
        earlier = progress.earlier()
        new_work = usage.calls > calls_before or programs > earlier
        if not goes_on and new_work and usage.starting_since is None and earlier:
            goes_on = True
            what = counted(earlier, "program" if progress.usage is None else "call")
            news.append(f"{line.stage} goes on: {what} of an earlier run so far")
        seconds = usage.starting_seconds - loaded_before
        if not loaded and seconds > _STARTED_SECONDS:
            loaded = True
            news.append(f"{line.stage}: the model was loaded in {seconds:,.0f} s")
        if not warned and progress.judged >= FIRST_ROWS:
            warned = True
            if text := warning(line.stage, progress, look):
                news.append(text)
        yield news


def _packed(parts: list[str], width: int) -> str:
    """Return the parts in as few lines as they take, none of which a terminal breaks."""
    lines = [parts[0]]
    for part in parts[1:]:
        if len(lines[-1]) + len(part) + 3 <= width:
            lines[-1] += f" · {part}"
        else:
            lines.append(" " * _NAME_WIDTH + part)
    return "\n".join(lines)


def clock(seconds: float) -> str:
    """Return a time as people read it: 0:42, 12:05, 3:00:12."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
