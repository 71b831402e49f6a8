"""How large a dataset may be once it is decoded: a few megabytes of a compressed file can be gigabytes of rows."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import dataclass
from typing import Any, BinaryIO

from weighbridge.adapters.tables.arrow_sizes import TRAINING_METADATA, parquet_bytes
from weighbridge.domain.errors import DataError, Problem

_PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class DatasetLimits:
    """What a dataset may have; far more than a machine of today trains on in an hour.

    Args:
        most_bytes: once it is decompressed.
        most_rows: below the header.
        most_columns: side by side.
        most_cells: rows times columns: each takes eight bytes as a number.
        most_line_bytes: of a line of CSV.
    """

    most_bytes: int = 1 << 31
    most_rows: int = 100_000_000
    most_columns: int = 10_000
    most_cells: int = 1 << 28
    most_line_bytes: int = 1 << 20


def dataset_limits(most_bytes: int, most_rows: int) -> DatasetLimits:
    """Limits with so many bytes, and as many cells as they are as numbers."""
    return DatasetLimits(most_bytes, most_rows, most_cells=max(1, most_bytes // 8))


def check_csv(key: str, text: io.RawIOBase, limits: DatasetLimits) -> int:
    """Look through a CSV, before anything of it is kept; how many lines it has.

    Raises:
        DataError: it has more bytes or rows, or a longer line, than is allowed; or as reading ``text`` raises it.
    """
    size = lines = since = 0
    # In a piece that is no longer than a line may be, only the lines that it cuts can be too long.
    while piece := text.read(min(_PIECE_BYTES, limits.most_line_bytes)):
        size += len(piece)
        first, last = piece.find(b"\n"), piece.rfind(b"\n")
        _check(key, size, limits.most_bytes, "bytes of text", "MAX_DATASET_BYTES")
        before, since = since, since + len(piece) if last < 0 else len(piece) - last - 1
        if max(since, before + max(first, 0)) > limits.most_line_bytes:
            raise DataError(key, [Problem(f"line {lines + 1:,} is longer than {limits.most_line_bytes:,} bytes")])
        lines += piece.count(b"\n")
        _check(key, lines - 1, limits.most_rows, "rows", "MAX_DATASET_ROWS")
    return lines


def check_shape(key: str, rows: int, columns: int, limits: DatasetLimits) -> None:
    """Whether a table is not too wide, or too large, for memory.

    Raises:
        DataError: it has more columns or cells than are allowed.
    """
    if columns > limits.most_columns:
        raise DataError(key, [Problem(f"it has {columns:,} columns; {limits.most_columns:,} are allowed")])
    _check(key, rows * columns, limits.most_cells, "cells", "MAX_DATASET_BYTES")


def check_parquet(key: str, file: BinaryIO, limits: DatasetLimits) -> None:
    """Look at the sizes of a Parquet file, before anything of it is decompressed.

    Raises:
        DataError: it has more bytes or values than are allowed.
        ValueError: it is no such file.
    """
    size, values = parquet_bytes(file, TRAINING_METADATA)
    _check(key, size, limits.most_bytes, "bytes once it is decompressed", "MAX_DATASET_BYTES")
    _check(key, values, limits.most_cells, "values", "MAX_DATASET_BYTES")


def check_texts(key: str, column: Any, limits: DatasetLimits) -> None:
    """Whether the texts of a dictionary column fit into memory when each row has its own.

    Raises:
        DataError: they have more bytes than are allowed.
    """
    import pyarrow.compute as pc

    size = 0
    for chunk in column.chunks:
        lengths = pc.fill_null(pc.binary_length(chunk.dictionary), 0).take(chunk.indices)
        size += pc.sum(lengths.cast("int64")).as_py() or 0
    _check(key, size, limits.most_bytes, "bytes of text", "MAX_DATASET_BYTES")


def _check(key: str, found: int, allowed: int, what: str, setting: str) -> None:
    if found > allowed:
        raise DataError(key, [Problem(f"it has more than {allowed:,} {what}; WEIGHBRIDGE_{setting} allows more")])


def check_names(key: str, names: list[str]) -> None:
    """See that no column is named twice; columns without a name do not count.

    Raises:
        DataError: some are; all of them are named.
    """
    twice = [name for name, count in Counter(names).items() if count > 1 and name]
    if twice:
        raise DataError(key, [Problem("the header has this column more than once", name) for name in twice])
