"""How a command ends: what a user can act on is one line, never a traceback."""

from collections.abc import Callable

from rich.console import Console
from rich.markup import escape

from sca_hf.errors import ScaError, one_line


def exit_code(act: Callable[[], object]) -> int:
    """Call `act` and return the command's exit code: 0, 2 for an error that a user can act on, 130 for Ctrl-C."""
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        act()
    except ScaError as error:
        errors.print(f"[bold red]error:[/bold red] {escape(one_line(error))}")
        return 2
    except KeyboardInterrupt:
        errors.print("interrupted; what is finished is kept, run the same command to go on")
        return 130
    return 0
