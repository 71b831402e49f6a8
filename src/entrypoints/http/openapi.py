"""The OpenAPI document: what FastAPI knows, the live release's schema, and what the front adds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from http import HTTPStatus
from typing import Any, TypeAlias

from fastapi import FastAPI

from weighbridge.domain.serving.service import LoadedModel, PredictionService
from weighbridge.entrypoints.http.errors import MEDIA_TYPE
from weighbridge.entrypoints.http.keys import OPEN_PATHS

Document: TypeAlias = dict[str, Any]

#: Writes what depends on the live release, or on there being none, into a whole document.
Describe: TypeAlias = Callable[[Document, LoadedModel | None], None]

_PROBLEM = "Problem"

#: What clients see of an error, whichever route it comes from (RFC 9457).
PROBLEM_SCHEMA: Document = {
    "title": "What is wrong with a request",
    "type": "object",
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "const": "about:blank"},
        "title": {"type": "string", "description": "The name of the status"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "description": "What is wrong, for people"},
        "errors": {
            "type": "array",
            "description": "Each fault of the input",
            "items": {
                "type": "object",
                "properties": {
                    "row": {"type": ["integer", "null"], "description": "Of many rows; 1 for the first"},
                    "field": {"type": ["string", "null"], "description": "null for the body as a whole"},
                    "message": {"type": "string"},
                    "found": {"description": "What was sent instead, shortened"},
                },
                "required": ["field", "message", "found"],
            },
        },
    },
    "required": ["type", "title", "status", "detail"],
}

_REQUEST_ID: Document = {
    "description": "The request's own X-Request-Id, or one that was made for it",
    "required": True,
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9._:/+=@-]{1,128}$"},
}

#: Headers that come with a problem of this status.
_HEADERS: dict[int, Document] = {
    401: {"WWW-Authenticate": {"required": True, "schema": {"type": "string", "const": "Bearer"}}},
    503: {
        "Retry-After": {
            "description": "In so many seconds",
            "required": True,
            "schema": {"type": "integer", "minimum": 1},
        }
    },
}


def problem_responses(*statuses: int) -> dict[int | str, Document]:
    """The problem documents that a route may answer with, for its ``responses``."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{_PROBLEM}"}}},
            **({"headers": _HEADERS[status]} if status in _HEADERS else {}),
        }
        for status in statuses
    }


def json_response(
    description: str, schema: Document, headers: Document | None = None, status: int = HTTPStatus.OK
) -> dict[int | str, Document]:
    """An answer in JSON, for a route's ``responses``."""
    content = {"application/json": {"schema": schema}}
    return {status: {"description": description, "content": content, "headers": headers or {}}}


def install_openapi(
    app: FastAPI, service: PredictionService, describe: Sequence[Describe], *, has_keys: bool
) -> None:
    """Have ``app`` serve a document that is complete.

    Args:
        app: with all its routes.
        service: whose live release the document is about.
        describe: called in turn each time the live release has changed.
        has_keys: whether a key is asked for.
    """
    generate = app.openapi
    made: tuple[LoadedModel | None, Document] | None = None

    def openapi() -> Document:
        nonlocal made
        loaded = service.loaded
        if made is None or made[0] is not loaded:
            app.openapi_schema = None
            document = generate()
            app.openapi_schema = None
            for each in describe:
                each(document, loaded)
            _add_what_the_front_answers(document, has_keys)
            made = loaded, document
        return made[1]

    app.openapi = openapi  # type: ignore[method-assign]


def describe_server(root_path: str, document: Document, _: LoadedModel | None) -> None:
    """Write below which path a proxy offers the service; nothing for none."""
    if root_path:
        document["servers"] = [{"url": root_path}]


def _add_what_the_front_answers(document: Document, has_keys: bool) -> None:
    components = document.setdefault("components", {})
    components.setdefault("schemas", {})[_PROBLEM] = PROBLEM_SCHEMA
    components["headers"] = {"X-Request-Id": _REQUEST_ID}
    if has_keys:
        components["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer"},
            "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        }
    for path, operation in _operations(document):
        responses = operation["responses"]
        needs_key = has_keys and path not in OPEN_PATHS
        if needs_key:
            operation["security"] = [{"bearer": []}, {"key": []}]
        # What is said of a status already is more to the point.
        for status, response in problem_responses(*((401, 431) if needs_key else (431,))).items():
            responses.setdefault(str(status), response)
        for response in responses.values():
            response["headers"] = {
                **response.get("headers", {}),
                "X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"},
            }


def _operations(document: Document) -> Iterator[tuple[str, Document]]:
    for path, methods in document["paths"].items():
        for operation in methods.values():
            yield path, operation
