"""The text of a CSV file out of its bytes, piece by piece: decompressed, decoded, without a byte order mark."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, BinaryIO

from weighbridge.domain.errors import DataError, Problem

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

#: Bytes of a piece, about: they are looked at while they are in the processor's cache.
_PIECE_BYTES = 1 << 18

#: What other files begin with, and no text does, and what to do about them.
_NO_TEXT = {
    b"\x1f\x8b": "gzip; let its name end in .csv.gz",
    b"\x28\xb5\x2f\xfd": "zstd; let its name end in .csv.zst",
    b"PAR1\x15": "Parquet; let its name end in .parquet",
    b"PK\x03\x04": "a ZIP archive, as spreadsheets are; save it as CSV",
}

_AGAIN = "; put it into the store again, whole"


def plain_text(key: str, file: BinaryIO, suffix: str) -> io.RawIOBase:
    """A file that reads as UTF-8 without a byte order mark and without a NUL.

    What is wrong with the bytes is found when they are read: a read may raise DataError, which says what to do,
    where they cannot be decompressed or are no such text.

    Args:
        key: names the file in messages.
        file: the whole of it, open for reading at any place; UTF-8, or UTF-16 when it begins with the mark of
            that. It is read from its beginning, and stays open.
        suffix: ``.csv``, ``.csv.gz`` or ``.csv.zst``; of gzip and zstd any number of parts are read.
    """
    file.seek(0)
    if suffix == ".csv.gz":
        pieces = _gunzipped(key, file)
    elif suffix == ".csv.zst":
        pieces = _unzstandarded(key, file)
    else:
        pieces = _pieces(file.read)
    return _Text(_without_mark(_checked(key, _as_utf_8(key, pieces))))


class _Text(io.RawIOBase):
    """A file of pieces. A read gives no more than what is left of one piece, which spares copies."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        super().__init__()
        self._pieces, self._rest = filter(None, pieces), b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        if size < 0:
            return b"".join((self._rest, *self._pieces))
        piece = self._rest or next(self._pieces, b"")
        self._rest = piece[size:]
        return piece[:size]

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        piece = self.read(len(view))
        view[: len(piece)] = piece
        return len(piece)


def _pieces(read: Callable[[int], bytes]) -> Iterator[bytes]:
    while piece := read(_PIECE_BYTES):
        yield piece


def _gunzipped(key: str, file: BinaryIO) -> Iterator[bytes]:
    try:
        # Which takes a read that gives less than it asked for for the end.
        whole_reads = io.BufferedReader(_Text(_pieces(file.read)), _PIECE_BYTES)
        yield from _pieces(gzip.GzipFile(fileobj=whole_reads).read)
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(key, [Problem(f"no gzip can be read: {_said(error)}{_AGAIN}")]) from error


def _unzstandarded(key: str, file: BinaryIO) -> Iterator[bytes]:
    import pyarrow as pa

    try:
        # It closes what it reads from.
        source = pa.PythonFile(_Text(_pieces(file.read)), "r")
        yield from _pieces(pa.CompressedInputStream(source, "zstd").read)
    except (pa.ArrowException, OSError) as error:
        raise DataError(key, [Problem(f"no zstd can be read: {_said(error)}{_AGAIN}")]) from error


def _as_utf_8(key: str, pieces: Iterator[bytes]) -> Iterator[bytes]:
    begin, pieces = _begin(pieces, max(map(len, _NO_TEXT)))
    for other, kind in _NO_TEXT.items():
        if begin.startswith(other):
            raise DataError(key, [Problem(f"not text but {kind}")])
    is_utf_16 = begin.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return _from_utf_16(key, pieces) if is_utf_16 else pieces


def _without_mark(pieces: Iterator[bytes]) -> Iterator[bytes]:
    begin, pieces = _begin(pieces, len(codecs.BOM_UTF8))
    if begin == codecs.BOM_UTF8:
        yield next(pieces)[len(begin) :]
    yield from pieces


def _begin(pieces: Iterator[bytes], size: int) -> tuple[bytes, Iterator[bytes]]:
    """The first bytes, fewer where there are no more, and the pieces again; the first of them has these bytes."""
    begin = b""
    while len(begin) < size and (piece := next(pieces, b"")):
        begin += piece
    return begin[:size], chain((begin,), pieces)


def _from_utf_16(key: str, pieces: Iterator[bytes]) -> Iterator[bytes]:
    decoder, begun = codecs.getincrementaldecoder("utf-16")(), 0
    for piece in chain(pieces, (b"",)):
        pending = len(decoder.getstate()[0])
        try:
            text = decoder.decode(piece, final=not piece)
        except UnicodeDecodeError as error:
            offset = begun - pending + error.start
            # What is wrong before it is to be found first.
            yield decoder.decode(piece[: max(0, error.start - pending)]).encode()
            message = f"not UTF-16 text, whose mark it begins with: {error.reason} at offset {offset}"
            raise DataError(key, [Problem(f"{message}; save it as UTF-8")]) from error
        begun += len(piece)
        yield text.encode()


def _checked(key: str, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The pieces, which are UTF-8 and have no NUL."""
    pending, begun = b"", 0
    for piece in chain(pieces, (b"",)):
        text = pending + piece if pending else piece
        pending = b""
        wrong = None
        if not text.isascii():
            try:
                _, used = codecs.utf_8_decode(text, "strict", not piece)
                pending = text[used:]
            except UnicodeDecodeError as error:
                wrong = error
        offset = text.find(b"\0", 0, wrong.start if wrong else None)
        if offset >= 0:
            # UTF-16 without a mark is full of them.
            message = f"not UTF-8 text: byte 0x00 at offset {begun + offset}"
            raise DataError(key, [Problem(f"{message}; save it as UTF-8")])
        if wrong:
            message = f"not UTF-8 text: byte {text[wrong.start]:#04x} at offset {begun + wrong.start}"
            remedy = "if it is Latin-1, make it UTF-8: iconv -f WINDOWS-1252 -t UTF-8 FILE > NEW"
            raise DataError(key, [Problem(f"{message}; {remedy}")]) from wrong
        begun += len(text) - len(pending)
        if piece:
            yield piece


def _said(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
