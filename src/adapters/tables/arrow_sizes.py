"""How much memory compressed columns would take, told before anything is decompressed.

What the headers at the top of a file say may be a lie. So the sizes that decoders go by are added up themselves:
those before each page of Parquet, and before each buffer of Arrow's IPC format.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from weighbridge.adapters.tables.flatbuffers import FlatTable, unsigned
from weighbridge.adapters.tables.thrift_compact import CompactReader

_RECORD_BATCH, _DICTIONARY_BATCH = 3, 2
#: Fields of Parquet's metadata, by their numbers.
_ROW_GROUPS, _COLUMNS, _COLUMN_METADATA = 4, 1, 3

#: A page's header is no longer: there may be a least and a greatest value in it.
_HEADER_BYTES = 1 << 16
_CONTINUED = 0xFFFFFFFF

#: A page's header has a dozen values and its statistics.
_HEADER_VALUES = 200

#: Pages or messages of a file are at most so many: each costs Python some microseconds.
_MOST_PARTS = 100_000


@dataclass(frozen=True, slots=True)
class MetadataLimits:
    """How much may be said of the columns: what libraries make of it is twenty times as large.

    Args:
        most_bytes: of a file's footer, or of a message.
        most_values: in a footer.
    """

    most_bytes: int
    most_values: int


#: For what clients send: a thousand columns in a row group.
SERVING_METADATA = MetadataLimits(1 << 20, 200_000)

#: For datasets.
TRAINING_METADATA = MetadataLimits(1 << 24, 5_000_000)


def stream_bytes(file: BinaryIO, limits: MetadataLimits = SERVING_METADATA) -> int:
    """The bytes that the buffers of an IPC stream have when they are decompressed.

    Raises:
        ValueError: it is no such stream, was cut off, or has more metadata or messages than are allowed.
    """
    size = _length(file)
    total = place = messages = 0
    while place + 4 <= size:
        messages += 1
        length = unsigned(_read(file, place, 4), 0)
        place += 4
        if length == _CONTINUED:
            length = unsigned(_read(file, place, 4), 0)
            place += 4
        if not length:
            break
        if length > limits.most_bytes or messages > _MOST_PARTS:
            raise ValueError("it has more metadata than is allowed")
        message = FlatTable.root(_read(file, place, length))
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


def parquet_bytes(file: BinaryIO, limits: MetadataLimits = SERVING_METADATA) -> tuple[int, int]:
    """The bytes that the pages of all columns of a Parquet file have when they are decompressed; its values.

    What is broken in a file's metadata can end the whole process once pyarrow looks at it; so nothing is asked of
    pyarrow here.

    Raises:
        ValueError: it is no such file, a page's header cannot be read or leads out of its column, or there is more
            metadata, or are more pages, than are allowed.
    """
    size = _length(file)
    if size < 12 or _read(file, size - 4, 4) != b"PAR1":
        raise ValueError("the file has no end")
    length = unsigned(_read(file, size - 8, 4), 0)
    if length > size - 8:
        raise ValueError("the file has no metadata")
    if length > limits.most_bytes:
        raise ValueError(f"the file has {length:,} bytes of metadata; {limits.most_bytes:,} are allowed")
    metadata = CompactReader(_read(file, size - 8 - length, length), limits.most_values).struct()
    total = count = pages = 0
    for group in _structs(metadata.get(_ROW_GROUPS)):
        for column in _structs(group.get(_COLUMNS)):
            chunk = column.get(_COLUMN_METADATA)
            if not isinstance(chunk, dict):
                raise ValueError("a column has no metadata")
            values, compressed, start = (_whole(chunk, field) for field in (5, 7, 9))
            # A dictionary stands before the data.
            start = min(start, _whole(chunk, 11)) if 11 in chunk else start
            if start < 0 or compressed < 0 or start + compressed > size:
                raise ValueError("a column lies beyond the end of the file")
            for full, in_page in _pages(file, start, start + compressed, values):
                total, count, pages = total + full, count + in_page, pages + 1
                if pages > _MOST_PARTS:
                    raise ValueError(f"the file has more than {_MOST_PARTS:,} pages")
    return total, count


def _buffers(file: BinaryIO, start: int, body: int, batch: FlatTable) -> Iterator[int]:
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


def _pages(file: BinaryIO, start: int, end: int, values: int) -> Iterator[tuple[int, int]]:
    """For each page its bytes and its values; a dictionary has none."""
    while start < end and values > 0:
        header = CompactReader(_read(file, start, min(_HEADER_BYTES, end - start)), _HEADER_VALUES)
        fields = header.struct()
        compressed, full = fields.get(3), fields.get(2)
        if not isinstance(compressed, int) or not isinstance(full, int) or compressed < 0 or full < 0:
            raise ValueError("a page has no size")
        start += header.place + compressed
        found = 0
        for of_data in (5, 8):  # the header of a data page, of either version
            page = fields.get(of_data)
            if isinstance(page, dict):
                count = page.get(1)
                if not isinstance(count, int) or count < 0:
                    raise ValueError("a page has no number of values")
                found += count
        values -= found
        yield full, found


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
