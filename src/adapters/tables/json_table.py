"""Tables as JSON, through msgspec: an array of objects, an object of arrays, or an object in each line.

What is as it should be is decoded straight into its types. Whatever is not is decoded again by the standard
library, whose values are looked at one by one. Nothing holds Python's lock for long: a body is decoded in pieces.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import msgspec

from weighbridge.adapters.tables.json_columns import json_column, part_of
from weighbridge.adapters.tables.json_pieces import AFTER_OBJECT, SPACE, blocks_of_lines, cut, loads, no_json
from weighbridge.adapters.tables.json_rows import JsonRows
from weighbridge.domain.data.column_admission import check_names
from weighbridge.domain.data.columns import Cells
from weighbridge.domain.data.schema import Schema
from weighbridge.domain.data.tables import Chunk, TableReader
from weighbridge.domain.errors import DataError, Problem

#: Rows that are predicted at once.
CHUNK_ROWS = 1 << 16


class JsonReader(TableReader):
    """One JSON document: an array of objects, or an object with an array for each column.

    Args:
        body: the whole document.
        schema: of the rows.
        subject: what it is, for messages.
        others_allowed: fields that are no features are columns as well; else they are faults of their rows.
    """

    def __init__(self, body: bytes, schema: Schema, subject: str, *, others_allowed: bool = False) -> None:
        self._body = body.strip(SPACE)
        self._schema, self._subject, self._others = schema, subject, others_allowed

    @property
    def is_columns(self) -> bool:
        """Whether it is an object of arrays."""
        return self._body.startswith(b"{")

    def chunks(self) -> Iterator[Chunk]:
        """The rows in pieces; DataError for what is neither an array of rows nor an object of columns."""
        if self.is_columns:
            return self._from_columns()
        if self._body.startswith(b"["):
            return self._from_rows()
        if self._body:
            # Whatever is no JSON at all is told as such.
            loads(self._body, self._subject)
        raise DataError(self._subject, [Problem("expected a JSON array of rows, or an object of columns")])

    def _from_rows(self) -> Iterator[Chunk]:
        rows = JsonRows(self._schema, self._others)
        first = 1
        inner = self._body[1:-1]
        pieces = cut(inner, AFTER_OBJECT)
        done = 0
        try:
            if not self._body.endswith(b"]") or len(self._body) < 2:
                raise ValueError("the array has no end")
            for piece in pieces:
                chunk = rows.chunk(b"[%b]" % piece, first)
                # Nothing between two commas, or behind the last.
                if not chunk.rows and inner.strip(SPACE):
                    raise ValueError("a row is missing")
                first += chunk.rows
                done += 1
                yield chunk
        except (ValueError, RecursionError):
            # A cut within a row, or no JSON.
            every = loads(self._body, self._subject)
            for start in range(first - 1, len(every), CHUNK_ROWS):
                yield rows.slow_chunk(every[start : start + CHUNK_ROWS], start + 1)

    def _from_columns(self) -> Iterator[Chunk]:
        try:
            raw: dict[str, msgspec.Raw] = msgspec.json.decode(self._body, type=dict[str, msgspec.Raw])
        except (ValueError, RecursionError) as error:
            raise no_json(error, self._subject) from error
        quotes = sum(bytes(text).count(b'"') for text in raw.values())
        if self._body.count(b'"') != quotes + 2 * len(raw):
            # A name is there twice, or has a quote in it: here is told which.
            loads(self._body, self._subject)
        check_names(self._schema, raw, self._subject, others_allowed=self._others)
        problems: list[Problem] = []
        columns: dict[str, Cells] = {}
        for name, text in raw.items():
            feature = self._schema.feature(name) if name in self._schema.feature_names else None
            cells = json_column(bytes(text).strip(SPACE), feature, self._subject)
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
            part = {name: part_of(cells, start, start + CHUNK_ROWS) for name, cells in columns.items()}
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
        self._rows = JsonRows(schema, others_allowed)

    def chunks(self) -> Iterator[Chunk]:
        """The rows in pieces. A line that is no JSON is a fault of its row."""
        first = 1
        for lines in blocks_of_lines(self._file, self._subject):
            chunk = self._rows.chunk_of_lines(lines, first)
            first += chunk.rows
            if chunk.rows:
                yield chunk
