"""Tables as Parquet and as Arrow's IPC streams and files, through pyarrow."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from weighbridge.adapters.tables.arrow_columns import (
    BROKEN,
    CHUNK_ROWS,
    answers,
    check_types,
    chunk_of,
    echoed,
    unreadable,
)
from weighbridge.adapters.tables.arrow_sizes import parquet_bytes, stream_bytes
from weighbridge.domain.data.column_admission import check_names
from weighbridge.domain.data.schema import Category, Schema
from weighbridge.domain.data.tables import Answered, Chunk, Output, TableReader, TableWriter
from weighbridge.domain.errors import DataError, DataTooLarge, Problem


class ParquetReader(TableReader):
    """A Parquet file.

    Args:
        file: the whole of it, open for reading at any place.
        schema: of the rows.
        subject: what it is, for messages.
        others_allowed: columns that are no features are read as well.
        most_bytes: of its columns, decompressed; None for any number.
    """

    def __init__(
        self,
        file: BinaryIO,
        schema: Schema,
        subject: str,
        *,
        others_allowed: bool = False,
        most_bytes: int | None = None,
    ) -> None:
        self._file, self._schema, self._subject = file, schema, subject
        self._others, self._most_bytes = others_allowed, most_bytes

    def chunks(self) -> Iterator[Chunk]:
        """The rows in pieces. Nothing is decompressed before its types and its size are known to be right."""
        first = 1
        try:
            if self._most_bytes is not None:
                # Before pyarrow makes anything of it.
                _check_size(parquet_bytes(self._file)[0], self._most_bytes, self._subject)
            metadata = pq.read_metadata(self._file)
            paths = {metadata.schema.column(place).path for place in range(metadata.num_columns)}
            texts = [one.name for one in self._schema.features if isinstance(one, Category) and one.name in paths]
            parquet = pq.ParquetFile(
                self._file,
                metadata=metadata,
                read_dictionary=texts,
                pre_buffer=False,
                buffer_size=1 << 18,
                # Counts of elements in a page's metadata, which is read before anything else.
                thrift_string_size_limit=1 << 24,
                thrift_container_size_limit=1 << 20,
            )
            check_names(self._schema, parquet.schema_arrow.names, self._subject, others_allowed=self._others)
            check_types(parquet.schema_arrow, self._schema, self._subject)
            for batch in parquet.iter_batches(CHUNK_ROWS, use_threads=False):
                _check_codes(batch)
                yield chunk_of(batch, first, self._schema)
                first += batch.num_rows
            if first == 1:
                yield chunk_of(_no_rows(parquet.schema_arrow), 1, self._schema)
        except BROKEN as error:
            raise unreadable("Parquet", error, self._subject) from error


class ArrowReader(TableReader):
    """A stream of Arrow's IPC format, or a file of it.

    Args:
        file: the whole of it, open for reading at any place.
        schema: of the rows.
        subject: what it is, for messages.
        others_allowed: columns that are no features are read as well.
        most_bytes: of its columns, decompressed; None for any number.
    """

    def __init__(
        self,
        file: BinaryIO,
        schema: Schema,
        subject: str,
        *,
        others_allowed: bool = False,
        most_bytes: int | None = None,
    ) -> None:
        self._file, self._schema, self._subject = file, schema, subject
        self._others, self._most_bytes = others_allowed, most_bytes

    def chunks(self) -> Iterator[Chunk]:
        """The rows in pieces; a batch of many rows gives several chunks."""
        first = 1
        try:
            is_file = self._file.read(6) == b"ARROW1"
            self._file.seek(0)
            if self._most_bytes is not None:
                if is_file:
                    raise ValueError("it is a file of Arrow's format, not a stream")
                _check_size(stream_bytes(self._file), self._most_bytes, self._subject)
                self._file.seek(0)
            with pa.ipc.open_file(self._file) if is_file else pa.ipc.open_stream(self._file) as reader:
                check_names(self._schema, reader.schema.names, self._subject, others_allowed=self._others)
                check_types(reader.schema, self._schema, self._subject)
                batches = map(reader.get_batch, range(reader.num_record_batches)) if is_file else reader
                for batch in batches:
                    # Whoever wrote it may have meant harm.
                    batch.validate(full=True)
                    for start in range(0, batch.num_rows, CHUNK_ROWS):
                        part = batch.slice(start, CHUNK_ROWS)
                        yield chunk_of(part, first, self._schema)
                        first += part.num_rows
                if first == 1:
                    yield chunk_of(_no_rows(reader.schema), 1, self._schema)
        except BROKEN as error:
            raise unreadable("Arrow data", error, self._subject) from error


class ArrowTableWriter(TableWriter):
    """Writes Parquet, or Arrow's IPC format as a stream or as a file.

    The prediction of a bad row is null, and ``problem`` says why.

    Args:
        file: to write to.
        output: what to write.
        schema: of the input's rows.
        kind: ``parquet``, ``arrow`` for a stream or ``feather`` for a file.
    """

    def __init__(self, file: BinaryIO, output: Output, schema: Schema, kind: str) -> None:
        self._file, self._output, self._schema, self._kind = _Sink(file), output, schema, kind
        self._writer: Any = None
        self._fields: Any = None

    def write(self, chunk: Chunk, answered: Answered) -> None:
        """Write a batch; DataError when a column's values are of another type than in the chunks before it."""
        columns = echoed(chunk, self._schema) if self._output.echo else {}
        columns |= answers(answered, self._output)
        if self._kind != "parquet":
            # The dictionaries of several batches may differ, and a file has but one.
            columns = {name: _dense(column) for name, column in columns.items()}
        batch = pa.RecordBatch.from_arrays(list(columns.values()), list(columns))
        if self._writer is None:
            self._open(batch.schema)
        elif batch.schema != self._fields:
            batch = _as_before(batch, self._fields)
        self._writer.write_batch(batch)

    def finish(self) -> None:
        """Write the footer; a table without chunks has the added columns alone."""
        if self._writer is None:
            names = self._output.added_columns()
            kinds = [pa.string() if self._output.levels else pa.float64()]
            kinds += [pa.float64()] * len(self._output.levels) + [pa.string()] * self._output.skips
            self._open(pa.schema(list(zip(names, kinds, strict=True))))
        self._writer.close()

    def _open(self, fields: Any) -> None:
        version = {"model_version": self._output.model_version}
        self._fields = fields
        described = fields.with_metadata(version)
        if self._kind == "parquet":
            # Least and greatest values would take a tenth of the time, and help nobody to find a prediction.
            self._writer = pq.ParquetWriter(self._file, described, write_statistics=False)
        elif self._kind == "arrow":
            self._writer = pa.ipc.new_stream(self._file, described)
        else:
            self._writer = pa.ipc.new_file(self._file, described)


class _Sink(io.RawIOBase):
    """A file to write to. What pyarrow has to say once the file was given up goes nowhere."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, data: Any) -> int:
        """Write all of it."""
        return len(data) if self._file.closed else self._file.write(data)


def _check_codes(batch: Any) -> None:
    """Whether all codes have a value; what decodes Parquet does not look.

    Raises:
        ValueError: a code has none.
    """
    for column in batch.columns:
        if pa.types.is_dictionary(column.type):
            found = pc.min_max(column.indices).as_py()
            if found["max"] is not None and not 0 <= found["min"] <= found["max"] < len(column.dictionary):
                raise ValueError("a value is not in its dictionary")


def _check_size(found: int, allowed: int, subject: str) -> None:
    if found > allowed:
        message = f"decompressed it takes {found:,} bytes; {allowed:,} are allowed"
        raise DataTooLarge(subject, [Problem(message)])


def _no_rows(fields: Any) -> Any:
    return pa.RecordBatch.from_arrays([pa.array([], field.type) for field in fields], schema=fields)


def _dense(column: Any) -> Any:
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _as_before(batch: Any, fields: Any) -> Any:
    """A batch whose columns have the types of those before it.

    Raises:
        DataError: a column has values that are of another type.
    """
    columns = []
    for field in fields:
        place = batch.schema.get_field_index(field.name)
        try:
            columns.append(
                pa.nulls(batch.num_rows, field.type) if place < 0 else batch.column(place).cast(field.type)
            )
        except pa.ArrowException as error:
            problem = Problem(f"the column has values of another type than {field.type} further down", field.name)
            raise DataError("the output", [problem]) from error
    return pa.RecordBatch.from_arrays(columns, schema=fields)
