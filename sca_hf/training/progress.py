"""What a training says while it runs: a line now and then, with the loss and the time that is left."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from datasets.utils.logging import disable_progress_bar as hide_bars_of_datasets
from datasets.utils.logging import enable_progress_bar as show_bars_of_datasets
from datasets.utils.logging import is_progress_bar_enabled as shows_bars_of_datasets
from transformers import TrainerCallback
from transformers.utils import logging as transformers_logging

Say = Callable[[str], object]

_SECONDS = 15.0


@contextmanager
def silence() -> Iterator[None]:
    """Keep the libraries' bars and warnings off the terminal, where lines of a training stand."""
    level, shows_bars = transformers_logging.get_verbosity(), shows_bars_of_datasets()
    hide_bars_of_datasets()
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    try:
        yield
    finally:
        if shows_bars:
            show_bars_of_datasets()
        transformers_logging.enable_progress_bar()
        transformers_logging.set_verbosity(level)


class Reporter(TrainerCallback):  # type: ignore[misc]
    """Says the step, its loss and the time left: of the first step, the last one, and every 15 s."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._said = self._began = time.monotonic()
        self._first = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """Start the clock."""
        self._began, self._first, self._said = time.monotonic(), state.global_step, 0.0

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **more: Any) -> None:
        """Say how far it is."""
        now = time.monotonic()
        if "loss" not in (logs or {}) or (now - self._said < _SECONDS and state.global_step < state.max_steps):
            return
        self._said = now
        left = (now - self._began) / max(state.global_step - self._first, 1) * (state.max_steps - state.global_step)
        assert logs is not None
        self._say(f"step {state.global_step:,} of {state.max_steps:,}: loss {logs['loss']:.4f}, {_time(left)} left")


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
