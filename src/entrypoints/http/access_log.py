"""One log line for each request, formatted and written away from the requests themselves."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from weighbridge.domain.serving.background import BackgroundThread
from weighbridge.entrypoints.edge_events import LogLinesLost
from weighbridge.entrypoints.logs import say

#: Lines that may wait; those that come beyond are lost, and counted.
_WAITING = 20_000

#: How long the end of the process waits for the last lines, in seconds.
_FAREWELL = 2.0


class AccessLog:
    """Collects the lines of requests; a thread of its own formats and logs them.

    Args:
        seconds: between two rounds of writing.
        most: how many lines may wait.
    """

    def __init__(self, seconds: float = 0.5, most: int = _WAITING) -> None:
        self._lines: deque[tuple[float, str, str, int, float, bytes, str]] = deque()
        self._most = most
        self._lost = self._told = 0
        self._thread = BackgroundThread("access-log", self._write, lambda: seconds, self._write)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Write what is waiting, and end within two seconds."""
        self._thread.stop(_FAREWELL)

    def add(self, scope: Mapping[str, Any], status: int, seconds: float, request_id: bytes) -> bool:
        """Take a request that was answered; whether there was room for its line."""
        if len(self._lines) >= self._most:
            self._lost += 1
            return False
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
        return True

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
        lost = self._lost
        if lost > self._told:
            say(LogLinesLost(lost - self._told))
            self._told = lost
