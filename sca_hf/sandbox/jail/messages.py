"""Messages between a jail and the pool: a length, then JSON."""

import json
import os
import struct
from typing import Any

_LENGTH = struct.Struct("!I")
_PART_BYTES = 1 << 16


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
    """Nothing at the end. No message comes before the last one is answered, so none is read with another."""
    received = bytearray()
    while len(received) < _LENGTH.size or len(received) < _LENGTH.size + _LENGTH.unpack_from(received)[0]:
        part = os.read(control, _PART_BYTES)
        if not part:
            return b""
        received += part
    return bytes(received[_LENGTH.size :])
