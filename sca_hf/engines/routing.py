"""Which of several servers or replicas takes a call: rendezvous hashing with bounded load.

Prompts that share their beginning (the rows of a deck) go to the same server, whose prefix cache has it, as long as
that one is not overloaded and no other one starves. A server that joins or leaves moves its own share of the decks, and
no other's. Mirrokni, Thorup and Zadimoghaddam, "Consistent Hashing with Bounded Loads" (SODA 2018), with the rendezvous
hashing of Thaler and Ravishankar (1998) in place of a ring, and a bound from below: theirs may leave a fifth of the
servers without calls where decks are few.
"""

import math
import zlib
from typing import Generic, TypeVar

import numpy as np

from sca_hf.engines import Conversation, Prompt

SPREAD = 1.25
"""A server holds at most so many times the calls of the average one, and at least that one's through this. Larger: more
prefix hits, and more that wait while others don't."""

OPEN_ROW = "### Example"
"""Heading of the rows of few-shot prompts; all before the last one is what the prompts of a deck share."""

Holder = TypeVar("Holder")

Scores = np.ndarray[tuple[int], np.dtype[np.uint64]]
"""Of each server, for one key: the highest takes its calls."""

_KEYS = 256
"""Keys whose ranking of the servers is kept: those of the decks that are under way, and some more."""

_ALWAYS = -math.inf
_NEVER = math.inf


def shared_part(prompt: Prompt) -> str:
    """Return what a prompt shares with others: all before its open row; all of it where it has no such heading.

    Of a conversation, all but what is said last.
    """
    if isinstance(prompt, Conversation):
        return str(Conversation(prompt.messages[:-1]))
    before, heading, _ = prompt.rpartition(OPEN_ROW)
    return before if heading else prompt


class Router(Generic[Holder]):
    """The servers that a call may go to, each under a name, and how many calls each one holds.

    A server rests until a time of the caller's clock, or for good (`math.inf`), and gets no call meanwhile. Not for
    several threads at once.
    """

    def __init__(self) -> None:
        self._names: list[str] = []
        self._holders: list[Holder] = []
        self._places: dict[str, int] = {}
        self._hashes = np.zeros(0, np.uint64)
        self._calls = np.zeros(0, np.int64)
        self._rests = np.zeros(0, np.float64)
        self._scores: dict[str, Scores] = {}

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._places

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all servers."""
        return tuple(self._names)

    @property
    def holders(self) -> tuple[Holder, ...]:
        """What was added under each name."""
        return tuple(self._holders)

    def add(self, name: str, holder: Holder, rests_until: float = _ALWAYS) -> None:
        """Let a server take calls, from `rests_until` on."""
        assert name not in self._places
        self._places[name] = len(self._names)
        self._names.append(name)
        self._holders.append(holder)
        self._hashes = np.append(self._hashes, np.uint64(_hash(name)))
        self._calls = np.append(self._calls, 0)
        self._rests = np.append(self._rests, rests_until)
        self._scores.clear()

    def remove(self, name: str) -> Holder:
        """Give a server no more calls, and return what was added; calls that it holds are no longer counted."""
        place = self._places.pop(name)
        del self._names[place]
        holder = self._holders.pop(place)
        self._hashes = np.delete(self._hashes, place)
        self._calls = np.delete(self._calls, place)
        self._rests = np.delete(self._rests, place)
        self._places = {each: number for number, each in enumerate(self._names)}
        self._scores.clear()
        return holder

    def take(self, key: str, now: float) -> tuple[str, Holder] | None:
        """Return the server for a call, and count the call; None while all rest. Calls of one `key` (`shared_part`)
        belong together."""
        awake = self._rests <= now
        count = int(awake.sum())
        if not count:
            return None
        total = int(self._calls[awake].sum()) + 1
        may = awake & (self._calls < math.floor(total / count / SPREAD))
        if not may.any():
            # There always is one: if all were at this bound, they held more than there is.
            may = awake & (self._calls < math.ceil(total / count * SPREAD))
        place = int(np.where(may, self._scores_of(key), 0).argmax())
        self._calls[place] += 1
        return self._names[place], self._holders[place]

    def _scores_of(self, key: str) -> Scores:
        """Return how a key ranks the servers. To work that out takes longer than all else of a call's routing."""
        scores = self._scores.get(key)
        if scores is None:
            if len(self._scores) == _KEYS:
                del self._scores[next(iter(self._scores))]
            scores = self._scores[key] = _mixed(self._hashes ^ np.uint64(_hash(key)))
        return scores

    def give_back(self, name: str) -> None:
        """A call has ended there."""
        place = self._places.get(name)
        if place is not None:
            self._calls[place] = max(0, self._calls[place] - 1)

    def calls(self, name: str) -> int:
        """Return how many calls a server holds."""
        return int(self._calls[self._places[name]])

    def rest(self, name: str, until: float = _NEVER) -> None:
        """Give a server no calls until then."""
        if name in self._places:
            self._rests[self._places[name]] = until

    def rests_until(self, name: str) -> float:
        """Return until when a server rests; a time that has passed where it doesn't. One that left rests for good."""
        return float(self._rests[self._places[name]]) if name in self._places else _NEVER

    def wakes(self) -> float:
        """Return when the first server's rest ends; never, if there is none."""
        return float(self._rests.min()) if len(self._rests) else _NEVER


def _hash(text: str) -> int:
    """64 bits of a text, the same in every process."""
    encoded = text.encode("utf-8", "surrogatepass")
    return zlib.crc32(encoded) | zlib.adler32(encoded) << 32


def _mixed(values: Scores) -> Scores:
    """The finalizer of SplitMix64, so that each key ranks the servers in an order of its own. Never 0."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (values ^ (values >> np.uint64(31))) | np.uint64(1)
