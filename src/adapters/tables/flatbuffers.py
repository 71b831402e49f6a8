"""Tables of FlatBuffers, as far as the messages of Arrow's IPC format need them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any


class FlatTable:
    """A table of a flatbuffer."""

    def __init__(self, data: bytes, place: int) -> None:
        self._data, self._place = data, place
        (back,) = struct.unpack_from("<i", data, place) if 0 <= place <= len(data) - 4 else (None,)
        if back is None or not 0 <= place - back <= len(data) - 4:
            raise ValueError("a message leads nowhere")
        self._fields = place - back
        (self._width,) = struct.unpack_from("<H", data, self._fields)

    @classmethod
    def root(cls, data: bytes) -> FlatTable:
        """The table that a message is."""
        return cls(data, unsigned(data, 0))

    def number(self, field: int, kind: str, default: int) -> int:
        """A number of a field."""
        place = self._at(field)
        if place is None:
            return default
        found: tuple[int] = _unpacked(kind, self._data, place)
        return found[0]

    def table(self, field: int) -> FlatTable | None:
        """The table that a field leads to."""
        place = self._at(field)
        return None if place is None else FlatTable(self._data, place + unsigned(self._data, place))

    def pairs(self, field: int) -> Iterator[tuple[int, int]]:
        """The pairs of numbers that a field leads to."""
        place = self._at(field)
        if place is None:
            return
        place += unsigned(self._data, place)
        count = unsigned(self._data, place)
        if place + 4 + 16 * count > len(self._data):
            raise ValueError("a message leads nowhere")
        yield from struct.iter_unpack("<qq", self._data[place + 4 : place + 4 + 16 * count])

    def _at(self, field: int) -> int | None:
        slot = 4 + 2 * field
        if slot + 2 > self._width or self._fields + slot + 2 > len(self._data):
            return None
        (offset,) = struct.unpack_from("<H", self._data, self._fields + slot)
        return self._place + offset if offset else None


def unsigned(data: bytes, place: int) -> int:
    """The 32-bit number at a place; ValueError where there is none."""
    found: tuple[int] = _unpacked("I", data, place)
    return found[0]


def _unpacked(kind: str, data: bytes, place: int) -> Any:
    if not 0 <= place <= len(data) - struct.calcsize(f"<{kind}"):
        raise ValueError("a message leads nowhere")
    return struct.unpack_from(f"<{kind}", data, place)
