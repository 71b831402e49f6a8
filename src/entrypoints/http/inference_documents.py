"""The Open Inference Protocol in the OpenAPI document: schemas of its messages, and of its errors."""

from __future__ import annotations

from typing import Any, TypeAlias

from domain.schema import Category, Feature
from domain.serving import LoadedModel
from entrypoints.http.inference_errors import ROOT, is_inference
from entrypoints.http.keys import OPEN_PATHS
from entrypoints.http.openapi import Document, json_response, problem_responses
from entrypoints.http.routes import OUTSIDE_HEADER

#: A description and a schema, as ``json_response`` takes them.
Described: TypeAlias = tuple[str, Document]

_ERROR = "InferenceError"


def _object(properties: Document, *optional: str) -> Document:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required}


_TEXT: Document = {"type": "string"}
_TEXTS: Document = {"type": "array", "items": _TEXT}
_SHAPE: Document = {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 2}
_PARAMETERS: Document = {"type": ["object", "null"], "description": "Those that are not known are passed over"}
_FLAGGED: Document = {"type": "object", "properties": {"binary_data": {"type": ["boolean", "null"]}}}
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
_BINARY: Document = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}


def inference_errors(*statuses: int) -> dict[int | str, Document]:
    """The errors that a route may answer with, for its ``responses``."""
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{_ERROR}"}}}
    return {status: response | {"content": content} for status, response in problem_responses(*statuses).items()}


def describe_inference(has_keys: bool, document: Document, loaded: LoadedModel | None) -> None:
    """Write into the OpenAPI document what the protocol's messages are for the live release."""
    error = _object({"error": {"type": "string", "description": "What is wrong, for people"}})
    document["components"]["schemas"][_ERROR] = error | {"title": "What is wrong with a request"}
    for path, methods in document["paths"].items():
        if not is_inference(path):
            continue
        for operation in methods.values():
            needs_key = has_keys and path not in OPEN_PATHS
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
    content = {"application/json": {"schema": _RESPONSE}} | _BINARY
    operation["responses"]["200"] = {"description": "The outputs", "content": content, "headers": headers}
    request: Document = {"schema": _request_schema(loaded)}
    if loaded is not None:
        request["example"] = _example(loaded)
    operation["requestBody"] = {"required": True, "content": {"application/json": request} | _BINARY}
    operation["parameters"] = [
        *operation["parameters"],
        {"name": "Inference-Header-Content-Length", "in": "header", "required": False, **_HEADER_LENGTH},
    ]


def _request_schema(loaded: LoadedModel | None) -> Document:
    features = loaded.schema.features if loaded else ()
    tensor = _object(
        {
            "name": {"enum": [feature.name for feature in features]} if features else _TEXT,
            "datatype": {"enum": sorted({_datatype(feature) for feature in features})} if features else _TEXT,
            "shape": {**_SHAPE, "description": "[n] or [n, 1], of n rows; every input has as many"},
            "data": {**_DATA, "description": "n values; absent when the tensor is binary"},
            "parameters": _PARAMETERS,
        },
        "data",
        "parameters",
    )
    wanted = _object({"name": _TEXT, "parameters": _FLAGGED}, "parameters")
    inputs: Document = {"type": "array", "items": tensor, "description": "One for each feature"}
    return {
        "title": "An inference request",
        **_object(
            {
                "id": {"type": ["string", "null"], "description": "Sent back"},
                "parameters": _PARAMETERS,
                "inputs": inputs | ({"minItems": len(features), "maxItems": len(features)} if features else {}),
                "outputs": {"type": ["array", "null"], "items": wanted, "description": "All, when none is named"},
            },
            "id",
            "parameters",
            "outputs",
        ),
    }


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
