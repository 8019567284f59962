"""Works out one turn of a loop, instruction by instruction, on the values that its variables have.

Whatever is not known to be harmless ends it with `Unsure`: all calls but those of a few built-in functions, every store
into an object, whatever allocates a container. For CPython 3.11, whose instructions these are.
"""

import opcode
import operator
from collections.abc import Callable
from types import FrameType
from typing import Any

from . import turns
from .bytecode import Instruction, instructions
from .turns import NUMBERS, SIZED, Line, Some, Unsure

Key = tuple[bool, str]
"""Whether a variable is global, and its name."""
State = dict[Key, Any]
"""The variables that the loop has stored."""

_STEPS = 1_500

_NULL = object()
# As they were before any program.
_FUNCTIONS = ((len, SIZED), (abs, NUMBERS), (min, NUMBERS), (max, NUMBERS), (int, NUMBERS), (float, NUMBERS))
_BINARY: tuple[Callable[[Any, Any], Any], ...] = (
    *(operator.add, operator.and_, operator.floordiv, operator.lshift, operator.matmul, operator.mul, operator.mod),
    *(operator.or_, operator.pow, operator.rshift, operator.sub, operator.truediv, operator.xor),
)
_COMPARISONS = dict(zip(("<", "<=", "==", "!=", ">", ">="), ("lt", "le", "eq", "ne", "gt", "ge"), strict=True))


class OutOfSteps(Unsure):
    """The turns are too long to be worked out."""


class Machine:
    """`head`: where a turn begins. `dropped` and `held`: objects that variables no longer refer to, and those that
    were found in other objects, by id."""

    def __init__(self, frame: FrameType) -> None:
        code = frame.f_code
        self._code = code
        self._bytes = code.co_code
        self._globals, self._builtins = frame.f_globals, frame.f_builtins
        if type(self._globals) is not dict or type(self._builtins) is not dict:
            raise Unsure
        self._at_module = not code.co_flags & 1
        self._locals: dict[str, Any] = {}
        if self._at_module:
            if frame.f_locals is not frame.f_globals:
                raise Unsure
        elif {"locals", "vars", "dir", "eval", "exec"}.isdisjoint(code.co_names):
            # Made for the occasion, and emptied, or it would keep the values alive.
            made = frame.f_locals
            self._locals = made.copy()
            made.clear()
        else:
            raise Unsure
        self._steps = 0
        self.dropped: dict[int, Any] = {}
        self.held: dict[int, Any] = {}

    def rest(self) -> None:
        """Allows as many steps again."""
        self._steps = 0

    def turn(self, head: int, state: State) -> State:
        """The state when the head of the loop comes again."""
        state = state.copy()
        stack: list[Any] = []
        at = head
        while True:
            self._steps += 1
            if self._steps > _STEPS:
                raise OutOfSteps
            instruction = next(instructions(self._bytes, at), None)
            if instruction is None:
                raise Unsure
            step = _STEPS_OF.get(instruction.number)
            if step is not None:
                step(self, instruction.argument, stack, state)
                at = instruction.after
            else:
                at = self._next(instruction, stack)
            if at == head:
                if stack:
                    raise Unsure
                return state

    def _next(self, instruction: Instruction, stack: list[Any]) -> int:
        """Where a jump goes. Everything that is no jump ends the proof here."""
        name, after, target = instruction.name, instruction.after, instruction.target
        if target is None:
            raise Unsure
        if name in ("JUMP_FORWARD", "JUMP_BACKWARD"):
            return target
        if name.startswith("POP_JUMP_"):
            value = _pop(stack)
            condition = name.partition("_IF_")[2]
            if condition in ("NONE", "NOT_NONE"):
                return target if (value is None) is (condition == "NONE") else after
            return target if turns.truth(value) is (condition == "TRUE") else after
        if name in ("JUMP_IF_TRUE_OR_POP", "JUMP_IF_FALSE_OR_POP"):
            value = _pop(stack)
            if turns.truth(value) is ("TRUE" in name):
                stack.append(value)
                return target
            return after
        raise Unsure

    def load(self, key: Key, state: State) -> Any:
        if key in state:
            return state[key]
        is_global, name = key
        for scope in (self._globals, self._builtins) if is_global else (self._locals,):
            if name in scope:
                return scope[name]
        raise Unsure

    def _store(self, key: Key, value: Any, state: State) -> None:
        try:
            old = self.load(key, state)
        except Unsure:
            old = None
        if not (old is value or turns.is_simple(old) or type(old) in (Line, Some)):
            self.dropped[id(old)] = old
        state[key] = value

    # Instructions: argument, stack, state.

    def _nothing(self, argument: int, stack: list[Any], state: State) -> None:
        return

    def _load_fast(self, argument: int, stack: list[Any], state: State) -> None:
        stack.append(self.load((False, self._fast_name(argument)), state))

    def _store_fast(self, argument: int, stack: list[Any], state: State) -> None:
        self._store((False, self._fast_name(argument)), _pop(stack), state)

    def _load_const(self, argument: int, stack: list[Any], state: State) -> None:
        stack.append(self._code.co_consts[argument])

    def _load_global(self, argument: int, stack: list[Any], state: State) -> None:
        if argument & 1:
            stack.append(_NULL)
        stack.append(self.load((True, self._code.co_names[argument >> 1]), state))

    def _load_name(self, argument: int, stack: list[Any], state: State) -> None:
        if not self._at_module:
            raise Unsure
        stack.append(self.load((True, self._code.co_names[argument]), state))

    def _store_name(self, argument: int, stack: list[Any], state: State) -> None:
        if not self._at_module:
            raise Unsure
        self._store_global(argument, stack, state)

    def _store_global(self, argument: int, stack: list[Any], state: State) -> None:
        self._store((True, self._code.co_names[argument]), _pop(stack), state)

    def _fast_name(self, argument: int) -> str:
        """Of a local variable, or of one that functions share: those come behind."""
        code = self._code
        names = code.co_varnames
        if argument >= len(names):
            names += tuple(name for name in code.co_cellvars if name not in names) + code.co_freevars
        return names[argument]

    def _push_null(self, argument: int, stack: list[Any], state: State) -> None:
        stack.append(_NULL)

    def _pop_top(self, argument: int, stack: list[Any], state: State) -> None:
        _pop(stack)

    def _copy(self, argument: int, stack: list[Any], state: State) -> None:
        if argument > len(stack):
            raise Unsure
        stack.append(stack[-argument])

    def _swap(self, argument: int, stack: list[Any], state: State) -> None:
        if argument > len(stack):
            raise Unsure
        stack[-1], stack[-argument] = stack[-argument], stack[-1]

    def _binary(self, argument: int, stack: list[Any], state: State) -> None:
        right, left = _pop(stack), _pop(stack)
        stack.append(turns.calculated(_BINARY[argument % len(_BINARY)], left, right))

    def _compare(self, argument: int, stack: list[Any], state: State) -> None:
        right, left = _pop(stack), _pop(stack)
        stack.append(turns.compared(_COMPARISONS[opcode.cmp_op[argument]], left, right))

    def _is(self, argument: int, stack: list[Any], state: State) -> None:
        right, left = _pop(stack), _pop(stack)
        # Numbers and texts that are equal may be one object or two.
        singleton = right is None or type(right) is bool
        if not singleton and any(turns.is_simple(value) or type(value) in (Line, Some) for value in (left, right)):
            raise Unsure
        stack.append((left is right) is not bool(argument))

    def _contains(self, argument: int, stack: list[Any], state: State) -> None:
        container, value = _pop(stack), _pop(stack)
        if not turns.is_simple(value) or not turns.is_readable(container):
            raise Unsure
        stack.append(turns.tried(operator.contains, container, value) is not bool(argument))

    def _subscript(self, argument: int, stack: list[Any], state: State) -> None:
        index, container = _pop(stack), _pop(stack)
        by_number = type(container) in (list, tuple, str, bytes, range) and type(index) in (int, bool)
        if not by_number and not (type(container) is dict and turns.is_simple(index) and turns.is_readable(container)):
            raise Unsure
        self._push_held(turns.tried(operator.getitem, container, index), stack)

    def _attribute(self, argument: int, stack: list[Any], state: State) -> None:
        self._push_held(turns.attribute(_pop(stack), self._code.co_names[argument]), stack)

    def _push_held(self, value: Any, stack: list[Any]) -> None:
        self.held[id(value)] = value
        stack.append(value)

    def _negative(self, argument: int, stack: list[Any], state: State) -> None:
        stack.append(turns.negated(_pop(stack)))

    def _not(self, argument: int, stack: list[Any], state: State) -> None:
        stack.append(not turns.truth(_pop(stack)))

    def _call(self, argument: int, stack: list[Any], state: State) -> None:
        values = [_pop(stack) for _ in range(argument)][::-1]
        function, null = _pop(stack), _pop(stack)
        kinds: tuple[type, ...] = next((kinds for known, kinds in _FUNCTIONS if known is function), ())
        if null is not _NULL or not values or any(type(value) not in kinds for value in values):
            raise Unsure
        stack.append(turns.tried(function, *values))


def _pop(stack: list[Any]) -> Any:
    if not stack:
        # It belongs to what is around the loop.
        raise Unsure
    return stack.pop()


_STEPS_OF: dict[int, Callable[[Machine, int, list[Any], State], None]] = {
    opcode.opmap[name]: step
    for name, step in {
        "NOP": Machine._nothing,
        "PRECALL": Machine._nothing,
        "LOAD_FAST": Machine._load_fast,
        "LOAD_DEREF": Machine._load_fast,
        "STORE_FAST": Machine._store_fast,
        "STORE_DEREF": Machine._store_fast,
        "LOAD_CONST": Machine._load_const,
        "LOAD_GLOBAL": Machine._load_global,
        "LOAD_NAME": Machine._load_name,
        "STORE_NAME": Machine._store_name,
        "STORE_GLOBAL": Machine._store_global,
        "PUSH_NULL": Machine._push_null,
        "POP_TOP": Machine._pop_top,
        "COPY": Machine._copy,
        "SWAP": Machine._swap,
        "BINARY_OP": Machine._binary,
        "COMPARE_OP": Machine._compare,
        "IS_OP": Machine._is,
        "CONTAINS_OP": Machine._contains,
        "BINARY_SUBSCR": Machine._subscript,
        "LOAD_ATTR": Machine._attribute,
        "UNARY_NEGATIVE": Machine._negative,
        "UNARY_NOT": Machine._not,
        "CALL": Machine._call,
    }.items()
    if name in opcode.opmap
}
