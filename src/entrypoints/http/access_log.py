"""One log line for each request, formatted and written away from the requests themselves."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from weighbridge.domain.serving.background import BackgroundThread

#: Lines that may wait; when requests come quicker than lines can be written, the oldest are left out.
_WAITING = 10_000

#: How long the end of the process waits for the last lines, in seconds.
_FAREWELL = 2.0


class AccessLog:
    """Collects what is to be said of requests; a thread of its own says it.

    Args:
        seconds: between two rounds of writing.
    """

    def __init__(self, seconds: float = 0.5) -> None:
        self._lines: deque[tuple[float, str, str, int, float, bytes, str]] = deque(maxlen=_WAITING)
        self._thread = BackgroundThread("access-log", self._write, lambda: seconds, self._write)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Write what is waiting, and end within two seconds."""
        self._thread.stop(_FAREWELL)

    def add(self, scope: Mapping[str, Any], status: int, seconds: float, request_id: bytes) -> None:
        """Take a request that was answered."""
        client = scope.get("client")
        self._lines.append(
            (
                time.time(),
                scope["method"],
                scope["path"],
                status,
                seconds,
                request_id,
                # Of a socket for both families, an address of IPv4 comes as one of IPv6.
                client[0].removeprefix("::ffff:") if client else "",
            )
        )

    def _write(self) -> None:
        logger = logging.getLogger("weighbridge.access")
        while self._lines:
            at, method, path, status, seconds, request_id, client = self._lines.popleft()
            fields = {
                "method": method,
                "path": path,
                "status": status,
                "milliseconds": round(seconds * 1000, 3),
                "request_id": request_id.decode(),
                "client": client,
            }
            message = f"{method} {path!r} {status} in {seconds * 1000:.2f} ms ({fields['request_id']})"
            record = logger.makeRecord(
                logger.name, logging.INFO, "", 0, message, (), None, extra={"event": "request", "fields": fields}
            )
            record.created = at
            if logger.isEnabledFor(logging.INFO):
                logger.handle(record)
