"""HTTP/1.1 on one connection: with limits to what comes in, and without detours for what can be answered at once.

uvicorn limits neither the time in which a request has to arrive nor the bytes of its head. Here every connection
has a deadline, and one look at all of them a second finds those that have passed it: no request costs a timer.

A request that has come as a whole, and whose answer takes microseconds, is answered before the server makes a
task, messages and an event of it, which costs more than the answer.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeAlias, cast

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from weighbridge.entrypoints.http.asgi import Scope
from weighbridge.entrypoints.http.errors import MEDIA_TYPE, RequestProblem, problem_document
from weighbridge.entrypoints.http.lifecycle import Lifecycle

AtOnce: TypeAlias = Callable[[Scope, bytearray], bytes | None]

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
    """uvicorn's protocol with limits, and a way to answer at once; ``check`` has to be called now and then.

    Args:
        limits: what a connection is allowed.
        at_once: given the scope and the whole body of a request, the headers and the body of its answer, whose
            status is 200; None for whatever takes longer, and for every other status: the application answers it.
            None for never.
        lifecycle: of the process; once it is stopping, a connection is closed after its next answer.
        given: for uvicorn.
    """

    def __init__(self, limits: Limits, at_once: AtOnce | None, lifecycle: Lifecycle, **given: Any) -> None:
        super().__init__(**given)
        self._limits = limits
        self._at_once = at_once
        self._lifecycle = lifecycle
        #: When the state that the connection is in has to be over, by the clock of the loop.
        self._deadline = math.inf
        #: Of the request that is coming in.
        self._head_bytes = 0
        self._latest: object = None
        self._is_feeding = False
        self._due: tuple[RequestResponseCycle, Any] | None = None
        #: The server's own headers, which change every second, and how they are written.
        self._written: tuple[Any, bytes] = (None, b"")

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
        self._is_feeding = True
        self._parse(data)
        self._is_feeding = False
        due, self._due = self._due, None
        cycle = self.cycle
        if cycle is None or cycle.scope is not self.scope or cycle.more_body:
            self._set_deadline(len(data))
        else:
            # From here on it is up to the application; once it has answered, to the client again.
            self._deadline = math.inf
        if due is not None and not self.transport.is_closing():
            self._begin(*due)

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

    @property
    def _is_in_head(self) -> bool:
        """Whether a request has begun whose head is not there as a whole."""
        return self.scope is not None and (self.cycle is None or self.cycle.scope is not self.scope)

    def _parse(self, data: bytes) -> None:
        """Take in what has come, as uvicorn does, but have nobody change the protocol (RFC 9110, 7.8).

        The parser passes over the body of who wants to, and loses what comes with it: such a request is begun
        anew without the wish, and the very bytes that follow its head follow it again.
        """
        pieces: list[bytes | memoryview] = [data]
        try:
            while pieces:
                piece = pieces.pop()
                try:
                    self.parser.feed_data(piece)
                except httptools.HttpParserUpgrade as found:
                    if not self._should_upgrade():
                        # After a CONNECT come bytes for somebody else, to whom nobody is connected here.
                        self.cycle.keep_alive = False
                        return
                    pieces += memoryview(piece)[found.args[0] :], self._head_without_upgrade()
                    # That parser may be done with the connection; this one is like it, as uvicorn makes it.
                    self.parser = httptools.HttpRequestParser(self)
                    self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        except httptools.HttpParserError:
            msg = "Invalid HTTP request received."
            self.logger.warning(msg)
            self.send_400_response(msg)

    def _should_upgrade(self) -> bool:
        """Asked when the parser thinks so; if so, uvicorn makes nothing of the request."""
        return self.scope["method"] != "CONNECT"

    def _head_without_upgrade(self) -> bytes:
        method, version = self.scope["method"].encode(), self.scope["http_version"].encode()
        headers = (b"%b: %b\r\n" % header for header in self.headers if header[0] != b"upgrade")
        return b"%b %b HTTP/%b\r\n%b\r\n" % (method, self.url, version, b"".join(headers))

    def _set_deadline(self, received: int) -> None:
        """See to a request that has not come as a whole, of which so many bytes have just come."""
        limits = self._limits
        if self._is_in_head:
            if self._latest is not self.scope:
                self._latest, self._head_bytes = self.scope, 0
                self._deadline = self.loop.time() + limits.head_seconds
                return
            self._head_bytes += received
            if self._head_bytes > limits.head_bytes and not self.transport.is_closing():
                detail = f"the headers are longer than the {limits.head_bytes:,} bytes that are allowed"
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, detail)
        elif self.cycle is not None:
            if self._latest is not self.cycle:
                self._latest = self.cycle
                self._deadline = self.loop.time() + limits.body_seconds
                received = len(self.cycle.body)
            if not self.cycle.response_complete:
                self._deadline += received / SLOWEST_BODY

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        if self._is_feeding:
            # Once all that has come is read, it can be seen whether there is anything to wait for.
            self._due = cycle, app
        else:
            super()._start_asgi_task(cycle, app)

    def _begin(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Answer a request at once, or have the application answer it."""
        if self._lifecycle.is_stopping:
            cycle.keep_alive = False
        answer: bytes | None = None
        if self._at_once and cycle.keep_alive and not (cycle.more_body or self.flow.write_paused):
            # What fails here fails in the application as well, which knows what to say.
            with suppress(Exception):
                answer = self._at_once(cast("Scope", cycle.scope), cycle.body)
        if answer is None:
            super()._start_asgi_task(cycle, app)
            return
        cycle.response_started = cycle.response_complete = True
        headers = self.server_state.default_headers
        if self._written[0] is not headers:
            lines = b"".join(b"%b: %b\r\n" % header for header in headers)
            self._written = headers, STATUS_LINE[HTTPStatus.OK] + lines
        self.transport.write(self._written[1] + answer)
        self.on_response_complete()

    def _refuse(self, status: HTTPStatus, detail: str) -> None:
        """Answer a request that has not come as far as to the application, and hang up."""
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
