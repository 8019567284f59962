"""How a command ends: what a user can act on is one line, never a traceback."""

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from datasets.utils.logging import disable_progress_bar, enable_progress_bar, is_progress_bar_enabled
from rich.console import Console
from rich.markup import escape

from sca_hf.console import interrupts
from sca_hf.errors import ScaError, one_line


def exit_code(act: Callable[[], object]) -> int:
    """Call `act` and return the command's exit code: 0, 2 for an error that a user can act on, 130 for Ctrl-C where it
    comes as an exception, in the process of another program; 1 if nobody reads the output any more."""
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        with _quiet_datasets():
            act()
        sys.stdout.flush()
    except ScaError as error:
        errors.print(f"[bold red]error:[/bold red] {escape(one_line(error))}")
        return 2
    except BrokenPipeError:  # whoever read it, such as `head`, has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes what is left when it ends
        return 1
    except KeyboardInterrupt:
        errors.print(interrupts.INTERRUPTED)
        return interrupts.EXIT_CODE
    return 0


@contextmanager
def _quiet_datasets() -> Iterator[None]:
    """Let `datasets` print nothing, unless its own variable asks for more: how far it is, and what goes wrong with a
    file, a command says itself."""
    log, has_bars = logging.getLogger("datasets"), is_progress_bar_enabled()
    level = log.level
    disable_progress_bar()
    if "DATASETS_VERBOSITY" not in os.environ:
        log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(level)
        if has_bars:
            enable_progress_bar()
