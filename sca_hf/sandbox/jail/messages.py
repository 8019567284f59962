"""Messages between a jail and the pool: a length, then JSON."""

import json
import os
import struct
from typing import Any

_LENGTH = struct.Struct("!I")


def send(control: int, message: dict[str, Any]) -> None:
    packed = json.dumps(message).encode()
    packed = _LENGTH.pack(len(packed)) + packed
    while packed:
        packed = packed[os.write(control, packed) :]


def receive(control: int) -> dict[str, Any] | None:
    head = _receive_exactly(control, _LENGTH.size)
    body = head and _receive_exactly(control, _LENGTH.unpack(head)[0])
    if not body:
        return None
    request: dict[str, Any] = json.loads(body)
    return request


def _receive_exactly(control: int, size: int) -> bytes:
    received = bytearray()
    while len(received) < size:
        part = os.read(control, size - len(received))
        if not part:
            return b""
        received += part
    return bytes(received)
