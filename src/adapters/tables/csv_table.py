"""Tables as CSV: pyarrow parses them, and puts the lines together.

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

from weighbridge.adapters.tables.arrow_columns import BROKEN, LazyColumns, answers, echoed, unreadable
from weighbridge.domain.data.column_admission import check_names
from weighbridge.domain.data.columns import Array, Cells, Encoded
from weighbridge.domain.data.schema import Number, Schema
from weighbridge.domain.data.tables import Answered, Chunk, Output, TableReader, TableWriter
from weighbridge.domain.errors import DataError, Problem

#: Bytes of a file that are parsed at once.
BLOCK_BYTES = 1 << 20

#: A column with more different texts than one in so many rows is not kept as codes.
_REPEATS = 4

#: What stands for nothing in a column of numbers; the list that pandas has.
_NULLS = frozenset(
    (
        *("", "NA", "N/A", "n/a", "NaN", "nan", "-NaN", "-nan", "NULL", "Null", "null", "None", "<NA>"),
        *("#N/A", "#N/A N/A", "#NA", "1.#IND", "1.#QNAN", "-1.#IND", "-1.#QNAN"),
    )
)

_CODES = pa.dictionary(pa.int32(), pa.string())
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
#: The characters for which a text has to stand in quotes.
_SPECIAL = (b'"', b",", b"\n", b"\r")
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
        """See ``TableReader.chunks``."""
        first = 1
        is_first = True
        try:
            for block in _blocks(self._file):
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
            end = _end_of_line(block, start)
            line = block[start:end]
            if line.strip(b" \t\r\n") or end == len(block):
                break
            start = end
        self._names = next(csv.reader(io.StringIO(line.decode(), newline=""), strict=True), [])
        twice = [name for name, count in Counter(self._names).items() if count > 1]
        if twice:
            problems = [Problem("the header has this column more than once", name) for name in twice]
            raise DataError(self._subject, problems)
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
        except pa.ArrowInvalid:
            if not numbers - self._repeating:
                raise
            # A cell that is no number, among others.
            batch = self._parsed(text, first, dict.fromkeys(kinds, _CODES))
        columns = _Columns(batch, self._schema, numbers)
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
                null_values=sorted(_NULLS),
                strings_can_be_null=False,
            ),
        )
        if wrong:
            raise DataError(self._subject, wrong, count - len(wrong))
        (batch,) = table.combine_chunks().to_batches() or [
            pa.RecordBatch.from_arrays([pa.array([], field.type) for field in table.schema], schema=table.schema)
        ]
        return batch


class CsvWriter(TableWriter):
    """A line for each row, in their order; the answers to a bad row are empty, but for ``problem``.

    Args:
        file: to write to.
        output: what to write.
        schema: of the input's rows.
    """

    def __init__(self, file: BinaryIO, output: Output, schema: Schema) -> None:
        self._file, self._output, self._schema = file, output, schema
        self._names: tuple[str, ...] = ()
        self._known: tuple[Any, Any] = (None, None)

    def write(self, chunk: Chunk, answered: Answered) -> None:
        """See ``TableWriter.write``."""
        columns: dict[str, Any] = {}
        if self._output.echo:
            # What was CSV is echoed to the letter.
            raw: Any = chunk.source if isinstance(chunk.columns, _Columns) else None
            given = (
                echoed(chunk, self._schema) if raw is None else {name: raw.column(name) for name in chunk.columns}
            )
            columns = {name: _texts(column) for name, column in given.items()}
        predicted = answered.prediction
        quick = isinstance(predicted, Encoded) and not self._output.levels and not answered.problems
        rest = answers(answered, self._output) if not quick or self._output.skips else {}
        columns |= {name: _texts(column) for name, column in rest.items()}
        if quick:
            assert isinstance(predicted, Encoded)
            columns[self._output.prediction] = self._gathered(predicted)
        self._header(tuple(columns))
        ordered = [columns[name] for name in self._names if name in columns]
        if chunk.rows:
            self._file.write(_lines(ordered))

    def finish(self) -> None:
        """Write the header, if nothing was."""
        self._header(self._output.added_columns())

    def _header(self, names: tuple[str, ...]) -> None:
        if not self._names:
            # The prediction may have been made before what else is told.
            added = self._output.added_columns()
            self._names = (*(name for name in names if name not in added), *added)
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerow(self._names)
            self._file.write(text.getvalue().encode("utf-8", "replace"))

    def _gathered(self, predicted: Encoded) -> Any:
        # The values of a tree are the same in every chunk, and few.
        if self._known[0] is not predicted.values:
            self._known = predicted.values, pc.cast(pa.array(predicted.values, pa.float64()), pa.string())
        return self._known[1].take(pa.array(predicted.codes))


class _Columns(LazyColumns):
    """The columns of a block, where those of numbers may be texts still."""

    def __init__(self, batch: Any, schema: Schema, numbers: set[str]) -> None:
        super().__init__(batch, schema)
        self._numbers = numbers

    def __getitem__(self, name: str) -> Cells:
        """The cells of a column; of one of numbers, numbers, and texts where they are none."""
        is_made = name in self._made
        cells = super().__getitem__(name)
        if is_made or not isinstance(cells, Encoded):
            return cells
        values = [_number(value) if name in self._numbers else value or None for value in cells.values]
        found = Encoded(_without_nothing(cells.codes, values), values)
        self._made[name] = found
        return found


def _without_nothing(codes: Array, values: list[Any]) -> Array:
    nothing = [place for place, value in enumerate(values) if value is None]
    if not nothing:
        return codes
    codes = codes.copy()
    for place in nothing:
        codes[codes == place] = -1
    return codes


def _number(text: Any) -> Any:
    """The number that a text is, nothing, or the text."""
    if not isinstance(text, str) or text in _NULLS:
        return None
    # Python also takes the underscores of its own literals, and digits of every script.
    if "_" in text or not text.isascii():
        return text
    try:
        return float(text)
    except ValueError:
        return text


def _by_name(batch: Any) -> dict[str, Any]:
    return dict(zip(batch.schema.names, batch.columns, strict=True))


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    """Whole lines, as many at once as make a block. A line break in quotes ends no line."""
    rest = b""
    quotes = False
    while data := file.read(BLOCK_BYTES):
        data = rest + data if rest else data
        quotes = quotes or b'"' in data
        end = data.rfind(b"\n") + 1
        while quotes and end and data.count(b'"', 0, end) % 2:
            end = data.rfind(b"\n", 0, end - 1) + 1
        if end:
            yield data[:end]
        rest = data[end:]
    if rest:
        yield rest


def _end_of_line(block: bytes, start: int) -> int:
    end = start
    while True:
        end = block.find(b"\n", end) + 1
        if not end:
            return len(block)
        if block.count(b'"', start, end) % 2 == 0:
            return end


def _texts(column: Any) -> Any:
    """A column as texts that can stand in a line; nothing is empty."""
    types = pa.types
    if types.is_dictionary(column.type):
        values = _quoted(_as_text(column.dictionary))
        return pc.fill_null(values.take(column.indices), "")
    return pc.fill_null(_quoted(_as_text(column)), "")


def _as_text(column: Any) -> Any:
    if pa.types.is_string(column.type):
        return column
    try:
        return column.cast(pa.string())
    except pa.ArrowException:
        return pa.array([None if value is None else str(value) for value in column.to_pylist()], pa.string())


def _quoted(texts: Any) -> Any:
    data = texts.buffers()[2]
    content = b"" if data is None else data.to_pybytes()
    if not any(special in content for special in _SPECIAL):
        return texts
    doubled = pc.replace_substring(texts, '"', '""')
    in_quotes = pc.binary_join_element_wise('"', doubled, '"', "")
    return pc.if_else(pc.match_substring_regex(texts, '[",\n\r]'), in_quotes, texts)


def _lines(columns: list[Any]) -> Any:
    """The bytes of lines of these texts."""
    if len(columns) == 1:
        # A line of a single empty cell would be blank, and not count.
        columns = [pc.if_else(pc.equal(columns[0], ""), '""', columns[0])]
    last = pc.binary_join_element_wise(columns[-1], "\n", "")
    joined = pc.binary_join_element_wise(*columns[:-1], last, ",") if len(columns) > 1 else last
    # The texts of an array stand one behind the other.
    _, offsets, data = joined.buffers()
    places = memoryview(offsets).cast("i")
    return memoryview(data)[places[joined.offset] : places[joined.offset + len(joined)]]
