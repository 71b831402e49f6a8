"""The application behind the limits and keys that hold for every request."""

from __future__ import annotations

from http import HTTPStatus
from time import perf_counter

from weighbridge.entrypoints.http.asgi import App, Message, Receive, Scope, Send
from weighbridge.entrypoints.http.errors import ProblemResponse, RequestProblem
from weighbridge.entrypoints.http.fast.outcome import Outcome, whatever_happens
from weighbridge.entrypoints.http.fast.protocol import BODY_IS_LATE
from weighbridge.entrypoints.http.fast.request_book import RequestBook
from weighbridge.entrypoints.http.keys import OPEN_PATHS, ApiKeys
from weighbridge.entrypoints.http.paths import is_page

NO_SNIFFING = (b"x-content-type-options", b"nosniff")
_NO_STORE = (b"cache-control", b"no-store")
_NO_FRAMES = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")

_HANG_UP = {"Connection": "close"}


class GuardedApp:
    """An application; its answers get the headers that all have, and are counted and logged.

    A path with a slash at its end is the path without it: nobody is redirected. HEAD is answered as GET, without a
    body.

    Args:
        app: answers what is let through.
        book: counts and logs.
        keys: who may ask; None for everybody.
        max_header_bytes: names and values of a request's headers; more are refused with 431.
    """

    def __init__(self, app: App, book: RequestBook, keys: ApiKeys | None, max_header_bytes: int) -> None:
        self._app = app
        self._book = book
        self._keys = keys
        self._max_header_bytes = max_header_bytes

    async def answer(
        self,
        scope: Scope,
        headers: dict[bytes, bytes],
        receive: Receive,
        send: Send,
        request_id: bytes,
        started: float,
    ) -> None:
        """Answer a request that came at ``started``, by the performance counter."""
        asked = scope
        scope = _normalised(scope)
        is_head = asked["method"] == "HEAD"
        outcome = Outcome()
        state = scope["state"]
        state["request_id"] = request_id.decode()
        own = [(b"x-request-id", request_id), NO_SNIFFING]
        # The answer to a POST is no page, and nobody keeps it.
        if scope["method"] != "POST":
            own += [_NO_STORE, _NO_FRAMES]

        async def send_more(message: Message) -> None:
            if message["type"] == "http.response.start":
                outcome.status = message["status"]
                # Whoever stands around this application looks for it there.
                asked["route"] = scope.get("route")
                sent = list(message.get("headers", ()))
                given = {name for name, _ in sent}
                # A page has a policy of its own.
                message["headers"] = [*sent, *(one for one in own if one[0] not in given)]
            else:
                outcome.is_open = message.get("more_body", False)
                if is_head:
                    message["body"] = b""
            await send(message)

        async def receive_in_time() -> Message:
            message = await receive()
            if state.get(BODY_IS_LATE) and message.get("more_body"):
                raise RequestProblem(HTTPStatus.REQUEST_TIMEOUT, "the body did not come in time", headers=_HANG_UP)
            return message

        problem = self._objection(scope, headers)
        app = self._app if problem is None else ProblemResponse(problem)
        try:
            await whatever_happens(app, outcome, scope, receive_in_time, send_more)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            self._book.answered(asked, route, outcome.status or 500, perf_counter() - started, request_id)

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


def _normalised(scope: Scope) -> Scope:
    """The request as the application takes it; the state is that of the connection."""
    path = scope["path"]
    changed = {"method": "GET" if scope["method"] == "HEAD" else scope["method"], "path": path.rstrip("/") or "/"}
    state = scope.setdefault("state", {})
    state["asked_path"] = path
    return {**scope, **changed}
