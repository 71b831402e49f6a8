"""Errors as problem documents (RFC 9457): the one table from what went wrong to what a client sees."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from entrypoints.http.inference_errors import inference_error, is_inference

MEDIA_TYPE = "application/problem+json"

#: The status of a request whose client went away before it was there as a whole, as nginx has it.
CLIENT_HUNG_UP = 499

#: What of an offending value is repeated in an answer, in characters.
_SHOWN = 100

#: How many faults an answer lists.
_LISTED = 100


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


def problem_response(problem: RequestProblem) -> Response:
    """The problem document and its status; under ``/v2``, an Open Inference Protocol error."""
    return _ProblemResponse(problem)


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
            "field": _show(".".join(str(part) for part in fault["loc"])) if fault["loc"] else None,
            "message": fault["msg"],
            "found": _show(fault["input"]) if fault["loc"] and fault["type"] != "missing" else None,
        }
        for fault in faults[:_LISTED]
    ]
    said = [str(one["message"]) if one["field"] is None else f"{one['field']}: {one['message']}" for one in errors]
    if len(faults) > _LISTED:
        said.append(f"and {len(faults) - _LISTED} more")
    return RequestProblem(HTTPStatus.UNPROCESSABLE_ENTITY, "; ".join(said), errors)


def install_error_handlers(app: FastAPI) -> None:
    """Answer every error of ``app`` with a problem document; what is a bug of ours is logged, and not shown."""

    async def on_problem(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestProblem)
        return problem_response(error)

    async def on_http(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return problem_response(RequestProblem(error.status_code, str(error.detail), headers=error.headers))

    async def on_parameters(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        faults = [
            {
                "field": ".".join(map(str, fault["loc"])),
                "message": fault["msg"],
                "found": _show(fault.get("input")),
            }
            for fault in error.errors()[:_LISTED]
        ]
        said = "; ".join(f"{fault['field']}: {fault['message']}" for fault in faults)
        return problem_response(RequestProblem(HTTPStatus.UNPROCESSABLE_ENTITY, said, faults))

    async def on_hang_up(*_: object) -> Response:
        # Nobody hears it; it is what is counted.
        return Response(status_code=CLIENT_HUNG_UP)

    async def on_bug(request: Request, error: Exception) -> Response:
        logging.getLogger("weighbridge").error("a request to %s failed", request.url.path, exc_info=error)
        detail = "the service failed; its log says why"
        return problem_response(RequestProblem(HTTPStatus.INTERNAL_SERVER_ERROR, detail))

    app.add_exception_handler(RequestProblem, on_problem)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(ClientDisconnect, on_hang_up)
    app.add_exception_handler(RequestValidationError, on_parameters)
    app.add_exception_handler(Exception, on_bug)


class _ProblemResponse(Response):
    def __init__(self, problem: RequestProblem) -> None:
        super().__init__(problem_document(problem), problem.status, headers=problem.headers, media_type=MEDIA_TYPE)
        self._problem = problem

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if is_inference(scope["path"]):
            await inference_error(self._problem)(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def _show(value: object) -> Any:
    """What was found, as JSON can hold it, and not longer than it is useful."""
    if value is None or isinstance(value, bool):
        return value
    text = value if isinstance(value, str) else repr(value)
    if len(text) > _SHOWN:
        return f"{text[:_SHOWN]}..."
    return text if isinstance(value, str) or not isinstance(value, int) else value
