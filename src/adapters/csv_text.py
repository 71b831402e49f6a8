"""The text of a CSV file out of its bytes: decompressed, decoded, and without a byte order mark."""

from __future__ import annotations

import codecs
import gzip
import zlib

from domain.errors import DataError, Problem

_AGAIN = "; put it into the store again, whole"


def plain_text(key: str, data: bytes, suffix: str) -> bytes:
    """UTF-8 without a byte order mark and without a NUL. What is that already is not copied.

    Args:
        key: names the file in messages.
        data: the file; UTF-8, or UTF-16 when it begins with the mark of that.
        suffix: ``.csv``, ``.csv.gz`` or ``.csv.zst``; of gzip and zstd any number of parts are read.

    Raises:
        DataError: it cannot be decompressed, or is no such text; says what to do.
    """
    if suffix == ".csv.gz":
        data = _gunzipped(key, data)
    elif suffix == ".csv.zst":
        data = _unzstandarded(key, data)
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        data = _from_utf_16(key, data)
    _check_text(key, data)
    return data.removeprefix(codecs.BOM_UTF8)


def _gunzipped(key: str, data: bytes) -> bytes:
    try:
        return gzip.decompress(data)
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(key, [Problem(f"no gzip can be read: {_said(error)}{_AGAIN}")]) from error


def _unzstandarded(key: str, data: bytes) -> bytes:
    import pyarrow as pa

    try:
        with pa.CompressedInputStream(pa.BufferReader(data), "zstd") as stream:
            text: bytes = stream.read()
            return text
    except (pa.ArrowException, OSError) as error:
        raise DataError(key, [Problem(f"no zstd can be read: {_said(error)}{_AGAIN}")]) from error


def _from_utf_16(key: str, data: bytes) -> bytes:
    try:
        return data.decode("utf-16").encode()
    except UnicodeDecodeError as error:
        message = f"not UTF-16 text, whose mark it begins with: {error.reason} at offset {error.start}"
        raise DataError(key, [Problem(f"{message}; save it as UTF-8")]) from error


def _check_text(key: str, data: bytes) -> None:
    try:
        if not data.isascii():
            data.decode()
    except UnicodeDecodeError as error:
        message = f"not UTF-8 text: byte {data[error.start]:#04x} at offset {error.start}"
        remedy = "if it is Latin-1, make it UTF-8: iconv -f WINDOWS-1252 -t UTF-8 FILE > NEW"
        raise DataError(key, [Problem(f"{message}; {remedy}")]) from error
    offset = data.find(b"\0")
    if offset >= 0:
        # UTF-16 without a mark is full of them.
        raise DataError(key, [Problem(f"not UTF-8 text: byte 0x00 at offset {offset}; save it as UTF-8")])


def _said(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
