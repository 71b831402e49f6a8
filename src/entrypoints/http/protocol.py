"""HTTP/1.1 on one connection, with limits to how long and how large what comes in may be.

uvicorn limits neither the time in which a request has to arrive nor the bytes of its head. Here every connection
has a deadline, and one look at all of them a second finds those that have passed it: no request costs a timer.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from entrypoints.http.errors import MEDIA_TYPE, RequestProblem, problem_document

#: Set in the state of a request whose body did not come in time; what waits for it is woken up.
BODY_IS_LATE = "body_is_late"

#: A body that comes at least this quick, in bytes a second, is never late, however long it is.
SLOWEST_BODY = 65_536


@dataclass(frozen=True, slots=True)
class Limits:
    """What a connection is allowed.

    Args:
        head_bytes: of a request's head beyond the first packet; then 431.
        head_seconds: for a whole head; then 408, or nothing for who has sent nothing.
        body_seconds: for a body, and one second more for every SLOWEST_BODY bytes of it that have come.
        idle_seconds: between an answer and the next request.
    """

    head_bytes: int
    head_seconds: float
    body_seconds: float
    idle_seconds: float


class LimitedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with limits; ``check`` has to be called now and then."""

    def __init__(self, limits: Limits, **given: Any) -> None:
        super().__init__(**given)
        self._limits = limits
        #: When the state that the connection is in has to be over, by the clock of the loop.
        self._deadline = math.inf
        self._is_in_head = False
        self._head_bytes = 0

    def check(self, now: float) -> None:
        """Do what is to be done when the deadline has passed."""
        if now < self._deadline or self.transport.is_closing():
            return
        if self._is_in_head:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, "the head of the request did not come in time")
        elif self.cycle is None or self.cycle.response_complete:
            # Nothing was sent, or nothing more, or never the end of a request that was answered long ago.
            self.transport.close()
        elif self.flow.read_paused:
            # What has come is not used up yet: it is not the client who is slow.
            self._deadline = now + self._limits.body_seconds
        elif self.cycle.scope["state"].get(BODY_IS_LATE):
            # The application was told, and waits all the same.
            self.transport.close()
        else:
            self.cycle.scope["state"][BODY_IS_LATE] = True
            self.cycle.message_event.set()
            self._deadline = now + self._limits.body_seconds

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See uvicorn."""
        super().connection_made(transport)
        self._deadline = self.loop.time() + self._limits.head_seconds

    def data_received(self, data: bytes) -> None:
        """See uvicorn."""
        was_in_head = self._is_in_head
        super().data_received(data)
        if was_in_head and self._is_in_head:
            self._head_bytes += len(data)
            if self._head_bytes > self._limits.head_bytes:
                detail = f"the headers are longer than the {self._limits.head_bytes:,} bytes that are allowed"
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, detail)

    def on_message_begin(self) -> None:
        """See uvicorn."""
        super().on_message_begin()
        self._is_in_head = True
        self._head_bytes = 0
        self._deadline = self.loop.time() + self._limits.head_seconds

    def on_headers_complete(self) -> None:
        """See uvicorn."""
        self._is_in_head = False
        super().on_headers_complete()
        self._deadline = self.loop.time() + self._limits.body_seconds

    def on_body(self, body: bytes) -> None:
        """See uvicorn."""
        super().on_body(body)
        if not self.cycle.response_complete:
            self._deadline += len(body) / SLOWEST_BODY

    def on_message_complete(self) -> None:
        """See uvicorn."""
        super().on_message_complete()
        # From here on it is up to the application; once it has answered, to the client again.
        is_answered = self.cycle.response_complete
        self._deadline = self.loop.time() + self._limits.idle_seconds if is_answered else math.inf

    def on_response_complete(self) -> None:
        """As uvicorn's, but without a timer for each request."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        elif not (self._is_in_head or self.cycle.more_body):
            self._deadline = self.loop.time() + self._limits.idle_seconds

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, as a problem like any other."""
        self._refuse(HTTPStatus.BAD_REQUEST, msg)

    def _refuse(self, status: HTTPStatus, detail: str) -> None:
        """Answer a request that has not come as far as to the application, and hang up."""
        self._is_in_head = False
        self._deadline = math.inf
        if self.cycle is not None and not self.cycle.response_complete:
            if self.cycle.response_started:
                # This would go into the middle of an answer.
                self.transport.close()
                return
            # Whatever the application has to say comes too late.
            self.cycle.disconnected = True
        body = problem_document(RequestProblem(status, detail))
        head = f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        self.transport.write(STATUS_LINE[status] + head.encode() + body)
        self.transport.close()
