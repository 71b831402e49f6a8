"""The quick way to a prediction, before the application.

One row as JSON to the task's route is answered here, without the application's routing; everything else, and
whatever is wrong with such a request, is passed on to the application, whose own route of the same path gives
the same answers. So there is one place for errors, and the OpenAPI document describes both.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from itertools import chain
from time import perf_counter

from pydantic import ValidationError

from weighbridge.domain.errors import WeighbridgeError
from weighbridge.domain.serving.row_predictor import PredictedRow
from weighbridge.entrypoints.http.answers import OUTSIDE_HEADER, Answers, LiveAnswers, names_in_header
from weighbridge.entrypoints.http.asgi import Message, Receive, Scope, Send
from weighbridge.entrypoints.http.fast.deferred import Deferred
from weighbridge.entrypoints.http.fast.guarded_app import NO_SNIFFING, GuardedApp
from weighbridge.entrypoints.http.fast.request_book import RequestBook
from weighbridge.entrypoints.http.keys import ApiKeys

_OUTSIDE = OUTSIDE_HEADER.lower().encode()

#: Headers and body of an answer, as they are written.
_WHOLE = (
    b"content-type: application/json\r\nx-content-type-options: nosniff\r\n"
    b"x-request-id: %b\r\ncontent-length: %d\r\n%b\r\n%b"
)

_JSON = frozenset({b"application/json", b"application/json; charset=utf-8"})


class Front:
    """An ASGI application that answers single rows by itself and passes everything else on to another.

    Args:
        app: answers everything but the quick way.
        background: what goes on beside the answers, from the server's start to its end.
        path: of the route that predicts one row.
        answers: of the live model.
        book: counts and logs every request.
        keys: who may ask.
        max_body_bytes: a longer body is left to the application to refuse.
        max_header_bytes: names and values of a request's headers; more are refused with 431.
        root_path: a path that is taken off the beginning of those that have it; empty for none.
    """

    def __init__(
        self,
        app: Deferred,
        *,
        background: Callable[[], AbstractContextManager[None]],
        path: str,
        answers: LiveAnswers,
        book: RequestBook,
        keys: ApiKeys,
        max_body_bytes: int,
        max_header_bytes: int,
        root_path: str = "",
    ) -> None:
        self._app = app
        self._background = background
        self._path = path
        self._answers = answers
        self._book = book
        self._root_path = root_path
        self._keys = keys or None
        self._max_body_bytes = max_body_bytes
        self._max_header_bytes = max_header_bytes
        #: Counts and logs a request that was refused before it got as far as here, and gives its id.
        self.refused = book.refused
        self._guarded = GuardedApp(app, book, self._keys, max_header_bytes)
        self._start = [(b"content-type", b"application/json"), NO_SNIFFING]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass on whatever else a server has to say."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        started = perf_counter()
        if self._root_path and f"{scope['path']}/".startswith(f"{self._root_path}/"):
            scope["path"] = scope["path"][len(self._root_path) :] or "/"
        headers: dict[bytes, bytes] = dict(scope["headers"])
        request_id = self._book.id_of(headers)
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
                    self._book.answered(scope, self._path, 200, perf_counter() - started, request_id)
                    return
            receive = _again(message, receive)
        await self._guarded.answer(scope, headers, receive, send, request_id, started)

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
        request_id = self._book.id_of(headers)
        try:
            answer, outside = answers.predict_now(answers.read(body), request_id.decode())
        except (ValidationError, WeighbridgeError):
            return None
        content = answers.write(answer)
        more = b"%b: %b\r\n" % (_OUTSIDE, names_in_header(outside)) if outside else b""
        self._book.answered(scope, self._path, 200, perf_counter() - started, request_id)
        return _WHOLE % (request_id, len(content), more, content)

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

    def _is_row(self, scope: Scope, headers: dict[bytes, bytes]) -> bool:
        """Whether a request to the path is one for a prediction, by what its head says."""
        return (
            scope["method"] == "POST"
            and headers.get(b"content-type") in _JSON
            and b"content-encoding" not in headers
            and (self._keys is None or self._keys.admit(headers))
            and len(b"".join(chain.from_iterable(scope["headers"]))) <= self._max_header_bytes
        )

    async def _predict(self, answers: Answers, body: bytes, request_id: bytes) -> PredictedRow | None:
        """The prediction of the row in a body; None when anything speaks against it."""
        if len(body) > self._max_body_bytes:
            return None
        try:
            return await answers.predict(answers.read(body), request_id.decode())
        except Exception:
            # What fails here fails in the application as well, which knows what to say.
            return None


def _again(message: Message, receive: Receive) -> Receive:
    """A ``receive`` that begins with a message that was taken already."""
    first: list[Message] = [message]

    async def receive_again() -> Message:
        return first.pop() if first else await receive()

    return receive_again
