"""Predictions of tables as CSV: pyarrow puts the lines together."""

from __future__ import annotations

import csv
import io
import re
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from weighbridge.adapters.tables.arrow_columns import answers, echoed
from weighbridge.adapters.tables.csv_columns import CsvColumns
from weighbridge.domain.data.columns import Encoded
from weighbridge.domain.data.schema import Schema
from weighbridge.domain.data.tables import Answered, Chunk, Output, TableWriter

#: The characters for which a text has to stand in quotes.
_SPECIAL = (b'"', b",", b"\n", b"\r")

#: What begins a formula, also in the width of East Asian scripts; a number may begin so as well.
_FORMULA = re.compile("^[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


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
        """Write a line for each row of the chunk."""
        columns: dict[str, Any] = {}
        if self._output.echo:
            # What was CSV is echoed to the letter.
            raw: Any = chunk.source if isinstance(chunk.columns, CsvColumns) else None
            given = (
                echoed(chunk, self._schema) if raw is None else {name: raw.column(name) for name in chunk.columns}
            )
            columns = {name: self._texts(column) for name, column in given.items()}
        predicted = answered.prediction
        quick = isinstance(predicted, Encoded) and not self._output.levels and not answered.problems
        rest = answers(answered, self._output) if not quick or self._output.skips else {}
        columns |= {name: self._texts(column) for name, column in rest.items()}
        if quick:
            assert isinstance(predicted, Encoded)
            columns[self._output.prediction] = self._gathered(predicted)
        self._header(tuple(columns))
        ordered = [columns[name] for name in self._names if name in columns]
        if chunk.rows:
            self._file.write(csv_lines(ordered))

    def finish(self) -> None:
        """Write the header, if nothing was."""
        self._header(self._output.added_columns())

    def _header(self, names: tuple[str, ...]) -> None:
        if not self._names:
            # The prediction may have been made before what else is told.
            added = self._output.added_columns()
            self._names = (*(name for name in names if name not in added), *added)
            text = io.StringIO()
            written = map(safe_text, self._names) if self._output.csv_safe else self._names
            csv.writer(text, lineterminator="\n").writerow(written)
            self._file.write(text.getvalue().encode("utf-8", "replace"))

    def _texts(self, column: Any) -> Any:
        return csv_texts(column, is_safe=self._output.csv_safe)

    def _gathered(self, predicted: Encoded) -> Any:
        # The values of a tree are the same in every chunk, and few.
        if self._known[0] is not predicted.values:
            self._known = predicted.values, pc.cast(pa.array(predicted.values, pa.float64()), pa.string())
        return self._known[1].take(pa.array(predicted.codes))


def csv_texts(column: Any, *, is_safe: bool = False) -> Any:
    """A column as texts that can stand in a line; nothing is empty.

    Args:
        column: of any type.
        is_safe: texts that a spreadsheet would run as formulas have a quote before them.
    """
    types = pa.types
    if types.is_dictionary(column.type):
        values = csv_texts(column.dictionary, is_safe=is_safe)
        return pc.fill_null(values.take(column.indices), "")
    is_number = types.is_integer(column.type) or types.is_floating(column.type)
    texts = _as_text(column)
    return pc.fill_null(_quoted(_safe(texts) if is_safe and not is_number else texts), "")


def safe_text(text: str) -> str:
    """A text that no spreadsheet runs as a formula, by OWASP's list of what begins one."""
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def _safe(texts: Any) -> Any:
    if not pc.any(pc.match_substring_regex(texts, _FORMULA.pattern)).as_py():
        return texts
    return pa.array([None if text is None else safe_text(text) for text in texts.to_pylist()], pa.string())


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


def csv_lines(columns: list[Any]) -> Any:
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
