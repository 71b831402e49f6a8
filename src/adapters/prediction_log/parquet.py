"""Files of the prediction log as Parquet, through pyarrow, which is imported with the first of them."""

from __future__ import annotations

import io
import json
import math
from array import array
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from weighbridge.domain.data.schema import Number
from weighbridge.domain.errors import DataError, Problem
from weighbridge.domain.model.predictor import Classification
from weighbridge.domain.monitoring.prediction_log import (
    REQUEST_COLUMN,
    TIME_COLUMN,
    VERSION_COLUMN,
    LoggedAnswer,
    LoggedRows,
    PredictionTables,
    probability_columns,
)

if TYPE_CHECKING:
    from weighbridge.domain.data.schema import Schema
    from weighbridge.domain.store.artefacts import Artefact

#: Where a file says which of its columns is what.
_METADATA = b"weighbridge.predictions"
_LAYOUT = 1

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ParquetPredictions(PredictionTables):
    """A column for each feature, then the prediction by its own name, probabilities, version, request and time.

    A feature that has the name of one of the others is called ``input_<name>``; the file's metadata says so.
    """

    def encode(self, answers: Sequence[LoggedAnswer], redacted: Sequence[str]) -> bytes:
        """A Parquet file, compressed with zstd; the same answers give the same bytes."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        schema = answers[0].model.schema
        own = _own_columns(schema)
        logged = _logged(own, schema, redacted)
        inputs = _input_columns(schema, set(own.values()))
        columns: dict[str, Any] = {}
        for feature in schema.features:
            if feature.name not in redacted:
                values = [one.row[feature.name] for one in answers]
                columns[inputs[feature.name]] = _column(values, isinstance(feature, Number))
        for role, values in _answered(answers, schema).items():
            if role in logged:
                columns[own[role]] = _own_column(role, values, schema)
        layout = {
            "layout": _LAYOUT,
            "inputs": {name: column for name, column in inputs.items() if name not in redacted},
            "predictions": {role: column for role, column in own.items() if role in logged},
        }
        metadata = {_METADATA: json.dumps(layout)}
        table = pa.Table.from_arrays(list(columns.values()), list(columns), metadata=metadata)
        file = io.BytesIO()
        pq.write_table(table, file, compression="zstd")
        return file.getvalue()

    def decode(self, artefact: Artefact) -> LoggedRows:
        """The rows of a file that ``encode`` of this or an earlier version wrote.

        Raises:
            DataError: it is no file of the log.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            table = pq.read_table(io.BytesIO(artefact.data))
            layout = json.loads((table.schema.metadata or {})[_METADATA])
            if layout["layout"] > _LAYOUT:
                raise ValueError(f"it has the later layout {layout['layout']}")
            return LoggedRows(_frame(table, layout["inputs"]), _frame(table, layout["predictions"]))
        except (pa.ArrowException, KeyError, TypeError, ValueError, OSError) as error:
            fault = " ".join(f"{type(error).__name__}: {error}".split())
            raise DataError(
                artefact.ref.key, [Problem(f"no prediction log can be read from it: {fault}")]
            ) from error


def _own_columns(schema: Schema) -> dict[str, str]:
    """What is not an input: the name that the domain has for it, and that of its column."""
    same = (*probability_columns(schema), VERSION_COLUMN, REQUEST_COLUMN, TIME_COLUMN)
    return {"prediction": schema.prediction} | {name: name for name in same}


def _logged(own: Mapping[str, str], schema: Schema, redacted: Sequence[str]) -> set[str]:
    """What of that is logged. Nothing could be made of rows without their version and time."""
    hidden = {REQUEST_COLUMN} & set(redacted)
    if schema.prediction in redacted:
        hidden |= {"prediction", *probability_columns(schema)}
    return set(own) - hidden


def _input_columns(schema: Schema, taken: set[str]) -> dict[str, str]:
    columns: dict[str, str] = {}
    for name in schema.feature_names:
        column = name
        while column in taken or (column != name and column in schema.feature_names):
            column = f"input_{column}"
        columns[name] = column
    return columns


def _answered(answers: Sequence[LoggedAnswer], schema: Schema) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    given = [one.answer for one in answers]
    found["prediction"] = [one.label if isinstance(one, Classification) else one for one in given]
    for place, name in enumerate(probability_columns(schema)):
        found[name] = [one.probabilities[place] if isinstance(one, Classification) else math.nan for one in given]
    found[VERSION_COLUMN] = [str(one.model.release.version) for one in answers]
    found[REQUEST_COLUMN] = [one.request_id for one in answers]
    found[TIME_COLUMN] = [one.at for one in answers]
    return found


def _own_column(role: str, values: Sequence[Any], schema: Schema) -> Any:
    if role == TIME_COLUMN:
        return _times(values)
    is_number = isinstance(schema.target, Number) if role == "prediction" else role in probability_columns(schema)
    return _column(values, is_number)


# From buffers: what makes arrays of lists imports pandas, which costs the service 50 MB and answers their time.


def _column(values: Sequence[Any], is_number: bool) -> Any:
    import pyarrow as pa

    if is_number:
        return pa.Array.from_buffers(pa.float64(), len(values), [None, pa.py_buffer(array("d", values))])
    texts = [value.encode() for value in values]
    ends = array("i", accumulate(map(len, texts), initial=0))
    return pa.Array.from_buffers(
        pa.string(), len(values), [None, pa.py_buffer(ends), pa.py_buffer(b"".join(texts))]
    )


def _times(values: Sequence[datetime]) -> Any:
    import pyarrow as pa

    microseconds = array("q", [(value - _EPOCH) // timedelta(microseconds=1) for value in values])
    return pa.Array.from_buffers(pa.timestamp("us", tz="UTC"), len(values), [None, pa.py_buffer(microseconds)])


def _frame(table: Any, columns: Mapping[str, str]) -> Any:
    """Some of the columns under the names that the domain has for them."""
    chosen = table.select(list(columns.values())).rename_columns(list(columns))
    return chosen.replace_schema_metadata(None).to_pandas()
