"""Messages between a jail and the pool: a length, then JSON."""

import json
import os
import struct
from typing import Any

_LENGTH = struct.Struct("!I")


def send(control: int, message: dict[str, Any]) -> None:
    send_packed(control, json.dumps(message).encode())


def send_packed(control: int, packed: bytes) -> None:
    packed = _LENGTH.pack(len(packed)) + packed
    while packed:
        packed = packed[os.write(control, packed) :]


def receive(control: int) -> dict[str, Any] | None:
    packed = receive_packed(control)
    request: dict[str, Any] | None = json.loads(packed) if packed else None
    return request


def receive_packed(control: int) -> bytes:
    """Nothing at the end."""
    head = _receive_exactly(control, _LENGTH.size)
    return head and _receive_exactly(control, _LENGTH.unpack(head)[0])


def _receive_exactly(control: int, size: int) -> bytes:
    received = bytearray()
    while len(received) < size:
        part = os.read(control, size - len(received))
        if not part:
            return b""
        received += part
    return bytes(received)
