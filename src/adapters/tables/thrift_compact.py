"""Thrift's compact protocol, as far as Parquet's metadata needs it."""

from __future__ import annotations

from typing import Any


class CompactReader:
    """Reads Thrift's compact protocol, as far as Parquet's metadata and the headers of its pages need it.

    Args:
        data: begins with what is read.
        most_values: that are read; a value of a byte takes a hundred in Python.
    """

    def __init__(self, data: bytes, most_values: int) -> None:
        self._data = data
        self._left = most_values
        self.place = 0

    def struct(self, depth: int = 0) -> dict[int, Any]:
        """Its fields by number: whole numbers, structures and lists; whatever else there is, is None."""
        if depth > 8:
            raise ValueError("a page's header is nested too deeply")
        fields: dict[int, Any] = {}
        number = 0
        while True:
            head = self._byte()
            if not head:
                return fields
            number = number + (head >> 4) if head >> 4 else self._signed()
            fields[number] = self._value(head & 15, depth)

    def _value(self, kind: int, depth: int) -> Any:
        self._left -= 1
        if self._left < 0:
            raise ValueError("the metadata has too many values")
        match kind:
            case 1 | 2:
                return None
            case 3:
                self._byte()
            case 4 | 5 | 6:
                return self._signed()
            case 7:
                self._skip(8)
            case 8:
                self._skip(self._varint())
            case 9 | 10:
                return self._list(depth + 1)
            case 11:
                self._map(depth + 1)
            case 12:
                return self.struct(depth + 1)
            case _:
                raise ValueError("a page's header cannot be read")
        return None

    def _list(self, depth: int) -> list[Any]:
        head = self._byte()
        count = head >> 4 if head >> 4 < 15 else self._varint()
        if count > len(self._data) - self.place:
            raise ValueError("the metadata was cut off")
        kind = head & 15
        # Truth values, which have no bytes in a structure, have one each in a list.
        return [self._byte() if kind in (1, 2) else self._value(kind, depth) for _ in range(count)]

    def _map(self, depth: int) -> None:
        count = self._varint()
        if count > len(self._data) - self.place:
            raise ValueError("the metadata was cut off")
        kinds = self._byte() if count else 0
        for _ in range(count):
            self._value(kinds >> 4, depth)
            self._value(kinds & 15, depth)

    def _signed(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > 63:
                raise ValueError("a page's header cannot be read")

    def _byte(self) -> int:
        self._skip(1)
        return self._data[self.place - 1]

    def _skip(self, count: int) -> None:
        self.place += count
        if self.place > len(self._data):
            raise ValueError("a page's header was cut off")
