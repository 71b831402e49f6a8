"""JSON Schemas of answers that are the same whichever release is live, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

#: Of ``/livez``.
ALIVE: dict[str, Any] = {
    "title": "The process runs",
    "type": "object",
    "properties": {"status": {"const": "alive"}},
    "required": ["status"],
}

#: Of ``/readyz``, whether it is ready or not.
READINESS: dict[str, Any] = {
    "title": "What answers, and what keeps a newer model from answering",
    "type": "object",
    "properties": {
        "status": {"enum": ["ready", "no model is loaded", "stopping"]},
        "model_version": {"type": ["string", "null"], "description": "task/version of the model that answers"},
        "problem": {"type": ["string", "null"], "description": "Why the last look for a newer model failed"},
    },
    "required": ["status", "model_version", "problem"],
}

_OBJECTS = ("dataset", "code", "libraries", "training", "metrics", "decision", "model", "schema")
_LISTS = ("checks", "golden")
_FIELDS: dict[str, Any] = {
    "schema_version": {"type": "integer"},
    "task": {"type": "string"},
    "version": {"type": "string"},
    "created_at": {"type": "string", "format": "date-time"},
    **{name: {"type": "object"} for name in _OBJECTS},
    **{name: {"type": "array", "items": {"type": "object"}} for name in _LISTS},
}

#: A release record: the fields that every one has. There are more.
RECORD: dict[str, Any] = {
    "title": "Everything that is known of a release",
    "type": "object",
    "properties": _FIELDS,
    "required": list(_FIELDS),
}

#: Of ``/metrics``: the formats that may be asked for, as the content of a response.
EXPOSITIONS: dict[str, Any] = {
    media_type: {"schema": {"type": "string"}} for media_type in ("text/plain", "application/openmetrics-text")
}
