"""How a command ends: what a user can act on is one line, never a traceback."""

from collections.abc import Callable

from datasets.utils.logging import disable_progress_bar, enable_progress_bar, is_progress_bar_enabled
from rich.console import Console
from rich.markup import escape

from sca_hf.console import interrupts
from sca_hf.errors import ScaError, one_line


def exit_code(act: Callable[[], object]) -> int:
    """Call `act` and return the command's exit code: 0, 2 for an error that a user can act on, 130 for Ctrl-C where it
    comes as an exception, in the process of another program."""
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    has_bars = is_progress_bar_enabled()
    disable_progress_bar()  # of `datasets`: how far it is, a command says itself
    try:
        act()
    except ScaError as error:
        errors.print(f"[bold red]error:[/bold red] {escape(one_line(error))}")
        return 2
    except KeyboardInterrupt:
        errors.print(interrupts.INTERRUPTED)
        return interrupts.EXIT_CODE
    finally:
        if has_bars:
            enable_progress_bar()
    return 0
