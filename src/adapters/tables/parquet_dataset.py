"""Datasets out of Parquet files, through pyarrow."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, BinaryIO

from weighbridge.adapters.tables.dataset_limits import (
    DatasetLimits,
    check_names,
    check_parquet,
    check_shape,
    check_texts,
)
from weighbridge.domain.data.schema import Category, Number, Schema
from weighbridge.domain.errors import DataError, Problem

if TYPE_CHECKING:
    import pandas as pd


def read_parquet(key: str, file: BinaryIO, schema: Schema, limits: DatasetLimits) -> pd.DataFrame:
    """The table in a Parquet file, as it is.

    Raises:
        DataError: it holds no table that can be read, or one beyond the limits.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    # What is in memory already is not copied.
    source = pa.BufferReader(file.getbuffer()) if isinstance(file, io.BytesIO) else file
    try:
        check_parquet(key, file, limits)
        metadata = pq.read_metadata(source)
        check_shape(key, metadata.num_rows, metadata.num_columns, limits)
        columns = [metadata.schema.column(place) for place in range(metadata.num_columns)]
        # Text that repeats itself is read fastest as what it most often is in the file, an index of few values.
        repeated = [column.path for column in columns if column.physical_type == "BYTE_ARRAY"]
        texts = {one.name for one in (*schema.features, schema.target) if isinstance(one, Category)}
        parquet = pq.ParquetFile(source, metadata=metadata, read_dictionary=repeated)
        table = parquet.read(use_threads=False)  # threads that wait for a busy machine cost more than they save
        check_names(key, table.column_names)
        names = table.column_names
        for name in names:
            if name not in texts and pa.types.is_dictionary(table.column(name).type):
                check_texts(key, table.column(name), limits)
        plain = pa.table([_plain_column(table.column(name), name in texts) for name in names], names=names)
        del table  # else it would hold what is given away below
        # The metadata of pandas would turn columns into an index or back into its own types. Columns that can be
        # handed over as they are, read-only, are not copied, and the others are let go one by one.
        frame: pd.DataFrame = plain.to_pandas(ignore_metadata=True, split_blocks=True, self_destruct=True)
        del plain
    except (pa.ArrowException, OSError, ValueError, TypeError, OverflowError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DataError(key, [Problem(f"no Parquet can be read: {reason}")]) from error
    return plain_numbers(frame, schema)


def _plain_column(column: Any, indexed: bool) -> Any:
    """The column in a type that pandas has too.

    Args:
        column: as it was read.
        indexed: an index of texts may stay one.
    """
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        kind = column.type.value_type
        if indexed and pa.types.is_string(kind):
            return column
        column = column.cast(pa.large_string() if pa.types.is_string(kind) else kind)
    if pa.types.is_decimal(column.type):
        return column.cast(pa.float64())
    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        return column.cast(pa.string())  # some writers do not mark text as text
    return column


def plain_numbers(frame: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """Whole numbers, half precision and columns without a single value become float64."""
    import numpy as np

    for feature in (*schema.features, schema.target):
        if feature.name not in frame.columns:
            continue
        column = frame[feature.name]
        if isinstance(feature, Number):
            if column.dtype != np.float64 and (column.dtype.kind in "iuf" or column.isna().all()):
                frame[feature.name] = column.astype(np.float64)
        elif column.dtype != "str" and column.isna().all():
            frame[feature.name] = column.astype("str")
    return frame
