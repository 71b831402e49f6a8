"""How much memory compressed columns would take, told before anything is decompressed.

What the headers at the top of a file say may be a lie. So the sizes that decoders go by are added up themselves:
those before each page of Parquet, and before each buffer of Arrow's IPC format.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

_RECORD_BATCH, _DICTIONARY_BATCH = 3, 2
#: Fields of Parquet's metadata, by their numbers.
_ROW_GROUPS, _COLUMNS, _COLUMN_METADATA = 4, 1, 3

#: A page's header is no longer: there may be a least and a greatest value in it.
_HEADER_BYTES = 1 << 16
_CONTINUED = 0xFFFFFFFF


def stream_bytes(file: BinaryIO) -> int:
    """The bytes that the buffers of an IPC stream have when they are decompressed.

    Raises:
        ValueError: it is no such stream, or was cut off.
    """
    size = _length(file)
    total = place = 0
    while place + 4 <= size:
        length = _unsigned(_read(file, place, 4), 0)
        place += 4
        if length == _CONTINUED:
            length = _unsigned(_read(file, place, 4), 0)
            place += 4
        if not length:
            break
        message = _Table.root(_read(file, place, length))
        place += length
        body = message.number(3, "q", 0)
        if body < 0 or place + body > size:
            raise ValueError("the stream was cut off")
        kind = message.number(1, "B", 0)
        if kind in (_RECORD_BATCH, _DICTIONARY_BATCH):
            batch = message.table(2)
            if batch is not None and kind == _DICTIONARY_BATCH:
                batch = batch.table(1)
            if batch is not None:
                total += sum(_buffers(file, place, body, batch))
        place += body
    return total


def parquet_bytes(file: BinaryIO) -> int:
    """The bytes that the pages of all columns of a Parquet file have when they are decompressed.

    What is broken in a file's metadata can end the whole process once pyarrow looks at it; so nothing is asked of
    pyarrow here.

    Raises:
        ValueError: it is no such file, or a page's header cannot be read, or leads out of its column.
    """
    size = _length(file)
    if size < 12 or _read(file, size - 4, 4) != b"PAR1":
        raise ValueError("the file has no end")
    length = _unsigned(_read(file, size - 8, 4), 0)
    if length > size - 8:
        raise ValueError("the file has no metadata")
    groups = _Compact(_read(file, size - 8 - length, length)).struct().get(_ROW_GROUPS)
    total = 0
    for group in _structs(groups):
        for column in _structs(group.get(_COLUMNS)):
            chunk = column.get(_COLUMN_METADATA)
            if not isinstance(chunk, dict):
                raise ValueError("a column has no metadata")
            values, compressed, start = (_whole(chunk, field) for field in (5, 7, 9))
            # A dictionary stands before the data.
            start = min(start, _whole(chunk, 11)) if 11 in chunk else start
            if start < 0 or compressed < 0 or start + compressed > size:
                raise ValueError("a column lies beyond the end of the file")
            total += sum(_pages(file, start, start + compressed, values))
    return total


def _buffers(file: BinaryIO, start: int, body: int, batch: _Table) -> Iterator[int]:
    is_compressed = batch.table(3) is not None
    for offset, length in batch.pairs(2):
        if offset < 0 or length < 0 or offset + length > body:
            raise ValueError("a buffer lies beyond the end of its batch")
        if not is_compressed or length < 8:
            yield length
            continue
        (full,) = struct.unpack("<q", _read(file, start + offset, 8))
        if full < -1:
            raise ValueError("a buffer has less than no bytes")
        yield length - 8 if full == -1 else full


def _pages(file: BinaryIO, start: int, end: int, values: int) -> Iterator[int]:
    while start < end and values > 0:
        header = _Compact(_read(file, start, min(_HEADER_BYTES, end - start)))
        fields = header.struct()
        compressed, full = fields.get(3), fields.get(2)
        if not isinstance(compressed, int) or not isinstance(full, int) or compressed < 0 or full < 0:
            raise ValueError("a page has no size")
        yield full
        start += header.place + compressed
        for of_data in (5, 8):  # the header of a data page, of either version
            page = fields.get(of_data)
            if isinstance(page, dict):
                count = page.get(1)
                if not isinstance(count, int) or count < 0:
                    raise ValueError("a page has no number of values")
                values -= count


class _Table:
    """A table of a flatbuffer."""

    def __init__(self, data: bytes, place: int) -> None:
        self._data, self._place = data, place
        (back,) = struct.unpack_from("<i", data, place) if 0 <= place <= len(data) - 4 else (None,)
        if back is None or not 0 <= place - back <= len(data) - 4:
            raise ValueError("a message leads nowhere")
        self._fields = place - back
        (self._width,) = struct.unpack_from("<H", data, self._fields)

    @classmethod
    def root(cls, data: bytes) -> _Table:
        """The table that a message is."""
        return cls(data, _unsigned(data, 0))

    def number(self, field: int, kind: str, default: int) -> int:
        """A number of a field."""
        place = self._at(field)
        if place is None:
            return default
        found: tuple[int] = _unpacked(kind, self._data, place)
        return found[0]

    def table(self, field: int) -> _Table | None:
        """The table that a field leads to."""
        place = self._at(field)
        return None if place is None else _Table(self._data, place + _unsigned(self._data, place))

    def pairs(self, field: int) -> Iterator[tuple[int, int]]:
        """The pairs of numbers that a field leads to."""
        place = self._at(field)
        if place is None:
            return
        place += _unsigned(self._data, place)
        count = _unsigned(self._data, place)
        if place + 4 + 16 * count > len(self._data):
            raise ValueError("a message leads nowhere")
        yield from struct.iter_unpack("<qq", self._data[place + 4 : place + 4 + 16 * count])

    def _at(self, field: int) -> int | None:
        slot = 4 + 2 * field
        if slot + 2 > self._width or self._fields + slot + 2 > len(self._data):
            return None
        (offset,) = struct.unpack_from("<H", self._data, self._fields + slot)
        return self._place + offset if offset else None


class _Compact:
    """Reads Thrift's compact protocol, as far as the headers of pages need it."""

    def __init__(self, data: bytes) -> None:
        self._data = data
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


def _structs(values: Any) -> Iterator[dict[int, Any]]:
    for value in values if isinstance(values, list) else ():
        if not isinstance(value, dict):
            raise ValueError("the metadata cannot be read")
        yield value


def _whole(fields: dict[int, Any], field: int) -> int:
    value = fields.get(field)
    if not isinstance(value, int):
        raise ValueError("the metadata cannot be read")
    return value


def _length(file: BinaryIO) -> int:
    return file.seek(0, os.SEEK_END)


def _read(file: BinaryIO, place: int, count: int) -> bytes:
    file.seek(place)
    data = file.read(count)
    if len(data) < count:
        raise ValueError("the stream was cut off")
    return data


def _unsigned(data: bytes, place: int) -> int:
    found: tuple[int] = _unpacked("I", data, place)
    return found[0]


def _unpacked(kind: str, data: bytes, place: int) -> Any:
    if not 0 <= place <= len(data) - struct.calcsize(f"<{kind}"):
        raise ValueError("a message leads nowhere")
    return struct.unpack_from(f"<{kind}", data, place)
