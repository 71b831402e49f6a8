"""Rows of a JSON table as columns: a row that is as it should be is decoded straight into its types."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import msgspec

from weighbridge.adapters.tables.json_columns import cell_type, encoded, floats
from weighbridge.adapters.tables.json_pieces import SPACE, strict, words
from weighbridge.domain.data.columns import Cells
from weighbridge.domain.data.schema import Category, Schema
from weighbridge.domain.data.tables import Chunk
from weighbridge.domain.errors import Problem


class JsonRows:
    """From rows to columns."""

    def __init__(self, schema: Schema, others_allowed: bool) -> None:
        self._schema, self._others = schema, others_allowed
        fields: list[Any] = [
            (f"f{place}", cell_type(feature), msgspec.field(name=feature.name))
            for place, feature in enumerate(schema.features)
        ]
        row = msgspec.defstruct("Row", fields, forbid_unknown_fields=True, gc=False)
        self._of_array: Any = msgspec.json.Decoder(list[row])  # type: ignore[valid-type]
        self._of_line: Any = msgspec.json.Decoder(row)
        self._columns = [(feature, attrgetter(f"f{place}")) for place, feature in enumerate(schema.features)]
        # Of a good row: its names and its texts stand in quotes. A name that is there twice has two more.
        texts = sum(isinstance(feature, Category) for feature in schema.features)
        self._quotes = 2 * (len(schema.features) + texts)

    def chunk(self, array: bytes, first: int) -> Chunk:
        """The rows of a JSON array.

        Raises:
            ValueError, RecursionError: it is none.
        """
        try:
            return self._quick_chunk(self._of_array.decode(array), first, array)
        except (ValueError, RecursionError):
            pass
        return self.slow_chunk(strict(array), first)

    def chunk_of_lines(self, lines: bytes, first: int) -> Chunk:
        """The rows of lines, one to each."""
        try:
            return self._quick_chunk(self._of_line.decode_lines(lines), first, lines)
        except (ValueError, RecursionError):
            pass
        rows: list[Any] = []
        faults: list[Problem] = []
        for line in lines.split(b"\n"):
            if line.strip(SPACE):
                try:
                    rows.append(strict(line))
                except (ValueError, RecursionError) as error:
                    faults.append(Problem(f"the line is not JSON: {words(error)}", row=first + len(rows)))
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

    def _quick_chunk(self, rows: list[Any], first: int, text: bytes) -> Chunk:
        if text.count(b'"') != self._quotes * len(rows):
            raise ValueError("a name may be there twice")
        columns: dict[str, Cells] = {}
        for feature, of_row in self._columns:
            cells = map(of_row, rows)
            columns[feature.name] = (
                encoded(cells, len(rows), feature) if isinstance(feature, Category) else floats(list(cells))
            )
        return Chunk(first, len(rows), columns)
