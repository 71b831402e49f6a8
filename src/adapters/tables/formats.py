"""The formats of tables: their names in media types and in suffixes, and what reads and writes them.

Like the container, it names adapters, and imports one only when its format comes.
"""

from __future__ import annotations

from typing import BinaryIO

from weighbridge.domain.data.schema import Schema
from weighbridge.domain.data.tables import Output, TableFormat, TableReader, TableWriter
from weighbridge.domain.errors import ConfigurationError

#: The media type of each format; several may have one.
MEDIA_TYPES: dict[TableFormat, str] = {
    "json": "application/json",
    "ndjson": "application/x-ndjson",
    "csv": "text/csv",
    "parquet": "application/vnd.apache.parquet",
    "arrow": "application/vnd.apache.arrow.stream",
}

#: The format that the suffix of a name stands for.
SUFFIXES: dict[str, TableFormat] = {
    ".csv": "csv",
    ".parquet": "parquet",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".arrow": "feather",
    ".feather": "feather",
    ".arrows": "arrow",
    ".json": "json",
}


def table_reader(
    kind: TableFormat,
    file: BinaryIO,
    schema: Schema,
    subject: str,
    *,
    others_allowed: bool = False,
    most_bytes: int | None = None,
) -> TableReader:
    """What reads a table of a format.

    Args:
        kind: the format.
        file: at its beginning.
        schema: of the rows.
        subject: what it is, for messages.
        others_allowed: columns that are no features are read as well.
        most_bytes: of its columns, decompressed; None for any number.
    """
    if kind in ("parquet", "arrow", "feather"):
        from weighbridge.adapters.tables.arrow_table import ArrowReader, ParquetReader

        reader = ParquetReader if kind == "parquet" else ArrowReader
        return reader(file, schema, subject, others_allowed=others_allowed, most_bytes=most_bytes)
    if kind == "csv":
        from weighbridge.adapters.tables.csv_table import CsvReader

        return CsvReader(file, schema, subject, others_allowed=others_allowed)
    from weighbridge.adapters.tables.json_table import JsonReader, NdjsonReader

    if kind == "json":
        return JsonReader(file.read(), schema, subject, others_allowed=others_allowed)
    return NdjsonReader(file, schema, subject, others_allowed=others_allowed)


def table_writer(
    kind: TableFormat, file: BinaryIO, output: Output, schema: Schema, *, is_columns: bool = False
) -> TableWriter:
    """What writes a table of a format.

    Args:
        kind: the format.
        file: to write to.
        output: what to write.
        schema: of the input's rows.
        is_columns: JSON is written as an object of arrays.
    """
    if kind in ("parquet", "arrow", "feather"):
        from weighbridge.adapters.tables.arrow_table import ArrowTableWriter

        return ArrowTableWriter(file, output, schema, kind)
    if kind == "csv":
        from weighbridge.adapters.tables.csv_writer import CsvWriter

        return CsvWriter(file, output, schema)
    from weighbridge.adapters.tables.json_answers import JsonWriter, NdjsonWriter

    return JsonWriter(file, output, is_columns=is_columns) if kind == "json" else NdjsonWriter(file, output)


def format_of(name: str) -> tuple[TableFormat, str]:
    """The format of a file, and how it is compressed: ``gzip``, ``zstd`` or not at all, which is empty.

    Raises:
        ConfigurationError: the name's suffix is none that is known.
    """
    compressed = ""
    stem = name
    for suffix, kind in ((".gz", "gzip"), (".zst", "zstd")):
        if name.endswith(suffix):
            compressed, stem = kind, name.removesuffix(suffix)
    for suffix, table in SUFFIXES.items():
        if stem.endswith(suffix) and not (compressed and table in ("parquet", "feather", "arrow")):
            return table, compressed
    raise ConfigurationError(f"'{name}' is no table: expected a name that ends in one of {', '.join(SUFFIXES)}")
