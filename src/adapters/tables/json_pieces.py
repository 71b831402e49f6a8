"""JSON in pieces: cut behind some of its values, and decoded by the standard library where it has to be exact."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO, NoReturn

from weighbridge.domain.errors import DataError, Problem

#: Bytes of a body that are decoded at once.
PIECE_BYTES = 1 << 17

#: A longer line is refused.
LINE_BYTES = 1 << 20

SPACE = b" \t\r\n"
AFTER_OBJECT = re.compile(rb"\}[ \t\r\n]*,")
AFTER_TEXT = re.compile(rb'"[ \t\r\n]*,')
AFTER_NUMBER = re.compile(rb",")


def cut(inner: bytes, boundary: re.Pattern[bytes]) -> Iterator[bytes]:
    """What is between the brackets of an array, cut behind some of its values.

    A cut may be wrong, within a value. Then the piece before it is no JSON.
    """
    start = 0
    while start < len(inner):
        cut = boundary.search(inner, start + PIECE_BYTES)
        if cut is None:
            yield inner[start:]
            return
        yield inner[start : cut.end() - 1]
        start = cut.end()
        if start == len(inner):
            yield b""


def blocks_of_lines(file: BinaryIO, subject: str) -> Iterator[bytes]:
    """Whole lines, as many at once as make a piece.

    Raises:
        DataError: a line has more than LINE_BYTES.
    """
    rest = bytearray()
    while block := file.read(PIECE_BYTES):
        end = block.rfind(b"\n")
        if len(rest) + (len(block) if end < 0 else block.find(b"\n")) > LINE_BYTES:
            raise DataError(subject, [Problem(f"a line is longer than {LINE_BYTES:,} bytes")])
        if end < 0:
            rest += block
            continue
        yield bytes(rest) + block[:end]
        rest = bytearray(block[end + 1 :])
    yield bytes(rest)


def loads(text: bytes, subject: str) -> Any:
    """The values of a JSON document; DataError of ``subject`` when it is none."""
    try:
        return strict(text)
    except (ValueError, RecursionError) as error:
        raise no_json(error, subject) from error


def strict(text: bytes) -> Any:
    """The values of a JSON document; a number that no float can hold is an infinity."""
    return json.loads(text.decode(), parse_constant=_refuse, object_pairs_hook=_unique)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a value of JSON")


def no_json(error: Exception, subject: str) -> DataError:
    """The error for a text that is no JSON."""
    return DataError(subject, [Problem(f"not JSON: {words(error)}")])


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {twice[:100]!r} is there more than once in an object")
    return found


def words(error: Exception) -> str:
    """Why a text is no JSON."""
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]
