"""Files of the prediction log as Parquet, through pyarrow, which is imported with the first of them."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from domain.errors import DataError, Problem
from domain.prediction_log import (
    REQUEST_COLUMN,
    TIME_COLUMN,
    VERSION_COLUMN,
    LoggedAnswer,
    LoggedRows,
    PredictionTables,
    probability_columns,
)
from domain.schema import Number
from domain.serving import Classification

if TYPE_CHECKING:
    from domain.artefacts import Artefact
    from domain.schema import Feature, Schema

#: Where a file says which of its columns is what.
_METADATA = b"weighbridge.predictions"
_LAYOUT = 1


class ParquetPredictions(PredictionTables):
    """A column for each feature, then the prediction by its own name, probabilities, version, request and time.

    A feature that has the name of one of the others is called ``input_<name>``; the file's metadata says so.
    """

    def encode(self, answers: Sequence[LoggedAnswer], redacted: Sequence[str]) -> bytes:
        """See the port."""
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
                columns[inputs[feature.name]] = pa.array(values, _type(feature))
        for role, values in _answered(answers, schema).items():
            if role in logged:
                columns[own[role]] = pa.array(values, _own_type(role, schema))
        layout = {
            "layout": _LAYOUT,
            "inputs": {name: column for name, column in inputs.items() if name not in redacted},
            "predictions": {role: column for role, column in own.items() if role in logged},
        }
        table = pa.table(columns).replace_schema_metadata({_METADATA: json.dumps(layout)})
        file = io.BytesIO()
        pq.write_table(table, file, compression="zstd")
        return file.getvalue()

    def decode(self, artefact: Artefact) -> LoggedRows:
        """See the port."""
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
        found[name] = [one.probabilities[place] if isinstance(one, Classification) else None for one in given]
    found[VERSION_COLUMN] = [str(one.model.release.version) for one in answers]
    found[REQUEST_COLUMN] = [one.request_id for one in answers]
    found[TIME_COLUMN] = [one.at for one in answers]
    return found


def _type(feature: Feature) -> Any:
    import pyarrow as pa

    return pa.float64() if isinstance(feature, Number) else pa.string()


def _own_type(role: str, schema: Schema) -> Any:
    import pyarrow as pa

    if role == "prediction":
        return _type(schema.target)
    if role == TIME_COLUMN:
        return pa.timestamp("us", tz="UTC")
    return pa.string() if role in (VERSION_COLUMN, REQUEST_COLUMN) else pa.float64()


def _frame(table: Any, columns: Mapping[str, str]) -> Any:
    """Some of the columns under the names that the domain has for them."""
    chosen = table.select(list(columns.values())).rename_columns(list(columns))
    return chosen.replace_schema_metadata(None).to_pandas()
