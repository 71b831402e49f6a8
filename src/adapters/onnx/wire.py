"""Reading protobuf messages without the packages of ONNX, whose import costs more than a service has to spend.

The source of the format: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_LONGEST_VARINT = 10


def fields(message: bytes, skipped: re.Pattern[bytes] | None = None) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a message, as number and content.

    The content is bytes for a field with a length, the value for a varint, and 0 for one of 4 or 8 bytes.

    Args:
        message: to read.
        skipped: whole fields that match it are left out.

    Raises:
        ValueError: it is no message, or was cut off.
    """
    at, size = 0, len(message)
    while at < size:
        run = None if skipped is None else skipped.match(message, at)
        if run is not None:
            at = run.end()
            continue
        tag, at = varint(message, at)
        content: int | bytes = 0
        match tag & 7:
            case 0:
                content, at = varint(message, at)
            case 1:
                at += 8
            case 2:
                length, at = varint(message, at)
                content = message[at : at + length]
                at += length
            case 5:
                at += 4
            case kind:
                raise ValueError(f"there is no field of the wire type {kind}")
        if at > size:
            raise ValueError("the file was cut off")
        yield tag >> 3, content


def varint(message: bytes, at: int) -> tuple[int, int]:
    """The number that starts at a position, and the position after it.

    Raises:
        ValueError: it was cut off, or has more than the ten bytes of 64 bits.
    """
    value = 0
    for place, byte in enumerate(message[at : at + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value, at + place + 1
    raise ValueError("a number was cut off")
