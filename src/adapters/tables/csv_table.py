"""Tables as CSV: pyarrow parses them.

A file is parsed in blocks of whole lines, each by itself, so that memory is bounded, every bad cell can be told,
and columns of few different texts are kept as codes.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from weighbridge.adapters.tables.arrow_columns import BROKEN, unreadable
from weighbridge.adapters.tables.csv_blocks import blocks, end_of_line
from weighbridge.adapters.tables.csv_columns import CsvColumns
from weighbridge.adapters.tables.null_spellings import NULL_SPELLINGS
from weighbridge.domain.data.column_admission import check_names
from weighbridge.domain.data.columns import Encoded
from weighbridge.domain.data.schema import EXACT, Number, Schema
from weighbridge.domain.data.tables import Chunk, TableReader
from weighbridge.domain.errors import DataError, Problem

#: A column with more different texts than one in so many rows is not kept as codes.
_REPEATS = 4

_CODES = pa.dictionary(pa.int32(), pa.string())
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
#: Problems that a refusal of lines lists.
_LISTED = 100


class CsvReader(TableReader):
    """UTF-8, separated by commas, with a header; blank lines do not count.

    In a column of numbers the spellings that pandas takes for nothing are nothing, in a category an empty cell.

    Args:
        file: read from where it stands to its end.
        schema: of the rows.
        subject: what it is, for messages.
        others_allowed: columns that are no features are read as well, as text.
    """

    def __init__(self, file: BinaryIO, schema: Schema, subject: str, *, others_allowed: bool = False) -> None:
        self._file, self._schema, self._subject, self._others = file, schema, subject, others_allowed
        self._names: list[str] = []
        # Those columns of numbers that repeat themselves, as far as has been seen.
        self._repeating = {feature.name for feature in schema.features if isinstance(feature, Number)}

    def chunks(self) -> Iterator[Chunk]:
        """The rows of each block, parsed by itself; DataError for a header or a row that is none."""
        first = 1
        is_first = True
        try:
            for block in blocks(self._file, self._subject):
                if not block.isascii():
                    block.decode()  # of a line that has neither enough fields nor text, pyarrow cannot tell
                text = block
                if is_first:
                    text = self._after_header(block.removeprefix(_BYTE_ORDER_MARK))
                    is_first = False
                chunk = self._chunk(text, first)
                first += chunk.rows
                yield chunk
        except (*BROKEN, csv.Error) as error:
            raise unreadable("CSV", error, self._subject) from error
        if is_first:
            raise DataError(self._subject, [Problem("there is no header")])

    def _after_header(self, block: bytes) -> bytes:
        """Take the names from the first line that is not blank; what comes behind it."""
        start = 0
        while True:
            end = end_of_line(block, start)
            line = block[start:end]
            if line.strip(b" \t\r\n") or end == len(block):
                break
            start = end
        self._names = next(csv.reader(io.StringIO(line.decode(), newline=""), strict=True), [])
        twice = [name for name, count in Counter(self._names).items() if count > 1]
        if twice:
            problems = [Problem("the header has this column more than once", name) for name in twice]
            raise DataError(self._subject, problems[:_LISTED], len(problems[_LISTED:]))
        check_names(self._schema, self._names, self._subject, others_allowed=self._others)
        return block[end:]

    def _chunk(self, text: bytes, first: int) -> Chunk:
        numbers = {one.name for one in self._schema.features if isinstance(one, Number)}
        if not text.strip(b"\r\n"):
            return Chunk(first, 0, {name: [] for name in self._names})
        kinds = {
            name: pa.float64() if name in numbers - self._repeating else _CODES
            for name in self._schema.feature_names
        }
        try:
            batch = self._parsed(text, first, kinds)
            is_exact = not any(_may_be_rounded(batch.column(name)) for name in numbers - self._repeating)
        except pa.ArrowInvalid:
            if not numbers - self._repeating:
                raise
            # A cell that is no number, among others.
            is_exact = False
        if not is_exact:
            batch = self._parsed(text, first, dict.fromkeys(kinds, _CODES))
        columns = CsvColumns(batch, self._schema, numbers)
        for name in numbers & self._repeating:
            cells = columns[name]
            if isinstance(cells, Encoded) and _REPEATS * len(cells.values) > batch.num_rows > _LISTED:
                self._repeating.discard(name)
        return Chunk(first, batch.num_rows, columns, (), batch)

    def _parsed(self, text: bytes, first: int, kinds: dict[str, Any]) -> Any:
        wrong: list[Problem] = []
        count = 0

        def on_wrong(row: Any) -> str:
            nonlocal count
            count += 1
            if count <= _LISTED:
                number = None if row.number is None else first + row.number - 1
                message = f"the row has {row.actual_columns} fields, the header has {row.expected_columns}"
                wrong.append(Problem(message, row=number))
            return "skip"

        table = arrow_csv.read_csv(
            pa.BufferReader(text),
            arrow_csv.ReadOptions(use_threads=False, block_size=len(text) + 1, column_names=self._names),
            arrow_csv.ParseOptions(newlines_in_values=b'"' in text, invalid_row_handler=on_wrong),
            arrow_csv.ConvertOptions(
                column_types={name: kinds.get(name, pa.string()) for name in self._names},
                null_values=list(NULL_SPELLINGS),
                strings_can_be_null=False,
            ),
        )
        if wrong:
            raise DataError(self._subject, wrong, count - len(wrong))
        (batch,) = table.combine_chunks().to_batches() or [
            pa.RecordBatch.from_arrays([pa.array([], field.type) for field in table.schema], schema=table.schema)
        ]
        return batch


def _may_be_rounded(column: Any) -> bool:
    """Whether some number is as large as only whole numbers that are rounded need to be."""
    found = pc.max_element_wise(pc.max(column), pc.negate(pc.min(column)))
    return bool(found.is_valid and found.as_py() >= EXACT)
