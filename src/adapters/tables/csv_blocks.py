"""CSV in blocks of whole lines, found in one pass over the bytes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from weighbridge.domain.errors import DataError, Problem

#: Bytes of a file that are parsed at once.
BLOCK_BYTES = 1 << 20

#: A longer line is refused: with an open quote, the rest of a file is one line.
LINE_BYTES = 1 << 20


def blocks(file: BinaryIO, subject: str) -> Iterator[bytes]:
    """Whole lines, as many at once as make a block. A line break in quotes ends no line.

    Raises:
        DataError: a line has more than LINE_BYTES.
    """
    rest, is_quoted = b"", False
    while data := file.read(BLOCK_BYTES):
        end = _end_of_last_line(data, is_quoted)
        is_quoted ^= data.count(b'"') % 2 == 1
        if rest:
            data, end = rest + data, end and len(rest) + end
            if end_of_line(data, 0) > LINE_BYTES:
                message = f"a line is longer than {LINE_BYTES:,} bytes; a quote that is never closed makes one"
                raise DataError(subject, [Problem(message)])
        if end:
            yield data[:end]
        rest = data[end:]
    if rest:
        yield rest


def end_of_line(block: bytes, start: int) -> int:
    """The place behind the line that begins at ``start``; the end of the block for a line without an end."""
    is_quoted = False
    while True:
        quote = block.find(b'"', start)
        if not is_quoted:
            end = block.find(b"\n", start, len(block) if quote < 0 else quote)
            if end >= 0:
                return end + 1
        if quote < 0:
            return len(block)
        start, is_quoted = quote + 1, not is_quoted


def _end_of_last_line(data: bytes, is_quoted: bool) -> int:
    """The place behind the last line that ends in ``data``, 0 for none; ``is_quoted`` says how it begins."""
    is_quoted ^= data.count(b'"') % 2 == 1
    end = len(data)
    while True:
        start = data.rfind(b'"', 0, end) + 1
        if not is_quoted:
            found = data.rfind(b"\n", start, end)
            if found >= 0:
                return found + 1
        if not start:
            return 0
        end, is_quoted = start - 1, not is_quoted
