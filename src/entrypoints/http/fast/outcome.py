"""What becomes of a request: an answer in any case, also where the application fails or has no more time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from http import HTTPStatus

from weighbridge.entrypoints.edge_events import RequestFailed
from weighbridge.entrypoints.http.asgi import App, Receive, Scope, Send
from weighbridge.entrypoints.http.errors import FAILED, ProblemResponse, RequestProblem
from weighbridge.entrypoints.logs import say

_STOPPING = RequestProblem(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "the service stops before this request is done; send it again",
    headers={"Retry-After": "1", "Connection": "close"},
)
_FAILED = RequestProblem(HTTPStatus.INTERNAL_SERVER_ERROR, FAILED, headers={"Connection": "close"})


@dataclass(slots=True)
class Outcome:
    """What has been sent of an answer: its status, 0 for nothing; and whether more of it is to come."""

    status: int = 0
    is_open: bool = True


async def whatever_happens(app: App, outcome: Outcome, scope: Scope, receive: Receive, send: Send) -> None:
    """Have an application answer; where it fails before it has begun to, answer with a problem."""
    try:
        await app(scope, receive, send)
    except asyncio.CancelledError:
        # The time that the process has to end is over.
        if outcome.status:
            raise
        await ProblemResponse(_STOPPING)(scope, receive, send)
    except Exception as error:
        if outcome.status:
            if outcome.is_open:
                # Half an answer is worth nothing: the connection is cut off.
                raise
            # It is answered and logged where it failed.
            return
        say(RequestFailed(scope["path"], scope["state"]["request_id"]), error)
        await ProblemResponse(_FAILED)(scope, receive, send)
