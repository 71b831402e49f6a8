"""HTTP/1.1 on one connection: with limits to what comes in, and without detours for what can be answered at once.

uvicorn limits neither the time in which a request has to arrive nor the bytes of its head. Here every connection
has a deadline, and one look at all of them a second finds those that have passed it: no request costs a timer.

A request that has come as a whole, and whose answer takes microseconds, is answered before the server makes a
task, messages and an event of it, which costs more than the answer.

What is sent in advance is bounded as well: while a request is answered, no more than one slice of those behind it
is looked at, and nothing is read. A request is refused in its turn, behind the answers to those before it.
"""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress
from http import HTTPStatus
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from weighbridge.entrypoints.http.asgi import Scope
from weighbridge.entrypoints.http.errors import MEDIA_TYPE, RequestProblem, problem_document
from weighbridge.entrypoints.http.fast.flow import SLOWEST, Flow
from weighbridge.entrypoints.http.fast.heads import too_long
from weighbridge.entrypoints.http.fast.hosts import AllowedHosts
from weighbridge.entrypoints.http.fast.limits import AtOnce, Limits, Refused
from weighbridge.entrypoints.http.fast.strict_protocol import StrictProtocol
from weighbridge.entrypoints.http.lifecycle import Lifecycle

#: Set in the state of a request whose body did not come in time; what waits for it is woken up.
BODY_IS_LATE = "body_is_late"

#: What of a refused request's target is told, in bytes.
_SHOWN = 200

#: Bytes that are parsed at once.
_SLICE = 1 << 16


class LimitedProtocol(StrictProtocol):
    """uvicorn's protocol with limits, and a way to answer at once; ``check`` has to be called now and then.

    Args:
        limits: what a connection is allowed.
        at_once: answers what takes microseconds; None for never.
        lifecycle: of the process; once it is stopping, a connection is closed after its next answer.
        hosts: that requests may name; None for any.
        refused: told of what is refused here; None for nobody.
        given: for uvicorn.
    """

    flow: Flow

    def __init__(
        self,
        limits: Limits,
        at_once: AtOnce | None,
        lifecycle: Lifecycle,
        hosts: AllowedHosts | None = None,
        refused: Refused | None = None,
        **given: Any,
    ) -> None:
        super().__init__(limits, hosts, **given)
        self._at_once = at_once
        self._lifecycle = lifecycle
        self._refused = refused
        #: When the state that the connection is in has to be over, by the clock of the loop.
        self._deadline = math.inf
        self._is_feeding = False
        self._due: tuple[RequestResponseCycle, Any] | None = None
        #: What is answered now, which need not be what has come last.
        self._active: RequestResponseCycle | None = None
        #: What was read and is not parsed yet, and what the last answer will be, behind those that are due.
        self._unread = b""
        self._refusal: RequestProblem | None = None
        #: The server's own headers, which change every second, and how they are written.
        self._written: tuple[Any, bytes] = (None, b"")

    def check(self, now: float) -> None:
        """Do what is to be done when the deadline has passed."""
        if self.transport.is_closing():
            # What is written last has its time as well.
            self._deadline = min(self._deadline, now + self._limits.write_seconds)
        if self.flow.is_late(now) or (self.transport.is_closing() and now >= self._deadline):
            self._give_up()
            self.transport.abort()
        if self.transport.is_closing():
            return
        if now < self._deadline or self._refusal is not None:
            return
        if self._is_in_head:
            late = "the head of the request did not come in time"
            self._refuse(RequestProblem(HTTPStatus.REQUEST_TIMEOUT, late))
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
        """Begin with a connection: the head of the first request has its time from now on."""
        super().connection_made(transport)
        self.flow = Flow(transport, self._limits.write_seconds, self.loop.time)
        self._deadline = self.loop.time() + self._limits.head_seconds

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever answers that nobody is there any more."""
        self._give_up()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what has come, and begin to answer a request that is there as a whole."""
        if len(data) <= _SLICE and not self._unread and self._refusal is None:
            self._feed(data)
        else:
            rest, self._unread = self._unread + data, b""
            while rest and not self.pipeline and not self._is_over():
                self._feed(rest[:_SLICE])
                rest = rest[_SLICE:]
            self._unread = rest
        if self.pipeline or self._unread:
            self.flow.pause_reading()
            self.flow.is_held = True

    def on_response_complete(self) -> None:
        """Go on with the next request, without a timer for each."""
        self.server_state.total_requests += 1
        self.flow.is_new = True
        if self.transport.is_closing():
            return
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
            if not self.pipeline and cycle.more_body:
                self._go_on()
            return
        if self._refusal is not None:
            self._write_refusal(self._refusal)
            return
        if self.flow.is_held or self.flow.read_paused:
            self._go_on()
        if not (self._is_in_head or self.cycle.more_body):
            self._deadline = self.loop.time() + self._limits.idle_seconds

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, as a problem like any other."""
        self._refuse(RequestProblem(HTTPStatus.BAD_REQUEST, msg))

    def _is_over(self) -> bool:
        """Whether nothing that comes is read any more."""
        return self._refusal is not None or self.transport.is_closing()

    @property
    def _is_in_head(self) -> bool:
        """Whether a request has begun whose head is not there as a whole."""
        return self.scope is not None and (self.cycle is None or self.cycle.scope is not self.scope)

    def _go_on(self) -> None:
        """Read what comes next: what has come already, or what is to come."""
        self.flow.is_held = False
        if self._unread:
            self.loop.call_soon(self._read_on)
        else:
            self.flow.resume_reading()

    def _read_on(self) -> None:
        """Parse what has waited for answers to those before it."""
        if not self._is_over():
            data, self._unread = self._unread, b""
            self.data_received(data)

    def _feed(self, data: bytes) -> None:
        self._is_feeding, self._slice, self._taken = True, len(data), 0
        before = self.cycle if self._is_head_whole else None
        self._parse(data)
        self._is_feeding = False
        due, self._due = self._due, None
        cycle = self.cycle
        if self._refusal is not None:
            self._deadline = math.inf
        elif cycle is None or cycle.scope is not self.scope or cycle.more_body:
            self._set_deadline(len(data), before)
        else:
            # From here on it is up to the application; once it has answered, to the client again.
            self._deadline = math.inf
        if due is not None and not self.transport.is_closing():
            self._begin(*due)

    def _set_deadline(self, received: int, before: object) -> None:
        """See to a request that is not there as a whole.

        Args:
            received: how many bytes have just come.
            before: the request whose body they began with, if any.
        """
        limits = self._limits
        if self._is_in_head:
            if self._latest is not self.scope:
                self._latest, self._head_bytes = self.scope, 0
                self._deadline = self.loop.time() + limits.head_seconds
                return
            self._head_bytes += received
            if self._head_bytes > limits.head_bytes:
                self._refuse(too_long(limits.head_bytes))
        elif self.cycle is not None:
            if before is self.cycle:
                self._framing += max(0, received - self._taken)
                if self._framing > limits.head_bytes:
                    self._refuse(too_long(limits.head_bytes))
                    return
            if self._latest is not self.cycle:
                self._latest = self.cycle
                self._deadline = self.loop.time() + limits.body_seconds
                received = len(self.cycle.body)
            if not self.cycle.response_complete:
                self._deadline += received / SLOWEST

    def _give_up(self) -> None:
        self.pipeline.clear()
        if self._active is not None and not self._active.response_complete:
            self._active.disconnected = True
            self._active.message_event.set()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._active = cycle
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

    def _refuse(self, problem: RequestProblem) -> None:
        """Answer the request that is coming in with a problem, in its turn, and hang up."""
        cycle = self.cycle
        self._refusal = problem
        if cycle is None or self._is_in_head or not cycle.more_body:
            # Whatever was asked before it is answered first.
            if cycle is None or cycle.response_complete:
                self._write_refusal(problem)
        elif self.pipeline:
            self.pipeline.popleft()
        elif cycle.response_started:
            # It has its answer, or the problem would go into the middle of one.
            self.transport.close()
        else:
            # Whatever the application has to say comes too late.
            self._due = None
            cycle.disconnected = True
            cycle.message_event.set()
            self._write_refusal(problem)

    def _write_refusal(self, problem: RequestProblem) -> None:
        self._deadline = math.inf
        told = b""
        if self._refused is not None:
            is_known = self._is_in_head or (self.cycle is not None and self.cycle.more_body)
            scope: dict[str, Any] = {"client": self.client}
            if is_known:
                # A path may be as long as a head may; no log line needs to be.
                scope |= self.scope | {"path": self.url[:_SHOWN].decode("latin-1")}
                if self._is_head_whole:
                    scope["method"] = self.parser.get_method().decode()
            told = b"x-request-id: %b\r\n" % self._refused(scope, problem.status)
        body = problem_document(problem)
        head = f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        self.transport.write(STATUS_LINE[problem.status] + told + head.encode() + body)
        self.transport.close()
