"""The id of every request, and what is counted and logged of its answer."""

from __future__ import annotations

import itertools
import re
import secrets

from weighbridge.domain.serving.telemetry import ServingTelemetry
from weighbridge.entrypoints.http.access_log import AccessLog
from weighbridge.entrypoints.http.asgi import Scope

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestBook:
    """Names requests, counts them and logs them.

    Args:
        telemetry: told of every answer.
        access_log: told of every answer; None for none.
    """

    def __init__(self, telemetry: ServingTelemetry, access_log: AccessLog | None = None) -> None:
        self._telemetry = telemetry
        self._access_log = access_log
        # Ids are unique: random for the process, counted within it.
        self._prefix = secrets.token_hex(8).encode()
        self._numbers = itertools.count(1)

    def id_of(self, headers: dict[bytes, bytes]) -> bytes:
        """The request's own ``X-Request-Id`` where it has one that can be echoed, else a new id."""
        given = headers.get(b"x-request-id")
        if given is not None and _REQUEST_ID.fullmatch(given):
            return given
        return b"%b-%x" % (self._prefix, next(self._numbers))

    def answered(self, scope: Scope, route: str, status: int, seconds: float, request_id: bytes) -> None:
        """Count and log an answer; ``route`` is the template of the path."""
        method = scope["method"]
        self._telemetry.answered(method if method in _METHODS else "other", route, status, seconds)
        if self._access_log is not None and not self._access_log.add(scope, status, seconds, request_id):
            self._telemetry.log_lines_lost(1)

    def refused(self, scope: Scope, status: int) -> bytes:
        """Count and log a request that was refused before its route was known; its id.

        Args:
            scope: what is known of the request: ``method`` and ``path`` may be missing.
            status: of its answer.
        """
        request_id = self.id_of(dict(scope.get("headers", ())))
        known = {"client": scope.get("client"), "method": scope.get("method", "-"), "path": scope.get("path", "")}
        self.answered(known, "unmatched", status, 0.0, request_id)
        return request_id
