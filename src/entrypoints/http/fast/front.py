"""What stands before the application: ids, keys, headers and counts for every request, and the quick way to a
prediction.

One row as JSON to the task's route is answered here, without the application's routing; everything else, and
whatever is wrong with such a request, is passed on to the application, whose own route of the same path gives
the same answers. So there is one place for errors, and the OpenAPI document describes both.
"""

from __future__ import annotations

import itertools
import re
import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager
from http import HTTPStatus
from time import perf_counter

from pydantic import ValidationError

from weighbridge.domain.errors import WeighbridgeError
from weighbridge.domain.serving.row_predictor import PredictedRow
from weighbridge.domain.serving.telemetry import ServingTelemetry
from weighbridge.entrypoints.http.access_log import AccessLog
from weighbridge.entrypoints.http.answers import OUTSIDE_HEADER, Answers, LiveAnswers, names_in_header
from weighbridge.entrypoints.http.asgi import Message, Receive, Scope, Send
from weighbridge.entrypoints.http.errors import ProblemResponse, RequestProblem
from weighbridge.entrypoints.http.fast.deferred import Deferred
from weighbridge.entrypoints.http.fast.protocol import BODY_IS_LATE
from weighbridge.entrypoints.http.keys import OPEN_PATHS, ApiKeys
from weighbridge.entrypoints.http.paths import is_page

_OUTSIDE = OUTSIDE_HEADER.lower().encode()

_NO_SNIFFING = (b"x-content-type-options", b"nosniff")
_NO_STORE = (b"cache-control", b"no-store")
_NO_FRAMES = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")

#: Headers and body of an answer, as they are written.
_WHOLE = (
    b"content-type: application/json\r\nx-content-type-options: nosniff\r\n"
    b"x-request-id: %b\r\ncontent-length: %d\r\n%b\r\n%b"
)

_HANG_UP = {"Connection": "close"}

_JSON = frozenset({b"application/json", b"application/json; charset=utf-8"})
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Front:
    """An ASGI application before another.

    Args:
        app: answers everything but the quick way.
        background: what goes on beside the answers, from the server's start to its end.
        path: of the route that predicts one row.
        answers: of the live model.
        telemetry: told of every request.
        keys: who may ask.
        max_body_bytes: a longer body is left to the application to refuse.
        max_header_bytes: names and values of a request's headers; more are refused with 431.
        access_log: told of every answer; None for none.
    """

    def __init__(
        self,
        app: Deferred,
        *,
        background: Callable[[], AbstractContextManager[None]],
        path: str,
        answers: LiveAnswers,
        telemetry: ServingTelemetry,
        keys: ApiKeys,
        max_body_bytes: int,
        max_header_bytes: int,
        access_log: AccessLog | None = None,
    ) -> None:
        self._app = app
        self._background = background
        self._path = path
        self._answers = answers
        self._telemetry = telemetry
        self._keys = keys or None
        self._max_body_bytes = max_body_bytes
        self._max_header_bytes = max_header_bytes
        self._access_log = access_log
        self._start = [(b"content-type", b"application/json"), _NO_SNIFFING]
        # Ids are unique: random for the process, counted within it.
        self._id_prefix = secrets.token_hex(8).encode()
        self._ids = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass on whatever else a server has to say."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        started = perf_counter()
        headers: dict[bytes, bytes] = dict(scope["headers"])
        request_id = self._request_id(headers)
        if scope["path"] == self._path and self._is_row(scope, headers):
            message = await receive()
            answers = self._answers.now()
            if answers is not None and not message.get("more_body") and message["type"] == "http.request":
                found = await self._predict(answers, message["body"], request_id)
                if found is not None:
                    answer, outside = found
                    content = answers.write(answer)
                    start = [
                        *self._start,
                        (b"x-request-id", request_id),
                        (b"content-length", b"%d" % len(content)),
                    ]
                    if outside:
                        start.append((_OUTSIDE, names_in_header(outside)))
                    await send({"type": "http.response.start", "status": 200, "headers": start})
                    await send({"type": "http.response.body", "body": content})
                    self._count(scope, request_id, started)
                    return
            receive = _again(message, receive)
        await self._pass_on(scope, headers, receive, send, request_id, started)

    def at_once(self, scope: Scope, body: bytearray) -> bytes | None:
        """Headers and body of the answer to a good row, as bytes, when the model is quick; None for all else."""
        if scope["path"] != self._path:
            return None
        answers = self._answers.now()
        if answers is None or not answers.is_instant or len(body) > self._max_body_bytes:
            return None
        started = perf_counter()
        headers: dict[bytes, bytes] = dict(scope["headers"])
        if not self._is_row(scope, headers):
            return None
        request_id = self._request_id(headers)
        try:
            answer, outside = answers.predict_now(answers.read(body), request_id.decode())
        except (ValidationError, WeighbridgeError):
            return None
        content = answers.write(answer)
        more = b"%b: %b\r\n" % (_OUTSIDE, names_in_header(outside)) if outside else b""
        self._count(scope, request_id, started)
        return _WHOLE % (request_id, len(content), more, content)

    def refused(self, scope: Scope, status: int) -> bytes:
        """Count and log a request that does not get as far as here; its id.

        Args:
            scope: what is known of the request: ``method`` and ``path`` may be missing.
            status: of its answer.
        """
        request_id = self._request_id(dict(scope.get("headers", ())))
        told = {"client": scope.get("client"), "method": scope.get("method", "-"), "path": scope.get("path", "")}
        self._telemetry.answered(_known_method(told["method"]), "unmatched", status, 0.0)
        if self._access_log is not None:
            self._access_log.add(told, status, 0.0, request_id)
        return request_id

    def prepare(self) -> None:
        """Build what answers everything but the quick way, which is else built when it is first needed."""
        self._app.now()

    async def _live(self, receive: Receive, send: Send) -> None:
        """Begin and end when the server does."""
        with self._background():
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    def _request_id(self, headers: dict[bytes, bytes]) -> bytes:
        given = headers.get(b"x-request-id")
        if given is not None and _REQUEST_ID.fullmatch(given):
            return given
        return b"%b-%x" % (self._id_prefix, next(self._ids))

    def _is_row(self, scope: Scope, headers: dict[bytes, bytes]) -> bool:
        """Whether a request to the path is one for a prediction, by what its head says."""
        return (
            scope["method"] == "POST"
            and headers.get(b"content-type") in _JSON
            and (self._keys is None or self._keys.admit(headers))
            and len(b"".join(headers)) + len(b"".join(headers.values())) <= self._max_header_bytes
        )

    async def _predict(self, answers: Answers, body: bytes, request_id: bytes) -> PredictedRow | None:
        """The prediction of the row in a body; None when anything speaks against it."""
        if len(body) > self._max_body_bytes:
            return None
        try:
            return await answers.predict(answers.read(body), request_id.decode())
        except (ValidationError, RequestProblem, WeighbridgeError):
            return None

    def _count(self, scope: Scope, request_id: bytes, started: float) -> None:
        seconds = perf_counter() - started
        self._telemetry.answered("POST", self._path, 200, seconds)
        if self._access_log is not None:
            self._access_log.add(scope, 200, seconds, request_id)

    async def _pass_on(
        self,
        scope: Scope,
        headers: dict[bytes, bytes],
        receive: Receive,
        send: Send,
        request_id: bytes,
        started: float,
    ) -> None:
        status = 500
        state = scope.setdefault("state", {})
        state["request_id"] = request_id.decode()
        own = [(b"x-request-id", request_id), _NO_SNIFFING]
        # The answer to a POST is no page, and nobody keeps it.
        if scope["method"] != "POST":
            own += [_NO_STORE, _NO_FRAMES]

        async def send_more(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                sent = list(message.get("headers", ()))
                given = {name for name, _ in sent}
                # A page has a policy of its own.
                message["headers"] = [*sent, *(one for one in own if one[0] not in given)]
            await send(message)

        async def receive_in_time() -> Message:
            message = await receive()
            if state.get(BODY_IS_LATE) and message.get("more_body"):
                raise RequestProblem(HTTPStatus.REQUEST_TIMEOUT, "the body did not come in time", headers=_HANG_UP)
            return message

        problem = self._objection(scope, headers)
        try:
            if problem is None:
                await self._app(scope, receive_in_time, send_more)
            else:
                await ProblemResponse(problem)(scope, receive, send_more)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            seconds = perf_counter() - started
            self._telemetry.answered(_known_method(scope["method"]), route, status, seconds)
            if self._access_log is not None:
                self._access_log.add(scope, status, seconds, request_id)

    def _objection(self, scope: Scope, headers: dict[bytes, bytes]) -> RequestProblem | None:
        """Why a request is not even passed on."""
        size = sum(len(name) + len(value) for name, value in scope["headers"])
        if size > self._max_header_bytes:
            detail = f"the headers are longer than the {self._max_header_bytes:,} bytes that are allowed"
            return RequestProblem(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, detail)
        if self._keys is not None and scope["path"] not in OPEN_PATHS and not self._keys.admit(headers):
            detail = "a valid key is needed: send Authorization: Bearer KEY, or X-API-Key: KEY"
            # A browser asks for a name and a password, and sends the key as the password.
            challenge = 'Basic realm="Weighbridge"' if is_page(scope["path"]) else "Bearer"
            return RequestProblem(HTTPStatus.UNAUTHORIZED, detail, headers={"WWW-Authenticate": challenge})
        return None


def _known_method(method: str) -> str:
    return method if method in _METHODS else "other"


def _again(message: Message, receive: Receive) -> Receive:
    """A ``receive`` that begins with a message that was taken already."""
    first: list[Message] = [message]

    async def receive_again() -> Message:
        return first.pop() if first else await receive()

    return receive_again
