"""How far a running stage is, in counts that others may look at."""

from collections import Counter
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from sca_hf.engines import Fleet, Usage
from sca_hf.stage import REJECT_REASON


@dataclass
class RowCalls:
    """How many calls to the engine one row has begun."""

    begun: int = 0


row_calls: ContextVar[RowCalls | None] = ContextVar("row_calls", default=None)
"""Of the row whose function runs here."""


@dataclass
class Progress:
    """Counts of a running stage, of rows, or of files in stage `seeds` (`unit`: what one is). `rows`: all of them, 0 if
    unknown.

    `usage`: what its engine has done, before this stage too; None without an engine. `fleet`: how its replicas or
    servers are. `slots`: calls that the engine works on at once; `jails`: programs that run at once. `earlier`: calls
    that an earlier run had made, without an engine programs. `counted`: tells the rows that are done where other
    processes do them; `phase`: what is done once all are.
    `calls` are under way, `calls_done` have ended, with `tokens_done` in all and `max_tokens` at most; `calls_per_row`:
    of a row at most; `calls_of_rows_done`: of all rows that are done.
    `judged`: rows that became of those done; `rejected`: how many of them by reason, with the first one of each in
    `examples`. `attempts_done`: those of `programs_done` that count as passed or not.
    """

    usage: Usage | None = None
    fleet: Callable[[], Fleet | None] | None = None
    slots: int = 0
    jails: int = 0
    calls_per_row: int = 0
    earlier: Callable[[], int] = int
    unit: str = "row"
    rows: int = 0
    rows_begun: int = 0
    rows_done: int = 0
    phase: str = ""
    counted: Callable[[], int] | None = None
    calls: int = 0
    calls_done: int = 0
    calls_of_rows_done: int = 0
    tokens_done: int = 0
    max_tokens: int = 0
    programs: int = 0
    programs_done: int = 0
    attempts_done: int = 0
    passes: int = 0
    judged: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    examples: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def done(self) -> int:
        """Return how many rows are done."""
        return self.rows_done if self.counted is None else self.counted()

    def judge(self, row: Mapping[str, Any]) -> None:
        """Count a judged row."""
        self.judged += 1
        reason = row.get(REJECT_REASON)
        if reason is not None:
            self.examples.setdefault(reason, row)
            self.rejected[reason] += 1
