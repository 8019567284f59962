"""Reads the bytecode of CPython 3.11."""

import opcode
from collections.abc import Iterator
from typing import Any, NamedTuple, cast

BACKWARD = frozenset(number for name, number in opcode.opmap.items() if "JUMP_BACKWARD" in name)
"""Instructions that close a turn of a loop."""

_CACHES: list[int] = cast(Any, opcode).__dict__.get("_inline_cache_entries", [0] * 256)


class Instruction(NamedTuple):
    """Places in bytes. `start`: with what extends its argument, `at`: without. `after`: of the next one."""

    start: int
    at: int
    after: int
    number: int
    argument: int

    @property
    def name(self) -> str:
        return opcode.opname[self.number]

    @property
    def target(self) -> int | None:
        """Where it may jump to."""
        if self.number not in opcode.hasjrel:
            return None
        return self.after + 2 * (-self.argument if self.number in BACKWARD else self.argument)


def instructions(code: bytes, at: int = 0) -> Iterator[Instruction]:
    """From this place on, as they stand."""
    start, extended = at, 0
    while at < len(code):
        number, argument = code[at], extended << 8 | code[at + 1]
        after = at + 2 + 2 * _CACHES[number]
        if number == opcode.EXTENDED_ARG:
            extended = argument
        else:
            yield Instruction(start, at, after, number, argument)
            start, extended = after, 0
        at = after
