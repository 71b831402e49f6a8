"""From what went wrong in the framework to what a client sees: the one table."""

from __future__ import annotations

from http import HTTPStatus
from typing import cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from weighbridge.entrypoints.edge_events import RequestFailed
from weighbridge.entrypoints.http.errors import FAILED, LISTED, ProblemResponse, RequestProblem, show
from weighbridge.entrypoints.logs import say

#: The status of a request whose client went away before it was there as a whole, as nginx has it.
CLIENT_HUNG_UP = 499


def install_error_handlers(app: FastAPI) -> None:
    """Answer every error of ``app`` with a problem document; what is a bug of ours is logged, and not shown."""

    async def on_problem(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestProblem)
        return _response(error)

    async def on_http(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return _response(RequestProblem(error.status_code, str(error.detail), headers=error.headers))

    async def on_parameters(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        faults = [
            {
                "field": ".".join(map(str, fault["loc"])),
                "message": fault["msg"],
                "found": show(fault.get("input")),
            }
            for fault in error.errors()[:LISTED]
        ]
        said = "; ".join(f"{fault['field']}: {fault['message']}" for fault in faults)
        return _response(RequestProblem(HTTPStatus.UNPROCESSABLE_ENTITY, said, faults))

    async def on_hang_up(*_: object) -> Response:
        # Nobody hears it; it is what is counted.
        return Response(status_code=CLIENT_HUNG_UP)

    async def on_bug(request: Request, error: Exception) -> Response:
        say(RequestFailed(request.url.path, getattr(request.state, "request_id", "")), error)
        return _response(RequestProblem(HTTPStatus.INTERNAL_SERVER_ERROR, FAILED))

    app.add_exception_handler(RequestProblem, on_problem)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(ClientDisconnect, on_hang_up)
    app.add_exception_handler(RequestValidationError, on_parameters)
    app.add_exception_handler(Exception, on_bug)


def _response(problem: RequestProblem) -> Response:
    # Of a response, the framework asks no more than that it is called.
    return cast("Response", ProblemResponse(problem))
