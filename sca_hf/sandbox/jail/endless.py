"""Proves that a loop has no end, so that a program in one need not run until its time is up.

The state of a loop is what it stores in variables. Starting from the values that these have, turns are worked out, and
by what changed from turn to turn a claim is made about every turn to come: a variable is the same, or has the same
distance from one turn to the next (`while n != 1: n += 2` from 2 on), or is some int or float that decides nothing.
The claim is then checked for one turn as an induction: if it holds before a turn, no condition of the turn can come out
otherwise, nothing in it can raise, and it holds afterwards. Variables may come back after several turns too.

Only what can't do anything else is allowed in such a loop: int, float and bool arithmetic, comparisons, reading
built-in containers, `len` and the like. No other call, no store into an object, nothing that allocates a container (it
could start the garbage collector, and finalizers with it), no value dropped that could have a finalizer. So there is no
other code that could end the loop: no threads, timers or traces run either (see `probe`). Its ints may grow, by so
little a turn that the CPU limit comes long before the memory limit.
"""

import opcode
from types import FrameType
from typing import Any

from . import turns
from .bytecode import BACKWARD, instructions
from .machine import Machine, OutOfSteps, State
from .turns import Unsure

_TURNS = 32
_LONGEST_PERIOD = 15
_LOOKED_AT = BACKWARD | {number for name, number in opcode.opmap.items() if name == "CALL"}


def has_loops(code: bytes) -> bool:
    """Whether this bytecode has any loops."""
    return not BACKWARD.isdisjoint(code[::2])


def is_endless(frame: FrameType) -> bool:
    """Whether the loop that this frame is in goes on for ever. The frame: one that a signal handler has interrupted."""
    try:
        machine = Machine(frame) if frame.f_code.co_code[frame.f_lasti] in _LOOKED_AT else None
        return machine is not None and _goes_on(machine, _head(frame.f_code.co_code, frame.f_lasti))
    except Unsure:
        return False


def _head(code: bytes, last: int) -> int:
    """Where a turn may be said to begin, so that the frame is on its way from there with what its variables now hold:
    where a jump back has just gone to; or, at a call, behind the last store, jump or jump's target before it. A turn
    that uses what lay on the stack there has no proof."""
    found = list(instructions(code))
    targets = {instruction.target for instruction in found}
    head = 0
    for instruction in found:
        if instruction.start in targets:
            head = instruction.start
        if instruction.at == last:
            return head if instruction.target is None else instruction.target
        if instruction.target is not None or instruction.name.startswith(("STORE_", "DELETE_", "POP_")):
            head = instruction.after
    raise Unsure


def _goes_on(machine: Machine, head: int) -> bool:
    states: list[State] = [{}]
    for _ in range(_TURNS):
        try:
            states.append(machine.turn(head, states[-1]))
        except OutOfSteps:
            break
    machine.rest()
    longest = min(_LONGEST_PERIOD, (len(states) - 2) // 2)
    return any(_repeats(machine, head, states, period) for period in range(1, longest + 1))


def _repeats(machine: Machine, head: int, states: list[State], period: int) -> bool:
    first, second, third = states[1], states[1 + period], states[1 + 2 * period]
    try:
        claims: dict[Any, Any] = {
            key: turns.claim(*(machine.load(key, state) for state in (first, second, third))) for key in third
        }
        state = claims
        for _ in range(period):
            state = machine.turn(head, state)
    except Unsure:
        return False
    if state.keys() != claims.keys() or not all(turns.holds(claims[key], state[key]) for key in claims):
        return False
    # An object whose last reference goes may have a finalizer. What lies in others, which nothing changes, stays.
    return machine.dropped.keys() <= machine.held.keys()
