"""Errors as problem documents (RFC 9457). Nothing here needs the framework, which is imported later."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from pydantic import ValidationError

from weighbridge.entrypoints.http.asgi import Receive, Scope, Send
from weighbridge.entrypoints.http.inference_errors import inference_error, is_inference

MEDIA_TYPE = "application/problem+json"

#: The detail of every 500.
FAILED = "the service failed; its log says why, under the id of the request"

#: What of an offending value is repeated in an answer, in characters.
_SHOWN = 100

#: How many faults an answer lists.
LISTED = 100


class RequestProblem(Exception):
    """A request that is answered with a problem document.

    Args:
        status: the HTTP status.
        detail: what is wrong with this request, for people.
        errors: for bad input, each fault with its ``field``, a ``message`` and what was ``found``.
        headers: to send along.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        errors: list[dict[str, Any]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = errors
        self.headers = headers


class ProblemResponse:
    """An ASGI application that answers with the problem; under ``/v2``, in the words of its protocol."""

    def __init__(self, problem: RequestProblem) -> None:
        self._problem = problem

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Answer whatever was asked."""
        problem = self._problem
        if is_inference(scope["path"]):
            # Nothing more than that: clients compare it.
            media_type, body = "application/json", inference_error(problem.detail)
        else:
            media_type, body = MEDIA_TYPE, problem_document(problem)
        headers = {"content-type": media_type, "content-length": str(len(body)), **(problem.headers or {})}
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": problem.status, "headers": raw})
        await send({"type": "http.response.body", "body": body})


def problem_document(problem: RequestProblem) -> bytes:
    """The problem document (RFC 9457)."""
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
    }
    if problem.errors is not None:
        document["errors"] = problem.errors
    return json.dumps(document, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")


def bad_row(error: ValidationError) -> RequestProblem:
    """The problem of a row that its schema does not admit: each fault by field, up to a hundred of them."""
    faults = error.errors(include_url=False, include_context=False)
    errors = [
        {
            "field": show(".".join(str(part) for part in fault["loc"])) if fault["loc"] else None,
            "message": fault["msg"],
            "found": show(fault["input"]) if fault["loc"] and fault["type"] != "missing" else None,
        }
        for fault in faults[:LISTED]
    ]
    said = [str(one["message"]) if one["field"] is None else f"{one['field']}: {one['message']}" for one in errors]
    if len(faults) > LISTED:
        said.append(f"and {len(faults) - LISTED} more")
    return RequestProblem(HTTPStatus.UNPROCESSABLE_ENTITY, "; ".join(said), errors)


def show(value: object) -> Any:
    """What was found, as JSON can hold it, and not longer than it is useful."""
    if value is None or isinstance(value, bool):
        return value
    text = value if isinstance(value, str) else repr(value)
    if len(text) > _SHOWN:
        return f"{text[:_SHOWN]}..."
    return text if isinstance(value, str) or not isinstance(value, int) else value
