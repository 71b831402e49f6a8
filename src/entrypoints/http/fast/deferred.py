"""An application that is built beside the first answers, so that those need not wait for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from weighbridge.entrypoints.http.asgi import App, Receive, Scope, Send


class Deferred:
    """An ASGI application that is built once, in a thread, when it is first needed or told to.

    Args:
        build: makes the application; should it fail, so does what needed it, and the next one tries again.
    """

    def __init__(self, build: Callable[[], App]) -> None:
        self._build = build
        self._app: App | None = None
        self._lock = threading.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, once there is an application."""
        app = self._app
        if app is None:
            app = await asyncio.to_thread(self.now)
        await app(scope, receive, send)

    def now(self) -> App:
        """The application; built here, or waited for."""
        with self._lock:
            if self._app is None:
                self._app = self._build()
            return self._app
