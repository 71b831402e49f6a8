"""Parsing HTTP/1.1 strictly: what can be read in two ways is refused, and no byte is uncounted."""

from __future__ import annotations

from abc import abstractmethod
from http import HTTPStatus
from typing import Any

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from weighbridge.entrypoints.http.errors import RequestProblem
from weighbridge.entrypoints.http.fast.heads import MOST_HEADERS, check_head, check_size, too_long
from weighbridge.entrypoints.http.fast.hosts import AllowedHosts
from weighbridge.entrypoints.http.fast.limits import Limits

#: What is written before the size of a chunk and behind the chunk, in bytes at most.
_CHUNK = 12


class StrictProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which takes whole heads only, and trailers for what they are.

    Args:
        limits: what a connection is allowed.
        hosts: that requests may name; None for any.
        given: for uvicorn.
    """

    def __init__(self, limits: Limits, hosts: AllowedHosts | None, **given: Any) -> None:
        super().__init__(**given)
        self._limits = limits
        self._hosts = hosts
        #: Of the request that is coming in: bytes of its head in earlier slices, of its trailers, and of what is
        #: neither head nor body; and of the current slice, how much is body.
        self._head_bytes = self._trailer_bytes = self._framing = self._taken = 0
        self._is_head_whole = False
        #: The scope of a head that did not end in the slice that it began in.
        self._latest: object = None
        self._slice = 0

    def on_message_begin(self) -> None:
        """Begin with the head of a request."""
        super().on_message_begin()
        self._is_head_whole = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header. A trailer is none (RFC 9110, 6.5.1): its bytes count, and nothing is kept of it."""
        if not self._is_head_whole:
            # As uvicorn does it: a call less for each header.
            name = name.lower()
            if name == b"expect" and value.lower() == b"100-continue":
                self.expect_100_continue = True
            self.headers.append((name, value))
            return
        self._trailer_bytes += len(name) + len(value) + 4
        if self._trailer_bytes > self._limits.head_bytes:
            raise too_long(self._limits.head_bytes)

    def on_headers_complete(self) -> None:
        """Look at a whole head; RequestProblem for one that is refused."""
        self._is_head_whole = True
        self._trailer_bytes = self._framing = 0
        limit = self._limits.head_bytes
        if self._slice > limit or self._latest is self.scope:
            check_size(self.url, self.headers, limit)
        if not self._is_plain():
            host = check_head(self.parser.get_http_version(), self.url, self.headers)
            if self._hosts is not None:
                self._hosts.check(host, self.url)
        super().on_headers_complete()

    def _is_plain(self) -> bool:
        """Whether a head is like most, and there is nothing to check about it."""
        names = dict(self.headers)
        return (
            self._hosts is not None
            and names.get(b"host", b"") == self._hosts.known
            and len(names) == len(self.headers) <= MOST_HEADERS
            and b"transfer-encoding" not in names
            and b"te" not in names
            and self.url[:1] == b"/"
            and b"#" not in self.url
            and self.parser.get_http_version() == "1.1"
        )

    def on_chunk_header(self) -> None:
        """Allow for the bytes that every chunk has."""
        self._taken += _CHUNK

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        self._taken += len(body)
        cycle = self.cycle
        # As uvicorn does it.
        if cycle.response_complete or (self.parser.should_upgrade() and self._should_upgrade()):
            return
        cycle.body += body
        if len(cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        cycle.message_event.set()

    @abstractmethod
    def _refuse(self, problem: RequestProblem) -> None:
        """Answer the request that is coming in with a problem."""

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
        except httptools.HttpParserError as error:
            cause = error.__context__
            problem = RequestProblem(HTTPStatus.BAD_REQUEST, "what was sent is no valid HTTP request")
            self._refuse(cause if isinstance(cause, RequestProblem) else problem)

    def _should_upgrade(self) -> bool:
        """Asked when the parser thinks so; if so, uvicorn makes nothing of the request."""
        return self.scope["method"] != "CONNECT"

    def _head_without_upgrade(self) -> bytes:
        method, version = self.scope["method"].encode(), self.scope["http_version"].encode()
        headers = (b"%b: %b\r\n" % header for header in self.headers if header[0] != b"upgrade")
        return b"%b %b HTTP/%b\r\n%b\r\n" % (method, self.url, version, b"".join(headers))
