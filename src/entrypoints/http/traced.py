"""A span around every request, for a service that is traced."""

from __future__ import annotations

from weighbridge.domain.system import Tracing
from weighbridge.entrypoints.http.asgi import App, Message, Receive, Scope, Send


class Traced:
    """An ASGI application around another.

    Args:
        app: what answers; its answers carry ``X-Request-Id``.
        tracing: where the spans are told.
    """

    def __init__(self, app: App, tracing: Tracing) -> None:
        self._app = app
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request within a span, or pass on whatever else a server has to say."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        with self._tracing.request(scope["method"], scope["path"], headers) as span:

            async def send_and_tell(message: Message) -> None:
                if message["type"] == "http.response.start":
                    told = dict(message["headers"])
                    # A prediction that was answered in the quick way went through no route.
                    otherwise = scope["path"] if message["status"] == 200 else "unmatched"
                    route = str(getattr(scope.get("route"), "path", otherwise))
                    span.answered(route, message["status"], told.get(b"x-request-id", b"").decode("latin-1"))
                await send(message)

            await self._app(scope, receive, send_and_tell)
