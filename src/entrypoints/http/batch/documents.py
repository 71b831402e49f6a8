"""What the OpenAPI document says of the route of many rows."""

from __future__ import annotations

import csv
import io
import re
from typing import Any

from weighbridge.adapters.tables.formats import MEDIA_TYPES
from weighbridge.domain.data.schema import Category, Feature, Number, Schema
from weighbridge.domain.serving.service import LoadedModel
from weighbridge.entrypoints.http.answers import OUTSIDE_HEADER
from weighbridge.entrypoints.http.openapi import problem_responses
from weighbridge.entrypoints.http.paths import API
from weighbridge.entrypoints.http.schemas import answer_schema, request_schema

MODEL_VERSION_HEADER, ROWS_HEADER, SKIPPED_HEADER = "X-Model-Version", "X-Rows", "X-Skipped-Rows"

BATCH_RESPONSES: dict[int | str, dict[str, Any]] = problem_responses(400, 406, 408, 413, 415, 422, 429, 503, 507)

_HEADERS: dict[str, Any] = {
    MODEL_VERSION_HEADER: {
        "description": "task/version of the model that predicted",
        "required": True,
        "schema": {"type": "string"},
    },
    ROWS_HEADER: {"description": "Rows that came", "required": True, "schema": {"type": "integer", "minimum": 0}},
    SKIPPED_HEADER: {
        "description": "Bad rows among them, with on_error=skip",
        "schema": {"type": "integer", "minimum": 0},
    },
    OUTSIDE_HEADER: {
        "description": "Features that some row has outside their range in training, by commas",
        "schema": {"type": "string"},
    },
    "Vary": {"required": True, "schema": {"type": "string", "const": "Accept"}},
}

_WHAT = {
    "ndjson": "A JSON object in each line",
    "csv": "UTF-8 with a header, separated by commas; columns in any order, numbers in any spelling",
    "parquet": "A Parquet file",
    "arrow": "A stream of Arrow's IPC format",
}


def describe_batch(task: str, document: dict[str, Any], loaded: LoadedModel | None) -> None:
    """Write into the OpenAPI document what the live release asks of many rows and answers to them."""
    operation = document["paths"][f"{API}/{task}/batch"]["post"]
    binary = {
        MEDIA_TYPES[kind]: {"schema": {"type": "string", "format": "binary", "description": what}}  # type: ignore[index]
        for kind, what in _WHAT.items()
    }
    sent = dict(binary)
    rows: dict[str, Any] = {"type": "array", "items": {"type": "object"}}
    answer: dict[str, Any] = {"type": "object"}
    examples: dict[str, Any] = {}
    if loaded is not None:
        rows = {"title": "Rows", "type": "array", "items": request_schema(loaded.schema)}
        answer = _answer_schema(loaded.schema)
        examples = {"examples": _examples(loaded.schema)}
        plain = {"type": "string", "pattern": _csv_pattern(loaded.schema), "description": _WHAT["csv"]}
        sent[MEDIA_TYPES["csv"]] = {"schema": plain}
    operation["requestBody"] = {
        "required": True,
        # That all columns have one length is beyond JSON Schema: the object of columns is an example.
        "content": {"application/json": {"schema": rows, **examples}, **sent},
    }
    operation["responses"]["200"] = {
        "description": "Predictions in the order of the rows",
        "content": {"application/json": {"schema": answer}, **binary},
        "headers": dict(_HEADERS),
    }


def _answer_schema(schema: Schema) -> dict[str, Any]:
    one = answer_schema(schema)
    answers = {name: found for name, found in one["properties"].items() if name != "model_version"}
    row = {"type": "object", "properties": answers, "required": list(answers)}
    columns = {
        "type": "object",
        "properties": {name: {"type": "array", "items": found} for name, found in answers.items()},
        "required": list(answers),
    }
    error = {
        "type": "object",
        "properties": {
            "row": {"type": "integer", "minimum": 1},
            "field": {"type": ["string", "null"]},
            "message": {"type": "string"},
            "found": {},
        },
        "required": ["row", "field", "message", "found"],
    }
    return {
        "title": "Predictions, and the model that made them",
        "type": "object",
        "properties": {
            "predictions": {"anyOf": [{"type": "array", "items": row}, columns]},
            "rows": {"type": "array", "items": {"type": "integer", "minimum": 1}},
            "errors": {"type": "array", "items": error},
            "model_version": one["properties"]["model_version"],
        },
        "required": ["predictions", "model_version"],
    }


def _examples(schema: Schema) -> dict[str, Any]:
    values: dict[str, list[Any]] = {}
    for feature in schema.features:
        if isinstance(feature, Category):
            values[feature.name] = [feature.levels[0], feature.levels[-1]]
        else:
            values[feature.name] = list(_within(feature))
    rows = [{name: cells[place] for name, cells in values.items()} for place in (0, 1)]
    return {"rows": {"summary": "Rows", "value": rows}, "columns": {"summary": "Columns", "value": values}}


def _csv_pattern(schema: Schema) -> str:
    """Of the plainest spelling: columns in the schema's order, small whole numbers where they are allowed."""
    header = ",".join(_csv_cell(name) for name in schema.feature_names)
    row = ",".join(map(_csv_values, schema.features))
    return f"^{re.escape(header)}\\n({row}\\n)*$"


def _csv_values(feature: Feature) -> str:
    if isinstance(feature, Category):
        return f"({'|'.join(re.escape(_csv_cell(level)) for level in feature.levels)})"
    low, high = feature.minimum, feature.maximum
    if (low is None or low <= 0) and (high is None or high >= 9):
        return "[0-9]"
    return f"({'|'.join(re.escape(repr(float(value))) for value in _within(feature))})"


def _csv_cell(text: str) -> str:
    cell = io.StringIO()
    csv.writer(cell, lineterminator="").writerow([text])
    return cell.getvalue()


def _within(feature: Number) -> tuple[float, float]:
    low = feature.minimum if feature.minimum is not None else (feature.maximum or 0) - 1
    high = feature.maximum if feature.maximum is not None else low + 1
    return low, high
