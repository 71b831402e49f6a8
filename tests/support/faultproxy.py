"""An HTTP proxy that injects the faults of a network, in this process, in front of one server.

Faults are planned for requests to come, all or those of one operation; a request without a planned fault passes.
"""

import os
import socket
import struct
from collections.abc import Iterable
from contextlib import suppress
from enum import Enum
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from threading import Condition, Event, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

_ERROR = '<?xml version="1.0" encoding="UTF-8"?><Error><Code>{}</Code><Message>injected</Message></Error>'


class Fault(Enum):
    """What may happen to a request or to its reply."""

    LATENCY = "latency"
    RESET_BEFORE = "reset before the server"
    RESET_AFTER = "reset after the server"
    ERROR_500 = "500"
    SLOW_DOWN = "503 SlowDown"
    TRUNCATED = "truncated body"
    TRUNCATED_HEAD = "truncated head"
    DRIPPED = "dripped reply"
    LOST_REPLY = "lost reply"
    FLIPPED = "flipped byte"
    #: Of a request, not of a reply.
    FLIPPED_UPLOAD = "flipped byte of an upload"


class FaultProxy:
    """A proxy on an ephemeral loopback port.

    Args:
        upstream: ``http://host:port`` of the server.

    Latency is 0.02 seconds; a dripped reply comes a byte in 0.02 seconds, its head too; after a lost one there is
    silence until the proxy is settled, or for a minute. Of a reply the middle byte of its body is flipped, and
    only where the body is an object's: nothing protects the rest but TLS. No connection serves a second request,
    so that what a fault does to one is never met by the next.
    """

    def __init__(self, upstream: str) -> None:
        address = urlsplit(upstream)
        self._upstream = (str(address.hostname), int(address.port or 80))
        self._lock = Condition()
        self._planned: list[tuple[str | None, Fault | None]] = []
        self._mix: tuple[Random, float, tuple[Fault, ...]] | None = None
        self._under_way, self._idle = 0, Condition()
        #: Ends what is dripped or held back.
        self._let_go = Event()
        #: The operations that were asked for, each with the fault that it met.
        self.met: list[tuple[str, Fault | None]] = []
        self._start(0)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        """Refuse connections from now on, and end those that there are."""
        self.cut()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def start_again(self) -> None:
        """After ``stop``: take connections again, on the same port."""
        self._start(self._server.server_port)

    def plan(self, *faults: Fault | None, operation: str | None = None) -> None:
        """The next requests (of an operation: list, get, head, put, post, delete, bucket) meet these, in turn."""
        with self._lock:
            self._planned += [(operation, fault) for fault in faults]

    def mix(self, seed: int, rate: float, faults: Iterable[Fault] = Fault) -> None:
        """From now on each request meets one of these at random, at that rate; a seed gives the same again."""
        with self._lock:
            self._mix = (Random(seed), rate, tuple(faults))

    def cut(self) -> None:
        """End every reply that is dripped or held back at this moment."""
        with self._lock:
            self._let_go.set()
            self._let_go = Event()

    def settle(self) -> None:
        """Return when every request that was sent has been carried out; who sent it may have given up on it."""
        # Connections are accepted in turn: once this one is answered, all that were made before it are counted.
        connection = HTTPConnection("127.0.0.1", self._server.server_port, timeout=60)
        connection.request("OPTIONS", "/")
        connection.getresponse().read()
        connection.close()
        for _ in range(1000):
            self.cut()
            with self._idle:
                if self._idle.wait_for(lambda: self._under_way == 0, timeout=0.05):
                    return
        raise AssertionError(f"{self._under_way} requests are still under way")

    def count(self, connections: int) -> None:
        """So many connections more are under way."""
        with self._idle:
            self._under_way += connections
            self._idle.notify_all()

    def wait_for_requests(self, number: int) -> None:
        """Return when so many requests have come since the last ``clear``."""
        with self._lock:
            assert self._lock.wait_for(lambda: len(self.met) >= number, timeout=60)

    def clear(self) -> None:
        """No more faults."""
        with self._lock:
            self._planned.clear()
            self._mix = None
            self.met.clear()

    def answer(self, request: "_Handler") -> None:
        """Answer one request, with the fault that is its turn."""
        let_go = self._let_go
        operation = _operation(request)
        fault = self._next(operation)
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        if fault is Fault.RESET_BEFORE:
            request.reset()
        elif fault in {Fault.ERROR_500, Fault.SLOW_DOWN}:
            status, code = (500, "InternalError") if fault is Fault.ERROR_500 else (503, "SlowDown")
            text = _ERROR.format(code).encode()
            request.wfile.write(_head(status, [("Content-Length", str(len(text)))]))
            request.wfile.write(b"" if request.command == "HEAD" else text)
        else:
            self._pass_on(request, operation, body, fault, let_go)

    def _start(self, port: int) -> None:
        proxy = self

        class Handler(_Handler):
            def answer(self) -> None:
                proxy.answer(self)

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False
            request_queue_size = 128

            def process_request(self, request: Any, client_address: Any) -> None:
                proxy.count(1)
                super().process_request(request, client_address)

            def process_request_thread(self, request: Any, client_address: Any) -> None:
                try:
                    super().process_request_thread(request, client_address)
                finally:
                    proxy.count(-1)

        self._server = Server(("127.0.0.1", port), Handler)
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def _pass_on(
        self, request: "_Handler", operation: str, body: bytes, fault: Fault | None, let_go: Event
    ) -> None:
        if fault is Fault.LATENCY:
            let_go.wait(0.02)
        status, headers, reply = self._ask(request, _flipped(body) if fault is Fault.FLIPPED_UPLOAD else body)
        if fault is Fault.RESET_AFTER:
            request.reset()
            return
        if fault is Fault.LOST_REPLY:
            let_go.wait(60)
            request.reset()
            return
        if fault is Fault.FLIPPED and operation == "get" and status == 200:
            reply = _flipped(reply)
        head = _head(status, headers)
        if fault is Fault.DRIPPED:
            for byte in head + reply:
                request.wfile.write(bytes([byte]))
                if let_go.wait(0.02):
                    request.reset()
                    break
        elif fault is Fault.TRUNCATED_HEAD:
            request.wfile.write(head[: len(head) // 2])
        elif fault is Fault.TRUNCATED and reply:
            request.wfile.write(head + reply[: len(reply) // 2])
        else:
            request.wfile.write(head + reply)

    def _ask(self, request: "_Handler", body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = HTTPConnection(*self._upstream, timeout=60)
        try:
            connection.putrequest(request.command, request.path, skip_host=True, skip_accept_encoding=True)
            for name, value in request.headers.items():
                if name.lower() not in {"expect", "connection"}:
                    connection.putheader(name, value)
            connection.endheaders(body)
            reply = connection.getresponse()
            data = reply.read()
            hop = {"connection", "transfer-encoding", "content-length"}
            headers = [(name, value) for name, value in reply.getheaders() if name.lower() not in hop]
            length = str(len(data)) if request.command != "HEAD" else reply.getheader("Content-Length", "0")
            return reply.status, [*headers, ("Content-Length", length)], data
        finally:
            connection.close()

    def _next(self, operation: str) -> Fault | None:
        with self._lock:
            fault = None
            for index, (wanted, planned) in enumerate(self._planned):
                if wanted in (None, operation):
                    fault = planned
                    del self._planned[index]
                    break
            else:
                if self._mix is not None:
                    random, rate, faults = self._mix
                    fault = random.choice(faults) if random.random() < rate else None
            self.met.append((operation, fault))
            self._lock.notify_all()
            return fault


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        raise NotImplementedError

    def _answer(self) -> None:
        # The client may have gone.
        with suppress(OSError):
            self.answer()
        self.close_connection = True

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def do_OPTIONS(self) -> None:
        """See FaultProxy.settle."""
        self.wfile.write(_head(204, []))
        self.close_connection = True

    def reset(self) -> None:
        """End the connection with a TCP reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def _operation(request: BaseHTTPRequestHandler) -> str:
    address = urlsplit(request.path)
    if request.command == "GET" and "list-type" in parse_qs(address.query):
        return "list"
    if request.command == "HEAD" and "/" not in address.path.strip("/"):
        return "bucket"
    return request.command.lower()


def _head(status: int, headers: list[tuple[str, str]]) -> bytes:
    lines = [f"HTTP/1.1 {status} .", *(f"{name}: {value}" for name, value in headers), "Connection: close", "", ""]
    return "\r\n".join(lines).encode("latin-1")


def _flipped(data: bytes) -> bytes:
    """One bit of the byte in the middle is another."""
    middle = len(data) // 2
    return data[:middle] + bytes(byte ^ 1 for byte in data[middle : middle + 1]) + data[middle + 1 :]
