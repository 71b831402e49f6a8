"""The Open Inference Protocol in the OpenAPI document: schemas of its messages, and of its errors."""

from __future__ import annotations

from typing import Any, TypeAlias

from weighbridge.domain.data.schema import Category, Feature
from weighbridge.domain.serving.service import LoadedModel
from weighbridge.entrypoints.http.answers import OUTSIDE_HEADER
from weighbridge.entrypoints.http.inference_errors import ROOT, is_inference
from weighbridge.entrypoints.http.keys import OPEN_PATHS
from weighbridge.entrypoints.http.openapi import Document, json_response, problem_responses
from weighbridge.entrypoints.http.schemas import request_schema

#: A description and a schema, as ``json_response`` takes them.
Described: TypeAlias = tuple[str, Document]

#: The outputs of models: a number or a label, and for labels the probability of each level.
PREDICT, PREDICT_PROBA = "predict", "predict_proba"

_ERROR = "InferenceError"


def _object(properties: Document, *optional: str) -> Document:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required}


_TEXT: Document = {"type": "string"}
_TEXTS: Document = {"type": "array", "items": _TEXT}
_SHAPE: Document = {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 2}
#: Parameters that are heeded; others are passed over.
_FLAGS: dict[str, Document] = {
    name: {"type": "object", "properties": {name: {"type": ["boolean", "null"], "description": says}}}
    for name, says in (
        ("binary_data", "Whether this output is to come as bytes"),
        ("binary_data_output", "Whether outputs that do not say themselves are to come as bytes"),
    )
}
_DATA: Document = {"type": "array", "items": {"type": ["number", "string", "array"]}}
_TENSOR = _object(
    {"name": _TEXT, "datatype": _TEXT, "shape": _SHAPE, "parameters": {"type": "object"}}, "parameters"
)
_TENSORS: Document = {"type": "array", "items": _TENSOR}
_SLOT = _object({"name": _TEXT, "data_type": _TEXT, "dims": _SHAPE})

SERVER: Described = ("The server", _object({"name": _TEXT, "version": _TEXT, "extensions": _TEXTS}))
LIVE: Described = ("It runs", _object({"live": {"const": True}}))
READY: Described = ("A model is loaded", _object({"ready": {"const": True}}))
METADATA: Described = (
    "The model",
    _object({"name": _TEXT, "versions": _TEXTS, "platform": _TEXT, "inputs": _TENSORS, "outputs": _TENSORS}),
)
MODEL_READY: Described = ("It is loaded", _object({"name": _TEXT, "ready": {"const": True}}))
CONFIG: Described = (
    "The model",
    _object(
        {
            "name": _TEXT,
            "platform": _TEXT,
            "max_batch_size": {"type": "integer"},
            "version_policy": {"type": "object"},
            "input": {"type": "array", "items": _SLOT},
            "output": {"type": "array", "items": _SLOT},
        }
    ),
)
INDEX: Described = (
    "The models",
    {
        "type": "array",
        "items": _object(
            {"name": _TEXT, "version": _TEXT, "state": {"enum": ["READY", "UNAVAILABLE"]}, "reason": _TEXT}
        ),
    },
)

#: Of the readiness of the server, when it is not.
NOT_READY = json_response(
    "No model yet, or the process is stopping", _object({"ready": {"const": False}, "error": _TEXT}), status=503
)

_ANSWERED = _object(
    {
        "name": _TEXT,
        "datatype": {"enum": ["FP64", "BYTES"]},
        "shape": _SHAPE,
        "parameters": _object({"binary_data_size": {"type": "integer"}}),
        "data": _DATA,
    },
    "parameters",
    "data",
)
_RESPONSE = _object(
    {"model_name": _TEXT, "model_version": _TEXT, "id": _TEXT, "outputs": {"type": "array", "items": _ANSWERED}},
    "id",
)
_HEADER_LENGTH: Document = {
    "description": "Where the JSON ends; binary tensors follow it",
    "schema": {"type": "integer", "minimum": 0},
}
_REQUEST = (
    "The schema is that of one row; n rows are sent alike, with the shape [n] or [n, 1] and n values in each "
    "input. Instead of its data a tensor may have the parameter binary_data_size: its bytes follow the JSON, "
    "whose length the header Inference-Header-Content-Length then tells. The body may be gzip or deflate, "
    "as Content-Encoding tells. No Content-Type is asked for."
)


_PATH_PARAMETERS = {
    "name": "The task's name",
    "version": "Of the model, without the task; only the live one answers",
}


def inference_errors(*statuses: int) -> dict[int | str, Document]:
    """The errors that a route may answer with, for its ``responses``."""
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{_ERROR}"}}}
    return {status: response | {"content": content} for status, response in problem_responses(*statuses).items()}


def describe_inference(has_keys: bool, document: Document, loaded: LoadedModel | None) -> None:
    """Write into the OpenAPI document what the protocol's messages are for the live release."""
    error = _object({"error": {"type": "string", "description": "What is wrong, for people"}})
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas[_ERROR] = error | {"title": "What is wrong with a request"}
    for path, methods in document["paths"].items():
        if not is_inference(path):
            continue
        for operation in methods.values():
            needs_key = has_keys and path not in OPEN_PATHS
            names = [name for name in _PATH_PARAMETERS if f"{{{name}}}" in path]
            operation["parameters"] = [
                {
                    "name": name,
                    "in": "path",
                    "required": True,
                    "schema": _TEXT,
                    "description": _PATH_PARAMETERS[name],
                }
                for name in names
            ]
            more = inference_errors(*((401, 431) if needs_key else (431,)))
            operation["responses"] |= {str(status): response for status, response in more.items()}
            if path.endswith("/infer"):
                _describe_infer(operation, loaded)
    document["paths"][f"{ROOT}/repository/index"]["post"]["requestBody"] = {
        "required": False,
        "content": {
            "application/json": {"schema": {"type": "object", "properties": {"ready": {"type": "boolean"}}}}
        },
    }


def _describe_infer(operation: Document, loaded: LoadedModel | None) -> None:
    headers = {
        "Inference-Header-Content-Length": _HEADER_LENGTH,
        OUTSIDE_HEADER: {"description": "Features outside their range in training, by commas", "schema": _TEXT},
    }
    binary = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    content = {"application/json": {"schema": _RESPONSE}} | binary
    operation["responses"]["200"] = {"description": "The outputs", "content": content, "headers": headers}
    request: Document = {"schema": {"type": "object"}}
    if loaded is not None:
        request = {"schema": _request_schema(loaded), "example": _example(loaded)}
    operation["requestBody"] = {
        "required": True,
        "description": _REQUEST,
        "content": {"application/json": request},
    }


def _request_schema(loaded: LoadedModel) -> Document:
    """Of one row. No schema can say that a shape and the length of the data belong together."""
    cells = request_schema(loaded.schema)["properties"]
    tensors = [_tensor(feature, cells[feature.name]) for feature in loaded.schema.features]
    names = [PREDICT, PREDICT_PROBA] if isinstance(loaded.schema.target, Category) else [PREDICT]
    wanted = [
        _object({"name": {"const": name}, "parameters": _FLAGS["binary_data"]}, "parameters") for name in names
    ]
    return {
        "title": "An inference request of one row",
        **_object(
            {
                "id": {"type": ["string", "null"], "description": "Sent back"},
                "parameters": _FLAGS["binary_data_output"],
                "inputs": _tuple(tensors, len(tensors)) | {"description": "One for each feature, in any order"},
                "outputs": _tuple(wanted, 0) | {"description": "Those wanted; all of them when none is named"},
            },
            "id",
            "parameters",
            "outputs",
        ),
    }


def _tensor(feature: Feature, cell: Document) -> Document:
    others = (
        "" if isinstance(feature, Category) else "; FP32, FP16, INT8 to INT64 and UINT8 to UINT64 are taken too"
    )
    return _object(
        {
            "name": {"const": feature.name},
            "datatype": {"const": _datatype(feature), "description": f"{_datatype(feature)}{others}"},
            "shape": {
                "type": "array",
                "items": {"const": 1},
                "minItems": 1,
                "maxItems": 2,
                "description": "[n] or [n, 1], of n rows; every input has as many",
            },
            "data": {"type": "array", "items": cell, "minItems": 1, "maxItems": 1, "description": "n values"},
        }
    )


def _tuple(items: list[Document], least: int) -> Document:
    return {"type": "array", "prefixItems": items, "items": False, "minItems": least, "maxItems": len(items)}


def _example(loaded: LoadedModel) -> Document:
    record = loaded.release.record
    inputs: Any = record.golden[0].inputs if record.golden else {}
    return {
        "inputs": [
            {
                "name": feature.name,
                "shape": [1],
                "datatype": _datatype(feature),
                "data": [inputs.get(feature.name, feature.levels[0] if isinstance(feature, Category) else 0.0)],
            }
            for feature in loaded.schema.features
        ]
    }


def _datatype(feature: Feature) -> str:
    return "BYTES" if isinstance(feature, Category) else "FP64"
