"""Tables as JSON, through msgspec: an array of objects, an object of arrays, or an object in each line.

What is as it should be is decoded straight into its types. Whatever is not is decoded again by the standard
library, whose values are looked at one by one. Nothing holds Python's lock for long: a body is decoded in pieces.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from typing import Any, BinaryIO, Literal, NoReturn

import msgspec
import numpy as np

from weighbridge.domain.data.column_admission import check_names, needs_exact_numbers
from weighbridge.domain.data.columns import Cells, Encoded
from weighbridge.domain.data.schema import Category, Feature, Schema
from weighbridge.domain.data.tables import Chunk, TableReader
from weighbridge.domain.errors import DataError, Problem

#: Bytes of a body that are decoded at once, and rows that are then predicted at once.
PIECE_BYTES = 1 << 17
CHUNK_ROWS = 1 << 16

_SPACE = b" \t\r\n"
_AFTER_OBJECT = re.compile(rb"\}[ \t\r\n]*,")
_AFTER_TEXT = re.compile(rb'"[ \t\r\n]*,')
_AFTER_NUMBER = re.compile(rb",")


class JsonReader(TableReader):
    """One JSON document: an array of objects, or an object with an array for each column.

    Args:
        body: the whole document.
        schema: of the rows.
        subject: what it is, for messages.
        others_allowed: fields that are no features are columns as well; else they are faults of their rows.
    """

    def __init__(self, body: bytes, schema: Schema, subject: str, *, others_allowed: bool = False) -> None:
        self._body = body.strip(_SPACE)
        self._schema, self._subject, self._others = schema, subject, others_allowed

    @property
    def is_columns(self) -> bool:
        """Whether it is an object of arrays."""
        return self._body.startswith(b"{")

    def chunks(self) -> Iterator[Chunk]:
        """See ``TableReader.chunks``."""
        if self.is_columns:
            return self._from_columns()
        if self._body.startswith(b"["):
            return self._from_rows()
        if self._body:
            # Whatever is no JSON at all is told as such.
            _loads(self._body, self._subject)
        raise DataError(self._subject, [Problem("expected a JSON array of rows, or an object of columns")])

    def _from_rows(self) -> Iterator[Chunk]:
        rows = _Rows(self._schema, self._others)
        first = 1
        inner = self._body[1:-1]
        pieces = _pieces(inner, _AFTER_OBJECT)
        done = 0
        try:
            if not self._body.endswith(b"]") or len(self._body) < 2:
                raise ValueError("the array has no end")
            for piece in pieces:
                chunk = rows.chunk(b"[%b]" % piece, first)
                # Nothing between two commas, or behind the last.
                if not chunk.rows and inner.strip(_SPACE):
                    raise ValueError("a row is missing")
                first += chunk.rows
                done += 1
                yield chunk
        except (ValueError, RecursionError):
            # A cut within a row, or no JSON.
            every = _loads(self._body, self._subject)
            for start in range(first - 1, len(every), CHUNK_ROWS):
                yield rows.slow_chunk(every[start : start + CHUNK_ROWS], start + 1)

    def _from_columns(self) -> Iterator[Chunk]:
        try:
            raw: dict[str, msgspec.Raw] = msgspec.json.decode(self._body, type=dict[str, msgspec.Raw])
        except (ValueError, RecursionError) as error:
            raise _no_json(error, self._subject) from error
        check_names(self._schema, raw, self._subject, others_allowed=self._others)
        problems: list[Problem] = []
        columns: dict[str, Cells] = {}
        for name, text in raw.items():
            feature = self._schema.feature(name) if name in self._schema.feature_names else None
            cells = _column(bytes(text).strip(_SPACE), feature, self._subject)
            if cells is None:
                problems.append(Problem("expected an array", name))
            else:
                columns[name] = cells
        lengths = {name: len(cells) for name, cells in columns.items()}
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"{name} {length:,}" for name, length in lengths.items())
            problems.append(Problem(f"the columns are not of one length: {told}"))
        if problems:
            raise DataError(self._subject, problems)
        for start in range(0, max(1, next(iter(lengths.values()))), CHUNK_ROWS):
            part = {name: _part(cells, start, start + CHUNK_ROWS) for name, cells in columns.items()}
            yield Chunk(start + 1, len(next(iter(part.values()))), part)


class NdjsonReader(TableReader):
    """A JSON object in each line; blank lines do not count.

    Args:
        file: read from where it stands to its end.
        schema: of the rows.
        subject: what it is, for messages.
        others_allowed: fields that are no features are columns as well; else they are faults of their rows.
    """

    def __init__(self, file: BinaryIO, schema: Schema, subject: str, *, others_allowed: bool = False) -> None:
        self._file, self._subject = file, subject
        self._rows = _Rows(schema, others_allowed)

    def chunks(self) -> Iterator[Chunk]:
        """See ``TableReader.chunks``. A line that is no JSON is a fault of its row."""
        first = 1
        for lines in _blocks_of_lines(self._file):
            chunk = self._rows.chunk_of_lines(lines, first)
            first += chunk.rows
            if chunk.rows:
                yield chunk


class _Rows:
    """From rows to columns."""

    def __init__(self, schema: Schema, others_allowed: bool) -> None:
        self._schema, self._others = schema, others_allowed
        fields: list[Any] = [
            (f"f{place}", _type(feature), msgspec.field(name=feature.name))
            for place, feature in enumerate(schema.features)
        ]
        row = msgspec.defstruct("Row", fields, forbid_unknown_fields=True, gc=False)
        self._of_array: Any = msgspec.json.Decoder(list[row])  # type: ignore[valid-type]
        self._of_line: Any = msgspec.json.Decoder(row)
        self._columns = [(feature, attrgetter(f"f{place}")) for place, feature in enumerate(schema.features)]
        self._is_quick = not any(map(needs_exact_numbers, schema.features))

    def chunk(self, array: bytes, first: int) -> Chunk:
        """The rows of a JSON array.

        Raises:
            ValueError, RecursionError: it is none.
        """
        if self._is_quick:
            try:
                return self._quick_chunk(self._of_array.decode(array), first)
            except (ValueError, RecursionError):
                pass
        return self.slow_chunk(_strict(array), first)

    def chunk_of_lines(self, lines: bytes, first: int) -> Chunk:
        """The rows of lines, one to each."""
        if self._is_quick:
            try:
                return self._quick_chunk(self._of_line.decode_lines(lines), first)
            except (ValueError, RecursionError):
                pass
        rows: list[Any] = []
        faults: list[Problem] = []
        for line in lines.split(b"\n"):
            if line.strip(_SPACE):
                try:
                    rows.append(_strict(line))
                except (ValueError, RecursionError) as error:
                    faults.append(Problem(f"the line is not JSON: {_words(error)}", row=first + len(rows)))
                    rows.append({})
        return self.slow_chunk(rows, first, faults)

    def slow_chunk(self, rows: list[Any], first: int, faults: Sequence[Problem] = ()) -> Chunk:
        """Rows of any values."""
        found = [*faults]
        names = self._schema.feature_names
        others: dict[str, None] = {}
        known = f"there are {', '.join(names)}"
        for place, row in enumerate(rows):
            if not isinstance(row, dict):
                found.append(Problem("expected an object", row=first + place, value=row))
                rows[place] = {}
            elif not row.keys() <= set(names):
                unknown = dict.fromkeys(name for name in row if name not in names)
                others |= unknown
                if not self._others:
                    found += [Problem(f"unknown field; {known}", name, first + place) for name in unknown]
        columns = {name: [row.get(name) for row in rows] for name in (*names, *(others if self._others else ()))}
        return Chunk(first, len(rows), columns, found)

    def _quick_chunk(self, rows: list[Any], first: int) -> Chunk:
        columns: dict[str, Cells] = {}
        for feature, of_row in self._columns:
            cells = map(of_row, rows)
            columns[feature.name] = (
                _encoded(cells, len(rows), feature)
                if isinstance(feature, Category)
                else np.fromiter(cells, np.float64, len(rows))
            )
        return Chunk(first, len(rows), columns)


def _column(text: bytes, feature: Feature | None, subject: str) -> Cells | None:
    """The cells of a JSON array; None when it is none."""
    if not text.startswith(b"["):
        return None
    inner = text[1:-1]
    if not inner.strip(_SPACE):
        return []
    quick = None if feature is None or needs_exact_numbers(feature) else _quick_column(feature)
    if quick is None:
        return _cells(_loads(text, subject))
    boundary = _AFTER_TEXT if isinstance(feature, Category) else _AFTER_NUMBER
    parts: list[Cells] = []
    try:
        for piece in _pieces(inner, boundary):
            array = b"[%b]" % piece
            try:
                part = quick(array)
            except (ValueError, RecursionError):
                part = _cells(_strict(array))
            if not len(part):
                raise ValueError("a value is missing")
            parts.append(part)
    except (ValueError, RecursionError):
        return _cells(_loads(text, subject))
    return _joined(parts)


def _quick_column(feature: Feature) -> Callable[[bytes], Cells]:
    decode = msgspec.json.Decoder(list[_type(feature)]).decode  # type: ignore[misc]
    if isinstance(feature, Category):

        def codes(array: bytes) -> Cells:
            cells = decode(array)
            return _encoded(iter(cells), len(cells), feature)

        return codes

    def numbers(array: bytes) -> Cells:
        cells = decode(array)
        return np.fromiter(cells, np.float64, len(cells))

    return numbers


def _encoded(cells: Iterator[Any], count: int, feature: Category) -> Encoded:
    places = {level: place for place, level in enumerate(feature.levels)}
    return Encoded(np.fromiter(map(places.__getitem__, cells), np.intp, count), feature.levels)


def _joined(parts: list[Cells]) -> Cells:
    arrays = [part for part in parts if isinstance(part, np.ndarray)]
    if len(arrays) == len(parts):
        return np.concatenate(arrays)
    encoded = [part for part in parts if isinstance(part, Encoded)]
    if len(encoded) == len(parts):
        return Encoded(np.concatenate([part.codes for part in encoded]), encoded[0].values)
    cells: list[Any] = []
    for part in parts:
        cells += part.plain().tolist() if isinstance(part, Encoded) else list(part)
    return cells


def _part(cells: Cells, start: int, end: int) -> Cells:
    return Encoded(cells.codes[start:end], cells.values) if isinstance(cells, Encoded) else cells[start:end]


def _cells(values: Any) -> list[Any]:
    assert isinstance(values, list)
    return values


def _type(feature: Feature) -> Any:
    return Literal[feature.levels] if isinstance(feature, Category) else float


def _pieces(inner: bytes, boundary: re.Pattern[bytes]) -> Iterator[bytes]:
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


def _blocks_of_lines(file: BinaryIO) -> Iterator[bytes]:
    """Whole lines, as many at once as make a piece."""
    rest = bytearray()
    while block := file.read(PIECE_BYTES):
        end = block.rfind(b"\n")
        if end < 0:
            rest += block
            continue
        yield bytes(rest) + block[:end]
        rest = bytearray(block[end + 1 :])
    yield bytes(rest)


def _loads(text: bytes, subject: str) -> Any:
    try:
        return _strict(text)
    except (ValueError, RecursionError) as error:
        raise _no_json(error, subject) from error


def _strict(text: bytes) -> Any:
    """The values of a JSON document; a number that no float can hold is an infinity."""
    return json.loads(text.decode(), parse_constant=_refuse)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a value of JSON")


def _no_json(error: Exception, subject: str) -> DataError:
    return DataError(subject, [Problem(f"not JSON: {_words(error)}")])


def _words(error: Exception) -> str:
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]
