"""Errors that a user can act on.

Every message names the thing, the value and the fix, in one line. A command prints it and exits with code 2.
What goes wrong with one row is not such an error: it is that row's `reject_reason`.
"""


def one_line(said: object) -> str:
    """Return its text without line breaks or runs of blanks, for a message."""
    return " ".join(str(said).split())


class ScaError(Exception):
    """Base of all errors that end a run with one line and exit code 2."""


class RecipeError(ScaError):
    """A recipe or a `--set` with an unknown key, a wrong type or a value out of range."""


class InputError(ScaError):
    """An input (seed source, dataset, few-shot file) that is missing, unreadable or lacks a column."""


class EngineUnavailable(ScaError):
    """The model can't be loaded, or the engine is down for good. Never a row's failure."""


class SandboxUnavailable(ScaError):
    """This machine can't isolate programs, or jails keep dying. Never a program's failure."""


class StoreError(ScaError):
    """The store can't be written, or holds another build of the same fingerprint."""


class HubError(ScaError):
    """The Hub refuses or can't be reached, or holds another build of the same fingerprint."""
