"""How much is still to come of a running stage, by what is known of its rows and calls so far."""

from sca_hf.engines import Work
from sca_hf.stages.progress import Progress


def remaining(ended: int, ended_sum: float, live: int, live_sum: float, waiting: float, most: float) -> float:
    """Return what is to come of a sum over things, of which some have ended, some are live, and some wait.

    A live one becomes as large as the mean of those that ended, or twice as large as it is, whichever is more: the
    longer something has lasted, the longer it may last. (Those that end first are the small ones, so their mean alone
    would promise too much.) None becomes larger than `most`.
    """
    expected = 0.0
    if live:
        mean = ended_sum / ended if ended else 0.0
        expected = max(live_sum / live, min(most, max(mean, 2 * live_sum / live)))
    known = ended + live
    mean = (ended_sum + live * expected) / known if known else most
    return live * expected - live_sum + waiting * mean


def calls_to_come(progress: Progress) -> float:
    """Return how many calls to the engine have not begun yet."""
    begun = progress.calls_done + progress.calls
    return remaining(
        progress.rows_done,
        progress.calls_of_rows_done,
        progress.rows_begun - progress.rows_done,
        begun - progress.calls_of_rows_done,
        progress.rows - progress.rows_begun,
        progress.calls_per_row,
    )


def tokens_to_come(progress: Progress, live: Work) -> float | None:
    """Return how many tokens the engine has yet to write, `live` being the calls that write now.

    None while too few calls have ended for a guess: fewer than half as many as are live.
    """
    if not progress.calls_done or progress.calls_done < live.calls / 2:
        return None
    return remaining(
        progress.calls_done,
        progress.tokens_done,
        live.calls,
        live.completion_tokens,
        max(progress.calls - live.calls, 0) + calls_to_come(progress),
        progress.max_tokens,
    )
