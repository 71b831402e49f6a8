"""How long a connection may take for what it does, by a clock that the test turns; which protocol it speaks."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uvicorn import Config
from uvicorn.server import ServerState

from weighbridge.entrypoints.http.fast.flow import SLOWEST
from weighbridge.entrypoints.http.fast.limits import Limits
from weighbridge.entrypoints.http.fast.protocol import LimitedProtocol
from weighbridge.entrypoints.http.lifecycle import Lifecycle

LIMITS = Limits(head_bytes=100, head_seconds=20, body_seconds=30, idle_seconds=65)
ROOMY = Limits(head_bytes=100_000, head_seconds=20, body_seconds=30, idle_seconds=65)
HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n"


class Loop(asyncio.SelectorEventLoop):
    """An event loop at whose time nothing but the test turns."""

    now = 1000.0

    def time(self) -> float:
        return self.now


class Wire(asyncio.Transport):
    """Keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_closed = False
        self.is_reading_now = True

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed

    def pause_reading(self) -> None:
        self.is_reading_now = False

    def resume_reading(self) -> None:
        self.is_reading_now = True


class Request(NamedTuple):
    """What an application has received."""

    target: tuple[str, str, str, bytes]
    headers: list[tuple[bytes, bytes]]
    body: bytes


class Connection:
    """A protocol on a wire, and what its application has received, which reads while the gate is set."""

    def __init__(self, loop: Loop, limits: Limits = LIMITS) -> None:
        self.loop, self.wire = loop, Wire()
        self.received = 0
        self.requests: list[Request] = []
        self.is_late = False
        self.gate = asyncio.Event()
        self.gate.set()
        config = Config(self.app, interface="asgi3", proxy_headers=False, ws="none", log_config=None)
        self.protocol = LimitedProtocol(
            limits, None, Lifecycle(), config=config, server_state=ServerState(), app_state={}, _loop=loop
        )
        self.protocol.connection_made(self.wire)

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        more, body = True, b""
        while more:
            await self.gate.wait()
            message = await receive()
            body += message.get("body", b"")
            self.received += len(message.get("body", b""))
            self.is_late = bool(scope["state"])
            more = message.get("more_body", False) and not self.is_late
        target = scope["http_version"], scope["method"], scope["path"], scope["query_string"]
        self.requests.append(Request(target, scope["headers"], body))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    def after(self, seconds: float) -> "Connection":
        """Turn the clock, look at the connection, and let everybody do what they have to do."""
        self.loop.now += seconds
        self.protocol.check(self.loop.now)
        return self.settle()

    def send(self, data: bytes) -> "Connection":
        self.protocol.data_received(data)
        return self.settle()

    def settle(self) -> "Connection":
        async def a_while() -> None:
            for _ in range(10):
                await asyncio.sleep(0)

        self.loop.run_until_complete(a_while())
        return self


@contextmanager
def a_loop() -> Iterator[Loop]:
    loop = Loop()
    asyncio.set_event_loop(loop)
    try:
        yield loop
    finally:
        asyncio.set_event_loop(None)
        loop.close()


@pytest.fixture
def connection() -> Iterator[Connection]:
    with a_loop() as loop:
        yield Connection(loop)


def test_who_sends_nothing_is_hung_up_on_without_a_word(connection: Connection) -> None:
    assert not connection.after(19.5).wire.is_closed
    assert connection.after(0.5).wire.is_closed
    assert connection.wire.written == b""


def test_a_head_has_its_time_from_its_first_byte_however_it_drips(connection: Connection) -> None:
    connection.after(15).send(HEAD[:5]).after(15).send(HEAD[5:20])
    assert not connection.after(4.5).wire.is_closed
    assert connection.after(0.5).wire.is_closed
    assert connection.wire.written.startswith(b"HTTP/1.1 408 ")


def test_a_head_has_so_many_bytes_beyond_its_first_packet(connection: Connection) -> None:
    assert not connection.send(HEAD).send(b"X-Padding: ".ljust(100, b"x")).wire.is_closed
    assert connection.send(b"x").wire.is_closed
    assert connection.wire.written.startswith(b"HTTP/1.1 431 ")


def test_a_body_has_its_time_and_more_the_more_has_come(connection: Connection) -> None:
    connection.send(HEAD + b"\r\n").after(29.5).send(b"x" * SLOWEST)
    assert not connection.after(1).is_late
    assert connection.after(0.5).is_late
    assert connection.received == SLOWEST
    assert connection.wire.written.startswith(b"HTTP/1.1 200 ")


def test_whom_the_application_lets_wait_is_not_late(connection: Connection) -> None:
    connection.gate.clear()
    connection.send(HEAD + b"\r\n").send(b"x" * (SLOWEST + 1))
    assert not connection.wire.is_reading_now
    connection.after(31.5).after(29)
    assert not connection.wire.is_closed
    connection.gate.set()
    assert not connection.settle().is_late
    assert connection.received == SLOWEST + 1
    assert connection.after(1).is_late


def test_an_application_that_waits_all_the_same_is_cut_off(connection: Connection) -> None:
    connection.gate.clear()
    connection.send(HEAD + b"\r\n").after(30)
    assert not connection.after(29.5).wire.is_closed
    assert connection.after(0.5).wire.is_closed


def test_between_requests_a_connection_may_idle_and_while_it_is_answered_it_may_take_any_time(
    connection: Connection,
) -> None:
    request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    connection.gate.clear()
    assert connection.send(request).after(10_000).wire.written == b""
    connection.gate.set()
    assert connection.settle().wire.written.startswith(b"HTTP/1.1 200 ")
    connection.after(64.5).send(request)
    assert connection.wire.written.count(b"HTTP/1.1 200 ") == 2
    assert not connection.after(64.5).wire.is_closed
    assert connection.after(0.5).wire.is_closed


def test_requests_sent_one_behind_the_other_are_answered_in_turn(connection: Connection) -> None:
    request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    connection.send(request * 3 + request[:10])
    assert connection.wire.written.count(b"HTTP/1.1 200 ") == 3
    assert not connection.after(19.5).wire.is_closed
    assert connection.send(request[10:] + request[:10]).wire.written.count(b"HTTP/1.1 200 ") == 4
    assert not connection.after(19.5).wire.is_closed
    assert connection.after(0.5).wire.is_closed
    assert connection.wire.written.count(b"HTTP/1.1 408 ") == 1


UPGRADES = (
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n",
    b"connection:upgrade\r\nupgrade:websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n",
    b"Upgrade: TLS/1.0\r\nUPGRADE: h2c, websocket\r\nConnection: keep-alive, Upgrade\r\n",
)
GET = b"GET /hidden HTTP/1.1\r\nHost: y\r\n\r\n"


@pytest.mark.parametrize("upgrade", UPGRADES, ids=["h2c", "websocket", "many"])
@pytest.mark.parametrize("piece", [1, 7, 10_000])
def test_who_asks_for_another_protocol_is_answered_in_this_one(upgrade: bytes, piece: int) -> None:
    post = b"POST /a%20b?c HTTP/1.1\r\nHost: x\r\n" + upgrade
    sent = b"".join(
        (
            post + b"Content-Length: %d\r\n\r\n" % len(GET) + GET,
            post + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(GET) + GET + b"\r\n0\r\n\r\n",
            post + b"\r\n",
            GET,
        )
    )
    with a_loop() as loop:
        connection = Connection(loop, ROOMY)
        for start in range(0, len(sent), piece):
            connection.send(sent[start : start + piece])
    target = "1.1", "POST", "/a b", b"c"
    assert [(request.target, request.body) for request in connection.requests] == [
        (target, GET),
        (target, GET),
        (target, b""),
        (("1.1", "GET", "/hidden", b""), b""),
    ]
    assert connection.wire.written == b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n" * 4
    assert not connection.wire.is_closed


def test_the_body_of_who_asks_for_another_protocol_has_its_time_as_well(connection: Connection) -> None:
    connection.send(HEAD + UPGRADES[0] + b"\r\n").after(29.5).send(b"x" * SLOWEST)
    assert not connection.after(1).is_late
    assert connection.after(0.5).is_late
    assert connection.received == SLOWEST


@pytest.mark.parametrize("upgrade", [b"", UPGRADES[0]], ids=["plain", "h2c"])
def test_what_follows_a_connect_is_no_request(connection: Connection, upgrade: bytes) -> None:
    connection.send(b"CONNECT /x HTTP/1.1\r\nHost: x\r\n" + upgrade + b"Content-Length: 100\r\n\r\n" + GET)
    assert [request.target for request in connection.requests] == [("1.1", "CONNECT", "/x", b"")]
    assert connection.wire.written == b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    assert connection.wire.is_closed


#: How a body of GET is announced and sent: well, and in ways by which servers were led to disagree about its end.
BODIES = (
    (b"", b""),
    *((b"Content-Length: %d\r\n" % (len(GET) + more), GET) for more in (0, 1, -1)),
    *(
        (b"Transfer-Encoding: chunked\r\n", b"%b\r\n%b\r\n0%b\r\n\r\n" % (length, GET, trailers))
        for length in (b"%x" % len(GET), b"%X;upgrade=h2c" % len(GET), b"%x" % (len(GET) - 1), b"-1", b"f" * 17)
        for trailers in (b"", b"\r\nUpgrade: h2c\r\nConnection: Upgrade")
    ),
    *(
        (
            b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n" % length,
            b"%x\r\n%b\r\n0\r\n\r\n" % (len(GET), GET),
        )
        for length in (3, len(GET) + 9)
    ),
    *((b"Transfer-Encoding: %b\r\n" % coding, GET) for coding in (b"identity", b"chunked, gzip", b"chun\r\n ked")),
    (b"Content-Length: 3\r\nContent-Length: 4\r\n", GET),
    (b"Content-Length : 3\r\n", GET),
    (b"Expect: 100-continue\r\nContent-Length: %d\r\n" % len(GET), GET),
)


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[bytes], list[bytes]]:
    """What comes on a connection, cut at any place; and the same without the lines that name another protocol."""
    sent, is_plain = b"", []

    def add(part: bytes, is_common: bool = True) -> None:
        nonlocal sent
        sent += part
        is_plain.extend([is_common] * len(part))

    for _ in range(draw(st.integers(1, 4))):
        lines, body = draw(st.sampled_from(BODIES))
        more = [lines, draw(st.sampled_from((b"", b"", b"Connection: close\r\n", b"X: upgrade\r\n\tupgrade\r\n")))]
        upgrade = draw(st.sampled_from(UPGRADES))
        place = draw(st.integers(0, len(more)))
        method = draw(st.sampled_from((b"POST", b"POST", b"GET", b"HEAD", b"DELETE", b"CONNECT")))
        add(b"%b /?%d HTTP/1.%d\r\n" % (method, len(sent), draw(st.sampled_from((1, 1, 0)))))
        for part in more[:place]:
            add(part)
        for line in upgrade.splitlines(keepends=True):
            add(line, is_common=not line.lower().startswith(b"upgrade"))
        for part in (*more[place:], b"\r\n", body, draw(st.sampled_from((b"", b"", b"\r\n", b"x")))):
            add(part)
    cuts = sorted(draw(st.sets(st.integers(1, len(sent) - 1), max_size=8)))
    spans = list(zip([0, *cuts], [*cuts, len(sent)], strict=True))
    plain = [bytes(byte for byte, keep in zip(sent[a:b], is_plain[a:b], strict=True) if keep) for a, b in spans]
    return [sent[a:b] for a, b in spans], [piece for piece in plain if piece]


@given(streams())
def test_whether_another_protocol_is_asked_for_changes_nothing(stream: tuple[list[bytes], list[bytes]]) -> None:
    def outcome(pieces: Sequence[bytes]) -> tuple[list[Request], bytes, bool]:
        with a_loop() as loop:
            connection = Connection(loop, ROOMY)
            for piece in pieces:
                if not connection.wire.is_closed:
                    connection.send(piece)
            is_closed = connection.wire.is_closed
            connection.protocol.connection_lost(None)
            connection.settle()
            requests = [
                request._replace(headers=[header for header in request.headers if header[0] != b"upgrade"])
                for request in connection.requests
            ]
            return requests, connection.wire.written, is_closed

    asking, plain = stream
    assert outcome(asking) == outcome(plain)
